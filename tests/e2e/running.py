"""Real runs of `webdyno` as a user starts them, in a project of their own, and how to see them gone."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from parties import kill, until

ROOT = Path(__file__).parents[2]
APPS = Path(__file__).parent / "apps"
LEFT_WITHIN_S = 10.0
SUITE = """
title = "A suite for tests."
variants = ["plain"]
scenarios = ["hello"]
blocks = 2
window_s = 1
warmup_s = 0.5
[[load]]
profile = "closed"
users = 20
"""


@dataclass(frozen=True, slots=True)
class Ended:
    """A command that has ended."""

    status: int
    output: str
    complaint: str


def copy_checkout(folder: Path) -> None:
    """Copy this checkout, without what was made in it; it may be no git repository."""

    def left_out(of: str, names: list[str]) -> list[str]:
        made = {"results", "reports", "node_modules"} if Path(of) == ROOT else {"__pycache__", "node_modules"}
        return [name for name in names if name in made or (name.startswith(".") and Path(of) == ROOT)]

    shutil.copytree(ROOT, folder, ignore=left_out)


class Home:
    """A project folder with results, lock, state and temporary files that no other run shares."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.results = folder / "results"
        self.environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("WEBDYNO_")},
            "PYTHONPATH": str(ROOT),
            "WEBDYNO_BACKEND": "cgroup",  # or an engine that happens to run would be taken
            "WEBDYNO_LOCK": str(folder / "lock"),
            "WEBDYNO_STATE": str(folder / "state"),
            "TMPDIR": str(folder / "tmp"),
            "COLUMNS": "200",
        }
        for name in ("apps", "tmp"):
            (folder / name).mkdir(parents=True)
        packages = (path.parent.name for path in (ROOT / "apps").glob("*/__init__.py"))
        for name in ("contract", "Dockerfile", "start.py", *packages):
            (folder / "apps" / name).symlink_to(ROOT / "apps" / name)
        (folder / "scenarios").symlink_to(ROOT / "scenarios")
        self.suite()

    def suite(self, **changes: str) -> Path:
        """Write the suite, with other lines for some keys, and return its file."""
        text = SUITE
        for key, value in changes.items():
            text = re.sub(rf"^{key} = .*$", f"{key} = {value}", text, flags=re.MULTILINE)
        path = self.folder / "tiny.toml"
        path.write_text(text)
        return path

    def start(self, *arguments: str, prefix: Sequence[str] = ()) -> Command:
        """Start a command, by another one that becomes it where there is a prefix."""
        return Command(self, arguments, prefix)

    def run(self, *arguments: str, prefix: Sequence[str] = ()) -> Command:
        """Start the suite's run."""
        apps = ("--apps", str(APPS), "--yes")
        return self.start("run", "--suite", "tiny.toml", *apps, *arguments, prefix=prefix)

    def scenarios(self, texts: Mapping[str, str]) -> None:
        """Put these scenarios, by their names, beside the project's own `hello`."""
        folder = self.folder / "scenarios"
        folder.unlink()
        folder.mkdir()
        (folder / "hello.py").symlink_to(ROOT / "scenarios" / "hello.py")
        for name, text in texts.items():
            (folder / f"{name}.py").write_text(text)

    def do(self, *arguments: str) -> Ended:
        """Carry a command out to its end."""
        with self.start(*arguments) as command:
            return command.end()

    def folders(self) -> list[Path]:
        """Return the folders of all runs that have begun, the newest last."""
        return sorted(path.parent for path in self.results.glob("*/run.json"))

    def trials(self) -> dict[str, str]:
        """Return the checksum of every kept trial's files together, by folder."""
        kept = {}
        for record in sorted(self.results.glob("*/trials/*/trial.json")):
            assert json.loads(record.read_bytes())["schema"] == 1  # whole, whatever happened
            files = sorted(path for path in record.parent.iterdir())
            kept[record.parent.name] = hashlib.sha256(b"".join(f.read_bytes() for f in files)).hexdigest()
        return kept

    def processes(self) -> list[int]:
        """Return every process that belongs to a run of this folder: harness, parties, reaper, installer.

        One that has gone elsewhere, as a daemon does, still has the variables that it was given.
        """
        return [pid for pid in _pids() if self._holds(pid)]

    def generators(self) -> list[int]:
        """Return the load generators' processes."""
        return [pid for pid in self.processes() if b"locust" in _command_line(pid)]

    def reapers(self) -> list[int]:
        """Return the processes that clean up once their harness has ended."""
        return [pid for pid in self.processes() if b"harness.machine.custody.reaper" in _command_line(pid)]

    def suts(self) -> list[int]:
        """Return the processes of systems under test."""
        return [pid for pid in self.processes() if b"server.py" in _command_line(pid)]

    def left(self, pids: set[int]) -> list[str]:
        """Return what is left of runs whose harness had one of these pids."""
        temporary = [path for path in (self.folder / "tmp").iterdir() if "webdyno" in path.name]
        journals = (self.folder / "state").glob("*/journal.jsonl")
        return [
            *(f"process {pid}: {_command_line(pid)!r}" for pid in self.processes()),
            *(path for pid in pids for path in _groups(pid)),
            *map(str, temporary),
            *map(str, journals),
        ]

    def _holds(self, pid: int) -> bool:
        mark = str(self.folder).encode()
        if pid == os.getpid() or mark in _command_line(pid):
            return pid != os.getpid()
        with contextlib.suppress(OSError):
            if mark in Path(f"/proc/{pid}/environ").read_bytes():
                return True
        with contextlib.suppress(OSError):
            if mark in bytes(Path(f"/proc/{pid}/cwd").readlink()):
                return True
        with contextlib.suppress(OSError):
            return mark in bytes(Path(f"/proc/{pid}/fd/1").readlink())
        return False


