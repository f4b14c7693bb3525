import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from parties import SPIN, TWO_SPINNERS, alive, as_root, confinement, groups_of, until, used_cpus

from harness.ground.clock import SystemClock
from harness.ground.model import Caps
from harness.machine.backends import cgroup
from harness.machine.backends.backend import Party
from harness.machine.backends.cgroup import CgroupBackend, Method
from harness.machine.backends.parties import GroupParty
from harness.machine.control_groups import members, prepare
from harness.machine.custody.collector import collect
from harness.machine.custody.journal import Journal
from harness.machine.hierarchies import Layout, Place, mounts

pytestmark = as_root
MIB = 1 << 20


@pytest.fixture
def backend(tmp_path: Path) -> Iterator[CgroupBackend]:
    """Return a backend of a run of its own, which must leave no control group."""
    run = f"test{os.getpid()}.{time.monotonic_ns()}"
    backend = CgroupBackend(run, Journal(tmp_path / "journal.jsonl", run), SystemClock())
    yield backend
    backend.close()
    assert groups_of(run) == []


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.parametrize("cpus", [0.5, 1.0])
def test_cpu_cap_is_enforced(backend: CgroupBackend, tmp_path: Path, cpus: float) -> None:
    """Two spinning processes on all CPUs use what the quota allows, within 2 %, and are throttled.

    Never more; less where the whole machine stands still, but not in each of three tries.
    """
    party = backend.start(confinement(tmp_path, TWO_SPINNERS, Caps(cpus, 256 * MIB)))
    assert party.caps_enforced
    assert until(lambda: len(party.look().pids) == 2)
    _prefer(party)
    first = party.look().counters
    used = used_cpus(party, at_least=0.98 * cpus)
    last = party.look().counters
    assert max(used) <= 1.02 * cpus
    assert used[-1] >= 0.98 * cpus, used
    assert (last.throttled_periods or 0) > (first.throttled_periods or 0)
    assert (last.throttled_ns or 0) > (first.throttled_ns or 0)


def test_memory_cap_kills_and_is_counted(backend: CgroupBackend, tmp_path: Path) -> None:
    """A worker that allocates past the cap is killed, and counted though its supervisor goes on."""
    code = f"""
import os, time
if os.fork() == 0:
    hog = bytearray(256 * {MIB})
    time.sleep(60)
print(os.waitstatus_to_exitcode(os.wait()[1]), flush=True)
time.sleep(60)
"""
    party = backend.start(confinement(tmp_path, code, Caps(1.0, 64 * MIB)))
    assert until(lambda: "-9" in (tmp_path / "sut.log").read_text())
    look = party.look()
    assert look.counters.oom_kills == 1
    assert look.exit is None
    assert len(look.pids) == 1
    assert (look.counters.kernel_peak_bytes or 0) <= 64 * MIB
    party.stop(0.1)
    assert party.look().counters.oom_kills == 1


def test_memory_is_counted_as_it_is_used(backend: CgroupBackend, tmp_path: Path) -> None:
    """What a party allocates and touches is its anon memory."""
    code = f"import time\nblock = bytearray(b'x') * (50 * {MIB})\nprint('full', flush=True)\ntime.sleep(60)"
    party = backend.start(confinement(tmp_path, code))
    assert until(lambda: "full" in (tmp_path / "sut.log").read_text())
    anon = party.look().counters.anon_bytes
    assert anon is not None
    assert 50 * MIB <= anon <= 80 * MIB


