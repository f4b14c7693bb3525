"""Services as a run starts them, and how to see that they are gone."""

import os
import secrets
import socket
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

from parties import until

from harness.ground.clock import SystemClock
from harness.machine.backends.cgroup import CgroupBackend
from harness.machine.custody import collector
from harness.machine.custody.identity import RUN_VARIABLE
from harness.machine.custody.journal import NAME, Folder, Journal, read
from harness.machine.services.catalogue import Service, Surroundings, start_services


class ServiceRun:
    """One run's journal and backend, and what it leaves behind."""

    def __init__(self, folder: Path) -> None:
        self.id = f"test-{secrets.token_hex(4)}"
        self.folder = folder
        self.journal = Journal(folder / self.id / NAME, self.id)
        self.backend = CgroupBackend(self.id, self.journal, SystemClock())

    def serve(self, name: str) -> Service:
        """Start a service by its name."""
        around = Surroundings(self.backend, self.journal, (), self.folder)
        return start_services([name], around)[0]

    def left(self) -> list[str]:
        """Return every process and folder of this run that is still there."""
        marker = f"{RUN_VARIABLE}={self.id}".encode()
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if marker in (process / "environ").read_bytes():
                    found.append(f"process {process.name}")
            except OSError:
                continue
        entries = read(self.journal.path)
        folders = [made.path for made in (entries.made if entries else ()) if isinstance(made, Folder)]
        return found + [path for path in folders if Path(path).exists()]

    def close(self) -> None:
        """Let go of everything, however the test went."""
        self.backend.close()
        self.journal.close()
        collector.collect(self.journal.path)


def is_open(url: str) -> bool:
    """Return whether anything listens where a URL points to."""
    parts = urlsplit(url)
    with socket.socket() as probe:
        return probe.connect_ex((parts.hostname or "", parts.port or 0)) == 0


_HARNESS = """
import sys
from pathlib import Path
from harness.machine.backends.cgroup import CgroupBackend
from harness.ground.clock import SystemClock
from harness.machine.custody.guard import guard
from harness.machine.services.catalogue import Surroundings, start_services

folder, run, name, variable = Path(sys.argv[1]), *sys.argv[2:]
with guard(run, folder, folder / "lock") as journal:
    backend = CgroupBackend(run, journal, SystemClock())
    (service,) = start_services([name], Surroundings(backend, journal, (), folder))
    print(service.variables[variable], flush=True)
    sys.stdin.read()
"""


def killed(folder: Path, run: str, name: str, variable: str, theirs: str = "") -> str:
    """Kill a harness once its service is there, wait for its reaper, and return the variable's value.

    `theirs` is the variable's value in the harness's own environment.
    """
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    environment.pop(variable, None)
    if theirs:
        environment[variable] = theirs
    child = subprocess.Popen(
        [sys.executable, "-c", _HARNESS, folder, run, name, variable],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )
    assert child.stdout is not None
    value = child.stdout.readline().strip()
    child.kill()
    child.communicate()
    assert until(lambda: not list(folder.glob(f"{run}*/{NAME}")), bound_s=10)
    return value
