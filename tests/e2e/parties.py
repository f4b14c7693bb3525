"""Real parties for the tests of this folder: small programs, and how to see that they are gone."""

import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from harness.ground.model import Caps
from harness.ground.process import Command
from harness.machine.backends.backend import Confinement, Party

as_root = pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0, reason="control groups by hand need Linux and root"
)
SPIN = "while True: pass"
TWO_SPINNERS = f"import os\nos.fork()\n{SPIN}"


def confinement(
    folder: Path, code: str, caps: Caps | None = None, *, party: str = "sut", unprivileged: bool = False
) -> Confinement:
    """Return a party that runs Python code, its output in `<party>.log`."""
    command = Command((sys.executable, "-c", code), "/", {}, str(folder / f"{party}.log"))
    return Confinement(party, command, (), caps, unprivileged)


def until(holds: Callable[[], object], *, bound_s: float = 60.0) -> bool:
    """Wait until something holds; return whether it came to."""
    deadline = time.monotonic() + bound_s
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def used_cpus(party: Party, *, at_least: float) -> list[float]:
    """Return how many CPUs a party used over 10 s; three times at most, until it was so many."""
    used: list[float] = []
    while len(used) < 3 and (not used or used[-1] < at_least):
        first = party.look().counters
        time.sleep(10)
        last = party.look().counters
        assert first.cpu_ns is not None
        assert last.cpu_ns is not None
        used.append((last.cpu_ns - first.cpu_ns) / (last.at_ns - first.at_ns))
    return used


def alive(pids: Iterable[int]) -> list[int]:
    """Return those processes that have not ended; a zombie has."""
    running = []
    for pid in pids:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if state not in "ZX":
            running.append(pid)
    return running


def kill(pids: Iterable[int]) -> None:
    """Kill processes, of which some may have ended meanwhile."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def groups_of(run: str) -> list[str]:
    """Return the control group folders that a run has left."""
    return [path for path, _, _ in os.walk("/sys/fs/cgroup") if Path(path).name.startswith(f"webdyno-{run}-")]
