"""Starts the load generator and paced servers for tests, and sees that they end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

from pydantic import TypeAdapter

from harness.ground.histogram import Histogram, read_log
from harness.ground.model import Load, Scenario, Timing
from harness.ground.observations import Assignment, GeneratorRecord
from harness.machine.generator import locust_command

HERE = Path(__file__).parent
HELLO = Scenario("hello", str(HERE.parent.parent / "scenarios" / "hello.py"))


@dataclass(frozen=True, slots=True)
class Driven:
    """What a generator left behind."""

    exit: int
    output: str
    events: tuple[dict[str, object], ...]
    record: GeneratorRecord | None
    response: Histogram
    service: Histogram

    @property
    def told(self) -> GeneratorRecord:
        """Return the record of a generator that came to its end."""
        assert self.record is not None, (self.events, self.output)
        return self.record


@contextmanager
def serving(folder: Path, *mode: str, host: str = "127.0.0.1") -> Iterator[str]:
    """Run a paced server; yield its address, and see that it is gone afterwards."""
    port_file = folder / "port"
    argv = (sys.executable, str(HERE / "paced_server.py"), str(port_file), host, *mode)
    child = subprocess.Popen(argv, start_new_session=True)
    try:
        wait_for(port_file.exists)
        yield f"http://{host}:{port_file.read_text()}"
    finally:
        child.kill()
        child.wait()


def answered(base_url: str) -> int:
    """Return how many requests a paced server has answered."""
    return int(told(base_url, "answered"))


def told(base_url: str, what: str) -> float:
    """Return what a paced server tells of itself."""
    with urlopen(f"{base_url}/{what}", timeout=10) as response:
        return float(response.read())


def wait_for(condition: object, within_s: float = 60.0) -> None:
    """Wait until a condition holds."""
    assert callable(condition)
    limit = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < limit, "it did not come about in time"
        time.sleep(0.02)


def assign(folder: Path, load: Load, timing: Timing, processes: int = 1) -> Assignment:
    """Return an assignment whose files go to a folder."""
    return Assignment(load, timing, seed=7, processes=processes, folder=str(folder))


def start(
    folder: Path,
    base_url: str,
    load: Load,
    timing: Timing,
    *,
    processes: int = 1,
    scenario: Scenario = HELLO,
    more: Sequence[str] = (),
) -> subprocess.Popen[str]:
    """Start a generator, with more arguments for Locust."""
    folder.mkdir(exist_ok=True)
    command = locust_command(scenario, base_url, assign(folder, load, timing, processes), folder / "log")
    return subprocess.Popen(
        (*command.argv, *more),
        cwd=folder,
        env=dict(command.env),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def join(
    master: str = "127.0.0.1",
    *,
    port: int = 5557,
    scenario: Scenario = HELLO,
    prefix: Sequence[str] = (),
) -> subprocess.Popen[str]:
    """Start a worker as anyone would by hand: it knows its master's address and nothing of webdyno."""
    known = {name: value for name, value in os.environ.items() if not name.startswith("WEBDYNO_")}
    argv = (sys.executable, "-m", "locust", "-f", scenario.path, "--worker")
    return subprocess.Popen(
        (*prefix, *argv, "--master-host", master, "--master-port", str(port)),
        cwd="/",
        env=known | {"PYTHONPATH": str(HERE.parent.parent)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def part(worker: subprocess.Popen[str], within_s: float = 60.0) -> str:
    """Wait for a worker's end and return what it said; it is gone afterwards."""
    try:
        return worker.communicate(timeout=within_s)[0]
    finally:
        try:
            os.killpg(worker.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def finish(child: subprocess.Popen[str], folder: Path, within_s: float = 60.0) -> Driven:
    """Wait for a generator's end, and read what it left; its whole process group is gone afterwards."""
    try:
        output, _ = child.communicate(timeout=within_s)
    finally:
        try:
            os.killpg(child.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    return read(folder, child.returncode, output)


def read(folder: Path, exit_status: int = 0, output: str = "") -> Driven:
    """Read what a generator left in its folder."""
    events = folder / "events.jsonl"
    log, load = folder / "latency.hlog", folder / "load.json"
    intervals = [i for i in read_log(log.read_text()) if i.start_s >= 0] if log.exists() else []
    return Driven(
        exit=exit_status,
        output=output,
        events=tuple(map(json.loads, events.read_text().splitlines())) if events.exists() else (),
        record=TypeAdapter(GeneratorRecord).validate_json(load.read_bytes()) if load.exists() else None,
        response=Histogram.merge(i.histogram for i in intervals if i.tag.startswith("response")),
        service=Histogram.merge(i.histogram for i in intervals if i.tag.startswith("service")),
    )


def drive(
    folder: Path,
    base_url: str,
    load: Load,
    timing: Timing,
    *,
    processes: int = 1,
    scenario: Scenario = HELLO,
) -> Driven:
    """Run a generator to its end."""
    child = start(folder, base_url, load, timing, processes=processes, scenario=scenario)
    return finish(child, folder)
