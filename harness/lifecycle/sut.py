"""A variant under its caps: started, waited for until it answers, and ready to be measured."""

from __future__ import annotations

import asyncio
import math
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.ground.clock import Clock
from harness.ground.errors import EnvironmentUnfit, VariantFailed
from harness.ground.model import Placement, Setting, Variant
from harness.ground.placeholders import fill
from harness.ground.process import Command, last_lines
from harness.machine.backends.backend import Backend, Confinement, Look, Party
from harness.machine.environments import Environment, sut_environment
from harness.machine.listeners import listens
from harness.records.manifest import start_command

HOST = "127.0.0.1"
POOL_VARIABLE = "WEBDYNO_DB_POOL_SIZE"
_CONNECTIONS_PER_CPU = 16
_PORTS = range(18000, 19000)
"""Below the ports that the kernel gives to outgoing connections, so that none of these is in our way."""
_HEALTHY_WITHIN_S = 60.0
_STATUS_WITHIN_S = 2.0
_POLL_S = 0.01


@dataclass(frozen=True, slots=True)
class Sut:
    """A system under test that has answered once."""

    party: Party
    base_url: str
    startup_s: float
    """From the start of its first process to its first answer."""


class SutDidNotStart(VariantFailed):
    """A variant's process that ended, or did not answer, before it was ready."""

    def __init__(self, what: str, look: Look | None, *, where: str, remedy: str, log: str) -> None:
        """Keep what was last seen of it; None where it has never run."""
        super().__init__(what, where=where, remedy=remedy, log=log)
        self.exit_status = None if look is None else look.exit
        self.oom_kills = None if look is None else look.counters.oom_kills


def start_sut(
    backend: Backend,
    variant: Variant,
    environment: Environment,
    *,
    placement: Placement,
    settings: Mapping[str, Setting],
    services: Mapping[str, str],
    apps_root: Path,
    port: int,
    log: Path,
    clock: Clock,
) -> Sut:
    """Start a variant and wait until `GET /healthz` answers 200.

    Raises SutDidNotStart, with the end of its log, where it ends or does not answer within a minute.
    """
    caps = placement.caps
    command = Command(
        argv=start_command(variant, host=HOST, port=port, caps=caps, settings=settings),
        cwd=variant.folder,
        env=sut_environment(
            environment,
            variant,
            {**services, POOL_VARIABLE: str(pool_size(variant, settings, caps.cpus))},
            apps_root=apps_root,
        ),
        log=str(log),
    )
    begun_ns = clock.now_ns()
    try:
        party = backend.start(Confinement("sut", command, placement.sut_cpus, caps, unprivileged=True))
    except EnvironmentUnfit as error:
        raise SutDidNotStart(
            error.what, None, where=variant.id, remedy=error.remedy, log=error.log
        ) from error
    try:
        _await_health(party, variant, port, log, clock)
    except BaseException:
        party.stop(grace_s=1.0)
        raise
    return Sut(party, f"http://{HOST}:{port}", (clock.now_ns() - begun_ns) / 1e9)


def pool_size(variant: Variant, settings: Mapping[str, Setting], cpus: float) -> int:
    """Return the database connections of one worker process.

    All variants get 16 a CPU in total, so a variant with more workers has fewer in each.
    """
    whole = max(1, math.ceil(cpus))
    workers = int(fill(str({**variant.settings, **settings}.get("workers", 1)), {"cpus": str(whole)}))
    return max(1, _CONNECTIONS_PER_CPU * whole // max(1, workers))


def free_port() -> int:
    """Return a port that nobody listens on; raises EnvironmentUnfit where all thousand are taken.

    Each process looks in an order of its own, so that two at once seldom choose the same.
    """
    first = os.getpid() * 7
    for step in range(len(_PORTS)):
        port = _PORTS[(first + step) % len(_PORTS)]
        if is_free(port):
            return port
    raise EnvironmentUnfit(f"no port from {_PORTS.start} to {_PORTS.stop - 1} is free")


def is_free(port: int) -> bool:
    """Tell whether a server could listen on a port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def _await_health(party: Party, variant: Variant, port: int, log: Path, clock: Clock) -> None:
    limit_ns = clock.now_ns() + int(_HEALTHY_WITHIN_S * 1e9)
    last = "nothing listens"
    while clock.now_ns() < limit_ns:
        status = _status(port)
        seen = party.look()
        foreign = status is not None and listens(port, seen.pids) is False
        if status == 200 and seen.exit is None and not foreign:
            return
        if status is not None:
            last = "another program answers there" if foreign else f"it answers {status}"
        if seen.exit is not None:
            raise SutDidNotStart(
                f"{_how_it_ended(seen)} before it answered GET /healthz",
                seen,
                where=variant.id,
                remedy=f"its start command is in {variant.folder}/variant.toml",
                log=last_lines(log),
            )
        clock.sleep(_POLL_S)
    raise SutDidNotStart(
        f"did not answer GET /healthz on port {port} within {_HEALTHY_WITHIN_S:g} s ({last})",
        party.look(),
        where=variant.id,
        remedy="it must listen on {host}:{port} and answer 200 once it is ready",
        log=last_lines(log),
    )


def _how_it_ended(seen: Look) -> str:
    if seen.counters.oom_kills:
        return "was killed by the kernel at its memory cap (raise it with --memory)"
    return f"ended with status {seen.exit}"


def _status(port: int) -> int | None:
    """Return the status of `GET /healthz`; None where there is none yet, or it comes byte by byte."""
    try:
        return asyncio.run(asyncio.wait_for(_ask(port), _STATUS_WITHIN_S))
    except (OSError, EOFError, asyncio.LimitOverrunError, ValueError, IndexError):  # time-out: an OSError
        return None


async def _ask(port: int) -> int:
    reader, writer = await asyncio.open_connection(HOST, port)
    try:
        writer.write(f"GET /healthz HTTP/1.1\r\nHost: {HOST}:{port}\r\nConnection: close\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        return int(head.split(b" ", 2)[1])
    finally:
        writer.close()
