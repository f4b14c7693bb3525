"""Parties of an engine that does what a test has it do."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness.ground.clock import SystemClock
from harness.ground.model import Caps
from harness.ground.observations import Counters
from harness.ground.process import Command
from harness.machine.backends import container as module
from harness.machine.backends.backend import Confinement
from harness.machine.backends.counters import group_counters
from harness.machine.backends.docker import DockerBackend
from harness.machine.control_groups import Group
from harness.machine.custody.journal import Journal
from harness.machine.engine import Engine, EngineLost

RUNNING = {"Running": True, "Pid": 77, "ExitCode": 0}
ENDED = {"Running": False, "Pid": 0, "ExitCode": 3}
CONFINEMENT = Confinement(
    "sut", Command(("python",), "/", {}, "/dev/null"), (0,), Caps(0.5, 64 << 20), unprivileged=True, image="x"
)


class FakeContainer:
    """A container that is found in one state after the other, and stays in the last."""

    id = "abc123"

    def __init__(self, *states: dict[str, Any]) -> None:
        self._states = list(states)
        self.attrs: dict[str, Any] = {}
        self.removed = False

    def start(self) -> None:
        """Do nothing."""

    def reload(self) -> None:
        """See the next state."""
        self.attrs = {"State": self._states.pop(0) if len(self._states) > 1 else self._states[0]}

    def remove(self, **_: object) -> None:
        """Be gone."""
        self.removed = True


@pytest.fixture
def backend_of(tmp_path: Path) -> Callable[[FakeContainer], DockerBackend]:
    """Return what makes a backend on a machine without processes, whose engine makes one container."""
    journal = Journal(tmp_path / "journal.jsonl", "r1")

    def make(container: FakeContainer) -> DockerBackend:
        client: Any = SimpleNamespace(containers=SimpleNamespace(create=lambda *_, **__: container))
        engine = Engine("unix:///engine", "1", "here", client)
        beside: Any = None
        return DockerBackend(engine, "r1", journal, SystemClock(), beside, root=tmp_path)

    return make


@pytest.mark.parametrize(("status", "exit_"), [(3, 3), (137, -9), (255, 255)])
def test_a_program_that_ends_at_once_is_not_the_engines_fault(
    backend_of: Callable[[FakeContainer], DockerBackend], status: int, exit_: int
) -> None:
    """A container that ends before its control group was looked at has ended, with the program's status."""
    container = FakeContainer(RUNNING, ENDED | {"ExitCode": status})
    assert backend_of(container).start(CONFINEMENT).look().exit == exit_
    assert not container.removed


def test_containers_that_can_not_be_seen_end_the_run(
    backend_of: Callable[[FakeContainer], DockerBackend],
) -> None:
    """A running container of which we see no group is the engine's fault, not the variant's, and goes."""
    container = FakeContainer(RUNNING)
    with pytest.raises(EngineLost, match="can't be seen from here"):
        backend_of(container).start(CONFINEMENT)
    assert container.removed


def _group(root: Path) -> Path:
    """Lay out the control group of the container, with its program below it, and return its folder."""
    group = root / "sys/fs/cgroup/machine.slice/libpod-abc123.scope"
    files = {
        root / "proc/self/mountinfo": "29 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
        root / "proc/77/cgroup": "0::/machine.slice/libpod-abc123.scope/container\n",
        group / "cgroup.controllers": "cpu memory\n",
        group / "cgroup.procs": "",
        group / "cpu.max": "50000 100000\n",
        group / "memory.max": f"{64 << 20}\n",
        group / "memory.stat": "anon 4096\n",
        group / "container/cgroup.procs": "77\n78\n",
    }
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return group


def test_a_program_below_its_containers_group_is_seen(
    backend_of: Callable[[FakeContainer], DockerBackend], tmp_path: Path
) -> None:
    """Where the runtime puts the program below the group with the caps, both are found."""
    _group(tmp_path)
    party = backend_of(FakeContainer(RUNNING)).start(CONFINEMENT)
    look = party.look()
    assert (look.pids, look.exit, look.counters.anon_bytes) == ((77, 78), None, 4096)
    assert party.caps_enforced


def test_an_end_while_the_counters_are_read_loses_none(
    backend_of: Callable[[FakeContainer], DockerBackend], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the engine removes the group in the middle of a look, the counters are those seen before."""
    group = _group(tmp_path)
    party = backend_of(FakeContainer(RUNNING, ENDED)).start(CONFINEMENT)
    assert party.look().exit is None

    def gone(of: Group, at_ns: int, processes: int | None) -> Counters:
        shutil.rmtree(group)
        return group_counters(of, at_ns, processes)

    monkeypatch.setattr(module, "group_counters", gone)
    look = party.look()
    assert (look.pids, look.exit, look.counters.anon_bytes) == ((), 3, 4096)


def test_containers_are_journalled_before_they_are_made(
    backend_of: Callable[[FakeContainer], DockerBackend], tmp_path: Path
) -> None:
    """The journal names the label of all containers before the first one is asked for."""
    backend_of(FakeContainer(RUNNING))
    line = json.loads((tmp_path / "journal.jsonl").read_text().splitlines()[-1])
    assert (line["made"], line["label"].partition(".")[0]) == ("containers", "r1")
