"""A client on a pump of its own, with what it counted; for tests, without Locust."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import gevent

from harness.loadgen.client import Client
from harness.loadgen.pump import Pump, Source
from harness.loadgen.recorder import Recorder

Sources = Callable[[Pump, Any], Source]


@dataclass
class Talk:
    """Clients of one pump and one recorder."""

    url: str
    pump: Pump
    recorder: Recorder
    errors: list[tuple[str, str]] = field(default_factory=list)
    """Kind and words of each counted error."""
    clients: list[Client] = field(default_factory=list)

    def client(self, timeout_s: float = 5.0, ca_file: str | None = None, url: str = "") -> Client:
        """Return another client."""
        number = self.recorder.enrol()
        made = Client(url or self.url, self.pump, self.recorder, number, timeout_s, ca_file)
        self.clients.append(made)
        return made

    @property
    def kinds(self) -> list[str]:
        """The kinds of the errors so far."""
        return [kind for kind, _words in self.errors]


@contextlib.contextmanager
def talking(
    url: str, source: Sources | None = None, now_ns: Callable[[], int] = time.monotonic_ns
) -> Iterator[Talk]:
    """Make a pump and a recorder whose window is open; close all afterwards."""
    recorder = Recorder()
    recorder.open_window(time.monotonic_ns(), 1 << 62)
    talk = Talk(url, Pump(now_ns, source), recorder)
    recorder.on_error = lambda _name, _time_ns, kind, words: talk.errors.append((kind, words))
    try:
        yield talk
    finally:
        for client in talk.clients:
            client.close()
        talk.pump.close()


def the_pump_looks() -> None:
    """Let the pump take notice of what has happened."""
    gevent.sleep(0.02)