def test_a_log_has_a_bound(backend: CgroupBackend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A variant that writes without end fills its log to the bound and no disk; a service may write more."""
    monkeypatch.setattr(cgroup, "_MOST_WRITTEN", 1 << 16)
    code = "import sys\nwhile True:\n    sys.stdout.write('x' * 1000)"
    backend.start(confinement(tmp_path, code, unprivileged=True))
    backend.start(confinement(tmp_path, code.replace("True", "sys.stdout.tell() < 1 << 20"), party="service"))
    assert until(lambda: (tmp_path / "service.log").stat().st_size > 1 << 17)
    assert until(lambda: (tmp_path / "sut.log").stat().st_size == 1 << 16)


def test_unprivileged_party_can_change_nothing(backend: CgroupBackend, tmp_path: Path) -> None:
    """As root a variant is another user that can write no group and no folder of ours and gain nothing."""
    folder = tmp_path / "ours"
    folder.mkdir(mode=0o755)
    code = f"""
import os
def denied(path):
    try:
        open(path, "w").write("1")
    except PermissionError:
        return True
groups = [f"/sys/fs/cgroup/memory{{line.split(':')[2].strip()}}/memory.limit_in_bytes"
          for line in open("/proc/self/cgroup") if ":memory:" in line]
groups += ["/sys/fs/cgroup" + line.split(":")[2].strip() + "/cgroup.procs"
           for line in open("/proc/self/cgroup") if line.startswith("0::/") and not groups]
print("uid", os.getuid(), os.getgid(), os.getgroups())
print("group", bool(groups) and all(map(denied, groups)))
print("folder", denied({str(folder / "x")!r}))
for line in open("/proc/self/status"):
    if line.startswith(("NoNewPrivs", "CapEff", "CapBnd")):
        print(*line.split())
import resource
limits = resource.getrlimit(resource.RLIMIT_NOFILE)
print("descriptors", limits[0] == min(limits[1], 1 << 20))
print("end", flush=True)
"""
    party = backend.start(confinement(tmp_path, code, Caps(1.0, 128 * MIB), unprivileged=True))
    assert until(lambda: "end" in (tmp_path / "sut.log").read_text())
    said = (tmp_path / "sut.log").read_text().splitlines()
    for expected in (
        "uid 65534 65534 []",
        "group True",
        "folder True",
        "NoNewPrivs: 1",
        "CapEff: 0000000000000004",
        "CapBnd: 0000000000000004",
        "descriptors True",
    ):
        assert expected in said
    assert until(lambda: party.look().exit is not None)
    assert party.stop() == 0


def test_program_begins_inside_its_group_on_its_cpus(backend: CgroupBackend, tmp_path: Path) -> None:
    """The program's first instruction runs in the group, on the CPUs given, with its own environment."""
    code = "import os\nprint(open('/proc/self/cgroup').read(), os.sched_getaffinity(0), dict(os.environ))"
    wanted = confinement(tmp_path, code)
    cpu = min(os.sched_getaffinity(0))
    wanted = type(wanted)(wanted.party, wanted.command, (cpu,), Caps(0.7, 64 * MIB), unprivileged=True)
    party = backend.start(wanted)
    assert until(lambda: party.look().exit == 0)
    said = (tmp_path / "sut.log").read_text()
    assert said.count("-1-sut") >= 1
    assert f"{{{cpu}}}" in said
    assert "PWD" not in said


@pytest.mark.parametrize("at_one_stroke", [True, False])
def test_nothing_escapes_at_stop(backend: CgroupBackend, tmp_path: Path, at_one_stroke: bool) -> None:
    """Processes that ignore SIGTERM, or have left their session behind, end with the party."""
    if not at_one_stroke:
        _forgo_v2(backend)
    code = f"""
import os, signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork() == 0:
    os.setsid()
    if os.fork():
        os._exit(0)
{SPIN}
"""
    party = backend.start(confinement(tmp_path, code, Caps(0.5, 64 * MIB)))
    assert until(lambda: len(party.look().pids) == 2 and _orphans(party.look().pids))
    pids = party.look().pids
    began = time.monotonic()
    assert party.stop(grace_s=0.3) == -9
    assert time.monotonic() - began < 5
    assert alive(pids) == []
    assert party.look().pids == ()


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.parametrize("at_one_stroke", [True, False])
def test_fork_bomb_is_bounded_and_ends(backend: CgroupBackend, tmp_path: Path, at_one_stroke: bool) -> None:
    """A party that forks without end is held by its process limit and is gone after stop."""
    if not at_one_stroke:
        _forgo_v2(backend)
    code = """
import os
while True:
    try:
        os.fork()
    except OSError:
        pass
"""
    party = backend.start(confinement(tmp_path, code, Caps(0.5, 256 * MIB)))
    assert until(lambda: len(party.look().pids) > 100)
    began = time.monotonic()
    party.stop(grace_s=0.2)
    assert time.monotonic() - began < 10
    assert alive(party.look().pids) == []


def test_exit_status_is_kept(backend: CgroupBackend, tmp_path: Path) -> None:
    """A party that ends by itself shows its status, before and after stop."""
    party = backend.start(confinement(tmp_path, "raise SystemExit(7)", Caps(1.0, 64 * MIB)))
    assert until(lambda: party.look().exit is not None)
    assert party.look().exit == 7
    assert party.stop() == 7
    assert party.look().exit == 7


@pytest.mark.slow
@pytest.mark.alone
def test_looking_is_cheap(backend: CgroupBackend, tmp_path: Path) -> None:
    """A look costs less than 0.5 ms of this process's CPU time, where nothing takes the CPU away from it."""
    party = backend.start(confinement(tmp_path, "import time\ntime.sleep(60)", Caps(1.0, 64 * MIB)))

    def cost() -> float:
        began = time.process_time()
        for _ in range(20):
            party.look()
        return (time.process_time() - began) / 20

    assert min(cost() for _ in range(10)) < 0.0005


def test_without_control_groups_a_session_is_ended_all_the_same(tmp_path: Path) -> None:
    """By affinity alone nothing is capped, and that is said; what left the session is found all the same."""
    code = f"""
import os, signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork() == 0:
    os.setsid()
    if os.fork():
        os._exit(0)
{SPIN}
"""
    journal = Journal(tmp_path / "journal.jsonl", f"test{os.getpid()}")
    backend = CgroupBackend(journal.run, journal, SystemClock(), method=Method("affinity", "asked for"))
    party = backend.start(confinement(tmp_path, code, Caps(0.5, 64 * MIB)))
    try:
        assert not party.caps_enforced
        assert until(lambda: len(party.look().pids) == 2 and _orphans(party.look().pids))
        pids = party.look().pids
        assert party.look().counters.throttled_periods is None
        assert (party.look().counters.anon_bytes or 0) > 0
        assert party.stop(grace_s=0.2) == -9
        assert alive(pids) == []
    finally:
        backend.close()


def test_without_control_groups_each_party_is_counted_alone(tmp_path: Path) -> None:
    """By affinity alone a party's figures hold no other party of its run, whichever was started first."""
    journal = Journal(tmp_path / "journal.jsonl", f"test{os.getpid()}")
    backend = CgroupBackend(journal.run, journal, SystemClock(), method=Method("affinity", "asked for"))
    try:
        sut = backend.start(confinement(tmp_path, "import time\ntime.sleep(60)"))
        generator = backend.start(confinement(tmp_path, TWO_SPINNERS, party="generator"))
        assert until(lambda: len(generator.look().pids) == 2)
        assert len(sut.look().pids) == 1
        generator.stop(grace_s=0.2)
        assert len(alive(sut.look().pids)) == 1  # nor does one's end end another
    finally:
        backend.close()


def test_evacuated_processes_come_back(tmp_path: Path) -> None:
    """On real cgroup v2 the processes beside our groups move to a leaf, and back at the clean-up."""
    mount = next((mount for mount in mounts(Path("/")) if mount.version == 2), None)
    if mount is None:
        pytest.skip("no cgroup v2 is mounted")
    run = f"test{os.getpid()}.{time.monotonic_ns()}"
    folder, leaf = (mount.point / f"webdyno-{run}-box", mount.point / f"webdyno-{run}-box/webdyno-{run}-leaf")
    folder.mkdir()
    child = subprocess.Popen(("sleep", "60"))
    try:
        (folder / "cgroup.procs").write_text(str(child.pid))
        journal = Journal(tmp_path / "r/journal.jsonl", run)
        prepare(Layout((Place(folder, 2, frozenset(), evacuate=True),)), leaf.name, journal)
        assert (members([folder]), members([leaf])) == ((), (child.pid,))
        assert collect(journal.path) == ()
        assert members([folder]) == (child.pid,)
        assert not leaf.exists()
    finally:
        child.kill()
        child.wait()
        assert until(lambda: not members([folder]))
        folder.rmdir()


def _forgo_v2(backend: CgroupBackend) -> None:
    """Take from a hybrid machine the v2 folder that kills a group at one stroke, as plain v1 lacks it."""
    layout = backend.method.layout
    assert layout is not None
    v1 = tuple(place for place in layout.places if place.version == 1)
    if not v1:
        pytest.skip("this is plain cgroup v2")
    backend.method = Method("by-hand", "v1 alone", Layout(v1))


def _prefer(party: Party) -> None:
    """Let nothing else on the machine take CPU from a party, so that only its quota bounds it."""
    assert isinstance(party, GroupParty)
    place = party.group.controlled_by("cpu")
    assert place is not None
    file, most = ("cpu.weight", "10000") if place.version == 2 else ("cpu.shares", "262144")
    (place.folder / file).write_text(most)


def _orphans(pids: tuple[int, ...]) -> bool:
    """Return whether one of the processes has been left by its parent."""
    parents = [int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]) for pid in pids]
    return any(parent not in pids and parent != os.getpid() for parent in parents)
