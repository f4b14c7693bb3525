"""A service's server of our own: started on a free port of 127.0.0.1, and awaited until it answers."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.ground.clock import Clock
from harness.ground.errors import EnvironmentUnfit
from harness.ground.process import Command, last_lines
from harness.machine.backends.backend import Backend, Confinement, Party
from harness.machine.custody.identity import RUN_VARIABLE

ADDRESS = "127.0.0.1"
_START_TIMEOUT_S = 30.0
_PORT_ATTEMPTS = 5
_TAKEN = "address already in use"
"""What every server's log says in the end, in whatever words, where somebody has its port."""


@dataclass(frozen=True, slots=True)
class Server:
    """How a server is started, and how one sees that it is ready."""

    name: str
    """The party's."""
    title: str
    """For messages."""
    command: Callable[[int], tuple[str, ...]]
    """The argument list that listens on a port; it gives up root by itself."""
    environment: Mapping[str, str]
    is_ready: Callable[[int], bool]
    """Asks the server on a port once."""
    image: str | None = None
    """Where its program is; None for one of this machine."""
    writes: tuple[str, ...] = ()
    """Folders of this machine that it uses, beside its program's own."""


def serve(
    server: Server, backend: Backend, *, run: str, cpus: tuple[int, ...], log: Path, clock: Clock
) -> tuple[Party, int]:
    """Start a server and return it with its port; it answers by then.

    Another port is tried where somebody took the free one before the server did. Raises EnvironmentUnfit.
    """
    environment = {**server.environment, "LC_ALL": "C", "TZ": "UTC", RUN_VARIABLE: run}
    for _ in range(_PORT_ATTEMPTS):
        port = _free_port()
        command = Command(argv=server.command(port), cwd="/", env=environment, log=str(log))
        party = backend.start(
            Confinement(
                server.name,
                command,
                cpus,
                caps=None,
                unprivileged=False,
                image=server.image,
                writes=server.writes,
            )
        )
        try:
            ready = _answers(server, party, port, clock)
        except BaseException:
            party.stop()
            raise
        if ready:
            return party, port
        party.stop()
        if _TAKEN not in last_lines(log).lower():
            break
    raise EnvironmentUnfit(
        f"{server.title} ended as it was started",
        where=str(log),
        remedy=f"webdyno doctor says which {server.title} this is",
        log=last_lines(log),
    )


def _answers(server: Server, party: Party, port: int, clock: Clock) -> bool:
    """Wait until the server is ready; False where it has ended. Raises EnvironmentUnfit."""
    deadline = clock.now_ns() + round(_START_TIMEOUT_S * 1e9)
    while clock.now_ns() < deadline:
        if server.is_ready(port):
            return True
        look = party.look()
        if look.exit is not None or not look.pids:
            return False
        clock.sleep(0.05)
    raise EnvironmentUnfit(
        f"{server.title} did not answer within {_START_TIMEOUT_S:g} s",
        where=f"{ADDRESS}:{port}",
        remedy="is the machine overloaded? webdyno doctor tells",
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((ADDRESS, 0))
        return int(probe.getsockname()[1])
