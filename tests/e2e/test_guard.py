import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from parties import alive, as_root, groups_of, kill, until

from harness.ground.errors import EnvironmentUnfit
from harness.machine.custody.collector import collect_leftovers
from harness.machine.custody.guard import guard, machine_lock
from harness.machine.custody.journal import Folder, Journal

pytestmark = as_root
HOLDER = """
import signal, sys, tempfile
from pathlib import Path
from harness.machine.backends.backend import Confinement
from harness.machine.backends.cgroup import CgroupBackend, Method, choose, find
from harness.ground.clock import SystemClock
from harness.machine.custody.guard import guard
from harness.machine.custody.journal import Folder
from harness.ground.model import Caps
from harness.ground.process import Command

signal.signal(signal.SIGHUP, signal.SIG_DFL)  # whoever runs the tests by nohup hands down that it is ignored
folder, run, kind = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
spin = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\\nwhile True: pass"
with guard(run, folder / "state", folder / "lock") as journal:
    method = Method("affinity", "asked for") if kind == "affinity" else choose(find())
    backend = CgroupBackend(run, journal, SystemClock(), method=method)
    temporary = folder / "webdyno-temporary"
    journal.note(Folder(str(temporary)))
    temporary.mkdir()
    print("guarded", flush=True)
    for party in ("sut", "generator"):
        command = Command((sys.executable, "-c", spin), "/", {}, str(folder / f"{party}.log"))
        backend.start(Confinement(party, command, (), Caps(0.2, 1 << 26), unprivileged=party == "sut"))
    print("running", flush=True)
    SystemClock().sleep(60)
"""


class Holder:
    """A process that holds a guard with two running parties."""

    def __init__(self, folder: Path, kind: str = "best") -> None:
        self.run = f"test{os.getpid()}.{time.monotonic_ns()}"
        self.folder = folder
        folder.mkdir(exist_ok=True)
        self.output = folder / "output"
        with open(self.output, "w") as output:
            self.child = subprocess.Popen(
                (sys.executable, "-c", HOLDER, str(folder), self.run, kind),
                stdout=output,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )

    def said(self, word: str) -> bool:
        """Return whether it has come so far."""
        return word in self.output.read_text()

    def processes(self) -> list[int]:
        """Return every process that was started for the run: parties, their gates, and the reaper."""
        return [pid for pid in _all_pids() if self._belongs(pid)]

    def reaper(self) -> int:
        """Return the reaper's pid."""
        return next(
            pid for pid in self.processes() if b"harness.machine.custody.reaper" in _command_line(pid)
        )

    def gone(self) -> bool:
        """Return whether nothing of the run is left."""
        return (
            not self.processes()
            and not groups_of(self.run)
            and not (self.folder / "webdyno-temporary").exists()
            and not list((self.folder / "state").glob("*/journal.jsonl"))
        )

    def _belongs(self, pid: int) -> bool:
        if str(self.folder).encode() in _command_line(pid):
            return True
        try:
            # A party's output goes to the run's folder, wherever else it has gone.
            return str(Path(f"/proc/{pid}/fd/1").readlink()).startswith(f"{self.folder}/")
        except OSError:
            return False


@pytest.fixture
def holder(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Holder]:
    """Start a holder, and leave nothing of it behind whatever the test finds."""
    holder = Holder(tmp_path / "run", getattr(request, "param", "best"))
    yield holder
    holder.child.kill()
    holder.child.wait()
    until(holder.gone, bound_s=15)
    kill(holder.processes())


def test_whoever_asks_is_told_who_holds_the_machine(tmp_path: Path) -> None:
    """The holder's name is there for the second who is refused as for the first, and gone with the holder."""
    lock = tmp_path / "lock"
    with machine_lock("holder", lock):
        for _ in range(2):
            with (
                pytest.raises(EnvironmentUnfit, match="another run is going on: holder"),
                machine_lock("o", lock),
            ):
                pass
    assert lock.read_text() == ""


@pytest.mark.slow
@pytest.mark.parametrize("moment", range(10))
def test_nothing_outlives_a_kill(tmp_path: Path, moment: int) -> None:
    """After kill -9 at any moment all processes, groups and folders of the run are gone within 10 s."""
    holder = Holder(tmp_path / "run")
    time.sleep(random.Random(moment).uniform(0.1, 0.8))
    holder.child.kill()
    holder.child.wait()
    assert until(holder.gone, bound_s=10), (holder.processes(), groups_of(holder.run))
    with machine_lock("next", tmp_path / "run/lock"):
        pass


