import time
from dataclasses import replace
from pathlib import Path

from parties import SPIN, as_root, confinement, until

from harness.ground.clock import SystemClock
from harness.machine.backends.cgroup import CgroupBackend, Method
from harness.machine.custody.guard import guard
from harness.machine.hierarchies import Layout, find_layout

pytestmark = as_root


def test_a_party_stays_on_its_cpus_without_the_cpuset_controller(tmp_path: Path) -> None:
    """Where the kernel offers no cpuset, CPU affinity alone keeps a party on the CPUs that it was given."""
    layout = find_layout(Path("/"))
    assert isinstance(layout, Layout)
    bare = Layout(
        tuple(
            replace(place, controllers=place.controllers - {"cpuset"})
            for place in layout.places
            if place.controllers != {"cpuset"}
        )
    )
    run = f"test-placement-{time.monotonic_ns()}"
    with guard(run, tmp_path / "state", tmp_path / "lock") as journal:
        backend = CgroupBackend(run, journal, SystemClock(), method=Method("by-hand", "asked for", bare))
        party = backend.start(replace(confinement(tmp_path, SPIN), cpus=(0,)))
        try:
            assert until(lambda: party.look().pids)
            status = Path(f"/proc/{party.look().pids[0]}/status").read_text()
            assert "Cpus_allowed_list:\t0\n" in status
        finally:
            party.stop(grace_s=0.1)
            backend.close()
