"""A party in a real container: its caps hold, its counters are the kernel's, and nothing of it is left."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from containing import BASE, labelled, marks
from parties import TWO_SPINNERS, until, used_cpus

from harness.ground.clock import SystemClock
from harness.ground.model import Caps
from harness.ground.process import Command
from harness.machine.backends.backend import Confinement, Party
from harness.machine.backends.cgroup import CgroupBackend
from harness.machine.backends.container import ContainerParty
from harness.machine.backends.docker import DockerBackend
from harness.machine.custody.collector import collect
from harness.machine.custody.journal import Journal
from harness.machine.engine import Engine, connect

pytestmark = marks
MIB = 1 << 20


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    """Return the journal of a run of its own."""
    return Journal(tmp_path / "journal.jsonl", f"test{time.monotonic_ns()}")


@pytest.fixture
def backend(engine: Engine, journal: Journal) -> Iterator[DockerBackend]:
    """Return a backend that must leave no container."""
    clock = SystemClock()
    backend = DockerBackend(
        connect(), journal.run, journal, clock, CgroupBackend(journal.run, journal, clock)
    )
    yield backend
    backend.close()
    assert labelled(engine, os.getpid()) == []


def _contained(
    folder: Path, code: str, caps: Caps, reads: tuple[str, ...] = (), writes: tuple[str, ...] = ()
) -> Confinement:
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "GIVEN": "yes"}
    command = Command(("python", "-c", code), "/", environment, str(folder / "sut.log"))
    return Confinement("sut", command, (), caps, unprivileged=True, image=BASE, reads=reads, writes=writes)


@contextmanager
def _preferred(party: Party) -> Iterator[None]:
    """Let nothing else on the machine take CPU from a party, so that only its quota bounds it."""
    assert isinstance(party, ContainerParty)
    place = party.group.controlled_by("cpu")
    assert place is not None
    file, most = ("cpu.weight", "10000") if place.version == 2 else ("cpu.shares", "262144")
    around = place.folder.parent / file  # the engine's own group, in which all containers are
    before = around.read_text()
    try:
        for path in (place.folder / file, around):
            path.write_text(most)
        yield
    finally:
        around.write_text(before)


@pytest.mark.parametrize("cpus", [0.5, 1.0])
def test_cpu_cap_is_enforced(backend: DockerBackend, tmp_path: Path, cpus: float) -> None:
    """Two spinning processes on all CPUs use what the quota allows, within 2 %, and are throttled.

    Never more; less where the whole machine stands still, but not in each of three tries.
    """
    party = backend.start(_contained(tmp_path, TWO_SPINNERS, Caps(cpus, 256 * MIB)))
    assert party.caps_enforced
    assert until(lambda: len(party.look().pids) == 2)
    with _preferred(party):
        first = party.look().counters
        used = used_cpus(party, at_least=0.98 * cpus)
        last = party.look().counters
    assert max(used) <= 1.02 * cpus
    assert used[-1] >= 0.98 * cpus, used
    assert (last.throttled_periods or 0) > (first.throttled_periods or 0)


def test_a_worker_past_the_memory_cap_is_counted(backend: DockerBackend, tmp_path: Path) -> None:
    """A worker that allocates past the cap is killed, and counted though its supervisor goes on."""
    code = f"import os, time\nif os.fork() == 0:\n    hog = bytearray(256 * {MIB})\ntime.sleep(60)"
    party = backend.start(_contained(tmp_path, code, Caps(1.0, 64 * MIB)))
    assert until(lambda: party.look().counters.oom_kills)
    assert party.look().exit is None


def test_the_first_process_past_the_memory_cap_is_counted(backend: DockerBackend, tmp_path: Path) -> None:
    """The end of the whole container at its memory cap is told by the engine, whose group is gone by then."""
    party = backend.start(_contained(tmp_path, f"hog = bytearray(256 * {MIB})", Caps(1.0, 64 * MIB)))
    assert until(lambda: party.look().exit is not None)
    look = party.look()
    assert (look.exit, look.counters.oom_kills) == (-9, 1)


def test_a_party_can_change_nothing(backend: DockerBackend, tmp_path: Path) -> None:
    """It has no capabilities, a user that is not ours, a read-only system, and no environment but its own."""
    shared = tmp_path / "shared"
    shared.mkdir(mode=0o777)
    shared.chmod(0o777)
    tmp_path.chmod(0o711)
    (tmp_path / "read").write_text("hello")
    code = f"""
import os
def may(path):
    try:
        open(path, "w").close()
    except OSError:
        return False
    return True
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(os.getuid() != 0, sorted(set(os.environ) - {{"HOME", "HOSTNAME"}}), status["CapBnd"].strip(),
      status["NoNewPrivs"].strip(), bool(os.statvfs("/").f_flag & os.ST_RDONLY),
      may("/tmp/x"), may("{shared}/x"), open("{tmp_path}/read").read(), may("{tmp_path}/read"))
raise SystemExit(7)
"""
    more = {"reads": (str(tmp_path / "read"),), "writes": (str(shared),)}
    party = backend.start(_contained(tmp_path, code, Caps(1.0, 64 * MIB), **more))
    assert until(lambda: party.look().exit is not None)
    assert party.stop() == 7
    said = (tmp_path / "sut.log").read_text()
    assert said.startswith("True ['GIVEN', 'LANG', 'PATH'] 0000000000000000 1 True True True hello False")
    assert (shared / "x").exists()


def test_what_a_journal_names_is_collected(
    backend: DockerBackend, engine: Engine, journal: Journal, tmp_path: Path
) -> None:
    """The clean-up by the journal alone removes a running container."""
    backend.start(_contained(tmp_path, "import time; time.sleep(600)", Caps(1.0, 64 * MIB)))
    (name,) = labelled(engine, os.getpid())
    assert name.startswith(f"webdyno-{journal.run}-")
    journal.close()
    assert collect(journal.path) == ()
    assert labelled(engine, os.getpid()) == []
    assert not journal.path.exists()
    backend._parties.clear()