@pytest.mark.slow
@pytest.mark.parametrize("holder", ["best", "affinity"], indirect=True)
def test_nothing_outlives_a_kill_while_running(holder: Holder) -> None:
    """With both parties running load and SUT have ended 5 s after a kill -9, in groups and without."""
    assert until(lambda: holder.said("running"))
    assert len(holder.processes()) >= 4
    holder.child.kill()
    holder.child.wait()
    assert until(holder.gone, bound_s=5), (holder.processes(), groups_of(holder.run))


@pytest.mark.slow
@pytest.mark.parametrize(
    "signals", [(signal.SIGINT, signal.SIGINT), (signal.SIGTERM,), (signal.SIGHUP,)], ids=str
)
def test_nothing_outlives_a_polite_end(holder: Holder, signals: tuple[signal.Signals, ...]) -> None:
    """Ctrl-C, a second one in the midst of the clean-up, SIGTERM and SIGHUP leave nothing either."""
    assert until(lambda: holder.said("running"))
    for number in signals:
        holder.child.send_signal(number)
        time.sleep(0.3)
    holder.child.wait(60)
    assert until(holder.gone, bound_s=10), (holder.processes(), groups_of(holder.run))


@pytest.mark.slow
def test_second_guard_is_refused(holder: Holder) -> None:
    """While a run goes on another is refused and told which one it is, without a trace of its own."""
    assert until(lambda: holder.said("running"))
    with (
        pytest.raises(EnvironmentUnfit, match=rf"{holder.run} \(pid {holder.child.pid}\)"),
        guard("second", holder.folder / "state", holder.folder / "lock"),
    ):
        pass
    assert [path.name.split(".")[0] for path in (holder.folder / "state").iterdir()] == [
        holder.run.split(".")[0]
    ]


@pytest.mark.slow
def test_next_start_collects_what_a_killed_reaper_left(holder: Holder) -> None:
    """Where the reaper was killed too, the next start ends and removes what was left."""
    assert until(lambda: holder.said("running"))
    os.kill(holder.reaper(), signal.SIGKILL)
    holder.child.kill()
    holder.child.wait()
    assert len(holder.processes()) >= 2
    assert groups_of(holder.run)
    with guard("next", holder.folder / "state", holder.folder / "lock"):
        assert holder.processes() == [_own_reaper(holder)]
        assert groups_of(holder.run) == []
    assert holder.gone()


@pytest.mark.slow
def test_reaper_heeds_no_polite_signal_and_holds_nothing(holder: Holder) -> None:
    """The reaper ignores what ends the harness, and has no descriptor but its own three."""
    assert until(lambda: holder.said("running"))
    reaper = holder.reaper()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(reaper, number)
    time.sleep(0.2)
    assert alive([reaper]) == [reaper]
    assert sorted(path.name for path in Path(f"/proc/{reaper}/fd").iterdir()) == ["0", "1", "2"]
    assert os.getsid(reaper) == reaper
    groups = Path(f"/proc/{reaper}/cgroup").read_text()
    assert f"webdyno-{holder.run}" not in groups


def test_guard_ends_clean(tmp_path: Path) -> None:
    """A good end collects what is journalled, sees the reaper off and frees the lock."""
    folder = tmp_path / "webdyno-x"
    for _ in range(2):
        with guard("r1", tmp_path / "state", tmp_path / "lock") as journal:
            journal.note(Folder(str(folder)))
            folder.mkdir()
            assert json.loads(journal.path.read_text().splitlines()[0])["pid"] == os.getpid()
        assert not folder.exists()
        assert list((tmp_path / "state").iterdir()) == []
    assert collect_leftovers(tmp_path / "state") == ()


def test_guard_cleans_up_after_an_error(tmp_path: Path) -> None:
    """An error inside passes through, after the clean-up."""
    folder = tmp_path / "webdyno-x"

    def fail(journal: Journal) -> None:
        journal.note(Folder(str(folder)))
        folder.mkdir()
        raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match="mine"), guard("r1", tmp_path / "s", tmp_path / "lock") as journal:
        fail(journal)
    assert not folder.exists()


def _own_reaper(holder: Holder) -> int:
    return next(pid for pid in holder.processes() if _parent(pid) == os.getpid())


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def _all_pids() -> list[int]:
    return alive(pid for pid in map(int, _numbers()) if pid != os.getpid())


def _numbers() -> list[str]:
    return [path.name for path in Path("/proc").iterdir() if path.name.isdigit()]


def _command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""
