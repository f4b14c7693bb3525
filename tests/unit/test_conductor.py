from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gevent
import pytest

from harness.ground.model import Load, Timing
from harness.ground.observations import Assignment, WatchWindow

with pytest.MonkeyPatch.context() as alone:
    alone.setenv("LOCUST_SKIP_MONKEY_PATCH", "1")  # the standard library is other tests' too
    from locust.event import Events
    from locust.runners import MasterRunner

    from harness.loadgen import conductor
    from harness.loadgen.ensemble import ProcessRecord
    from harness.loadgen.recorder import Recorder


@dataclass
class Master(MasterRunner):  # type: ignore[misc]  # Locust has no types
    """A master without a socket; what it is told to send is kept."""

    environment: Any
    clients: Any = field(default_factory=lambda: Clients())
    handlers: dict[str, Callable[..., None]] = field(default_factory=dict)
    sent: list[tuple[str, Any]] = field(default_factory=list)
    has_quit: bool = False
    greenlet: tuple[()] = ()

    def register_message(self, msg_type: str, listener: Callable[..., None]) -> None:
        """Keep a handler."""
        self.handlers[msg_type] = listener

    def send_message(self, msg_type: str, data: object = None) -> None:
        """Keep what was sent."""
        self.sent.append((msg_type, data))

    def quit(self) -> None:
        """Be over."""
        self.has_quit = True


class Clients(dict[str, object]):
    """Workers, none of them missing."""

    missing = ()


@dataclass
class Led:
    """A master that leads a trial of two workers and 4 users."""

    events: Path
    master: Master

    def hear(self, kind: str, worker: str, **data: object) -> None:
        """Have a worker's message handled."""
        self.master.handlers[kind](msg=SimpleNamespace(node_id=worker, data=data))

    def join(self, *workers: str) -> None:
        """Have workers connect."""
        for worker in workers:
            self.master.environment.events.worker_connect.fire(client_id=worker)

    def told(self) -> list[dict[str, Any]]:
        """Return what the harness is told by the time that all who can run have run."""
        gevent.sleep(0.01)
        if not self.events.exists():
            return []
        return [json.loads(line) for line in self.events.read_text().splitlines()]


@pytest.fixture
def led(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Led:
    """Return a master that waits for its workers."""
    timing = Timing(0.0, 0.0, drain_s=0.0, barrier_s=5.0)
    assignment = Assignment(Load("closed", 4), timing, seed=7, processes=1, folder=str(tmp_path))
    order = tmp_path / "assignment.json"
    order.write_bytes(conductor._assignments.dump_json(assignment))
    monkeypatch.setenv(conductor.ASSIGNMENT, str(order))
    options = SimpleNamespace(expect_workers=2)
    master = Master(SimpleNamespace(events=Events(), parsed_options=options))
    master.environment.runner = master
    conductor.install(master.environment)
    return Led(tmp_path / "events.jsonl", master)


def test_workers_are_assigned_before_they_get_users(led: Led) -> None:
    """At the test's start each worker is told all that it must know, and no folder: that is the master's."""
    led.master.environment.events.test_start.fire(environment=None)
    ((kind, data),) = led.master.sent
    told = conductor._assignments.validate_json(data["assignment"])
    assert kind == "webdyno-assigned"
    assert (told.load.users, told.seed, told.processes, told.folder) == (4, 7, 2, "")


def test_a_worker_too_many_fails_the_trial(led: Led) -> None:
    """A third worker where two are expected is told at once: Locust would give it users of the others."""
    led.join("a", "b", "a")
    assert led.told() == []
    led.join("c")
    (failed,) = led.told()
    assert failed["why"] == "3 workers joined where 2 were expected: users would be moved"
    assert led.master.has_quit


def test_a_message_that_cannot_be_handled_fails_the_trial(led: Led) -> None:
    """What a worker says and the master can't read is the trial's end, at once, and not a time-out."""
    led.join("a", "b")
    led.hear("webdyno-done", "a", record="{}")
    (failed,) = led.told()
    assert str(failed["why"]).startswith("the load generator failed: ValidationError: ")
    assert failed["workers_lost"] == 0


def test_a_worker_that_fails_fails_the_trial(led: Led) -> None:
    """A worker's reason is the trial's; the first one is kept."""
    led.hear("webdyno-failed", "a", why="no memory")
    led.hear("webdyno-failed", "b", why="no memory either")
    assert [event["why"] for event in led.told()] == ["no memory"]


def test_a_record_is_moved_onto_the_masters_clock() -> None:
    """Another host's clock differs by any amount; durations stay, and moments count from the barrier."""
    part = WatchWindow(0, start_ns=1_000, end_ns=6_000, cpu_share=0.5, wait_share=None, stall_max_ns=3)
    record = ProcessRecord(Recorder().tally(), (part,), (), barrier_ns=500, drained_ns=7_000)
    moved = conductor._on_clock_of(100_500, record)
    assert moved == replace(
        record,
        watch=(replace(part, start_ns=101_000, end_ns=106_000),),
        barrier_ns=100_500,
        drained_ns=107_000,
    )