class Command:
    """A command of webdyno that is going on; as a context it leaves nothing behind."""

    def __init__(self, home: Home, arguments: Sequence[str], prefix: Sequence[str] = ()) -> None:
        self.home = home
        self.output = home.folder / "output"
        self.complaint = home.folder / "complaint"
        with open(self.output, "wb") as output, open(self.complaint, "wb") as complaint:
            self.child = subprocess.Popen(
                (*prefix, sys.executable, "-m", "harness", *arguments),
                cwd=home.folder,
                env=home.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=complaint,
                start_new_session=True,
            )

    def __enter__(self) -> Command:
        return self

    def __exit__(self, *_: object) -> None:
        if self.child.poll() is None:
            self.child.kill()
        self.child.wait()
        until(lambda: not self.home.left({self.child.pid}), bound_s=15)
        kill(self.home.processes())

    def said(self, text: str) -> bool:
        """Return whether it has printed this."""
        return text in self.output.read_text(errors="replace")

    def await_said(self, text: str) -> None:
        """Wait until it has printed this."""
        assert until(lambda: self.said(text) or self.child.poll() is not None, bound_s=200)
        assert self.said(text), self.complaint.read_text()

    def await_load(self, bound_s: float = 60) -> None:
        """Wait until a generator has reported its barrier: load is on."""
        events = "*/.trial/generator/events.jsonl"

        def on() -> bool:
            return any('"barrier"' in path.read_text() for path in self.home.results.glob(events))

        assert until(on, bound_s=bound_s), self.complaint.read_text()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the harness alone."""
        self.child.send_signal(number)

    def end(self, bound_s: float = 250) -> Ended:
        """Wait for its end; whatever it was, nothing may be left then, and no traceback is told."""
        status = self.child.wait(bound_s)
        left = self.home.left({self.child.pid})
        assert until(lambda: not self.home.left({self.child.pid}), bound_s=LEFT_WITHIN_S), left
        ended = Ended(status, self.output.read_text(), self.complaint.read_text())
        assert "Traceback" not in ended.complaint + ended.output, ended.complaint
        return ended


@contextlib.contextmanager
def listening() -> Iterator[int]:
    """Listen on a port of 127.0.0.1 and yield its number."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield int(server.getsockname()[1])


def was_measured(home: Home, ended: Ended) -> bool:
    """Tell whether each trial of the latest run has a window without an error.

    Where the machine is busy a trial may be invalid all the same, and then a run ends with 4.
    """
    paths = home.folders()[-1].glob("trials/*/trial.json")
    records = [json.loads(path.read_bytes()) for path in paths]
    whole = [
        one["failure"] is None and one["load"]["requests"] > 0 == one["load"]["errors"] for one in records
    ]
    return ended.status in (0, 4) and bool(whole) and all(whole)


def codes(ended: Ended, by: str = "variant") -> Mapping[str, Mapping[str, str]]:
    """Return the severity of each finding of a run that was checked, by variant or scenario, and code."""
    cells: list[dict[str, Any]] = json.loads(ended.output)["cells"]
    return {
        cell["variant"]["id"] if by == "variant" else cell["scenario"]: {
            finding["code"]: finding["severity"]
            for finding in reversed(cell["findings"])  # the severest first: it wins
            if not finding["remedy"].startswith("not checked")
        }
        for cell in cells
    }


def row_of(listed: Ended, run: str) -> Mapping[str, Any]:
    """Return a run's row of `webdyno list --json`."""
    rows: list[dict[str, Any]] = json.loads(listed.output)
    return next(row for row in rows if row["id"] == run)


def _pids() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()  # empty for a zombie
    except OSError:
        return b""


def _groups(pid: int) -> list[str]:
    return [
        folder
        for folder, _, _ in os.walk("/sys/fs/cgroup")
        if re.fullmatch(rf"webdyno-.*-{pid}-\d+-.*", Path(folder).name)
    ]
