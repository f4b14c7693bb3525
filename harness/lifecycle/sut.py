"""A variant under its caps: started, waited for until it answers, and ready to be measured."""

from __future__ import annotations

import asyncio
import math
import os
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from harness.ground.clock import Clock
from harness.ground.errors import EnvironmentUnfit, VariantFailed
from harness.ground.model import Network, Placement, Setting, Variant
from harness.ground.placeholders import fill
from harness.ground.process import Command, last_lines
from harness.machine.backends.backend import Backend, Confinement, Look, Party
from harness.machine.engine import EngineLost
from harness.machine.environments import Environment, root_of, sut_environment
from harness.machine.images import APPS
from harness.machine.listeners import listens, ports_of
from harness.machine.services import metrics
from harness.machine.services.tls import CERT, KEY
from harness.records.manifest import start_command

HOST = "127.0.0.1"
_WITHIN_A_BRIDGE = "0.0.0.0"  # noqa: S104 - of a container, whose port is published on 127.0.0.1 alone
POOL_VARIABLE = "WEBDYNO_DB_POOL_SIZE"
_CONNECTIONS_PER_CPU = 16
_PORTS = range(10000, 19000)
"""Below the ports that the kernel gives to outgoing connections, so that none of these is in our way."""
_HEALTHY_WITHIN_S = 60.0
_STATUS_WITHIN_S = 2.0
_POLL_S = 0.01
_NOTHING = "nothing listens"


@dataclass(frozen=True, slots=True)
class Sut:
    """A system under test that has answered once."""

    party: Party
    base_url: str
    startup_s: float
    """From the start of its first process to its first answer."""


class SutDidNotStart(VariantFailed):
    """A variant's process that ended, or did not answer, before it was ready."""

    def __init__(self, what: str, look: Look | None, *, where: str, remedy: str, log: str = "") -> None:
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
    ca_file: str | None = None,
    network: Network = "host",
    apps_root: Path,
    port: int,
    log: Path,
    clock: Clock,
) -> Sut:
    """Start a variant and wait until `GET /healthz` answers 200.

    Where its services hold a certificate it is asked by TLS, and its certificate has to be from the authority
    of `ca_file`. Raises SutDidNotStart, with the end of its log, where it is not, and where the variant ends
    or does not answer within a minute.
    """
    caps = placement.caps
    cert, key = services.get(CERT, ""), services.get(KEY, "")
    placed = variant if environment.code is None else replace(variant, folder=str(environment.code))
    shared = root_of(variant, apps_root)
    if environment.image is not None:
        shared = APPS
        placed = replace(variant, folder=str(APPS / Path(variant.folder).name))
    bridged = network == "bridge"
    command = Command(
        argv=start_command(
            placed,
            host=_WITHIN_A_BRIDGE if bridged else HOST,
            port=port,
            caps=caps,
            settings=settings,
            tls_cert=cert,
            tls_key=key,
        ),
        cwd=placed.folder,
        env=sut_environment(
            environment,
            placed,
            {**services, POOL_VARIABLE: str(pool_size(variant, settings, caps.cpus))},
            apps_root=shared,
        ),
        log=str(log),
    )
    begun_ns = clock.now_ns()
    try:
        party = backend.start(
            Confinement(
                "sut",
                command,
                placement.sut_cpus,
                caps,
                unprivileged=True,
                image=environment.image,
                reads=tuple(path for path in services.values() if _is_path(path)),
                writes=tuple(path for name, path in services.items() if name == metrics.FOLDER),
                publishes=port if bridged else None,
            )
        )
    except EngineLost:
        raise
    except EnvironmentUnfit as error:
        raise SutDidNotStart(
            error.what, None, where=variant.id, remedy=error.remedy, log=error.log
        ) from error
    try:
        tls = ssl.create_default_context(cafile=ca_file) if cert else None
        _await_health(party, variant, port, tls, clock)
    except SutDidNotStart as error:
        party.stop(grace_s=1.0)
        error.log = last_lines(log)  # a container's is whole only at its end
        raise
    except BaseException:
        party.stop(grace_s=1.0)
        raise
    return Sut(party, f"{'https' if cert else 'http'}://{HOST}:{port}", (clock.now_ns() - begun_ns) / 1e9)


def _is_path(value: str) -> bool:
    return value.startswith("/") and Path(value).exists()


def pool_size(variant: Variant, settings: Mapping[str, Setting], cpus: float) -> int:
    """Return the database connections of one worker process.

    All variants get 16 a CPU in total, so a variant with more workers has fewer in each.
    """
    whole = max(1, math.ceil(cpus))
    workers = int(fill(str({**variant.settings, **settings}.get("workers", 1)), {"cpus": str(whole)}))
    return max(1, _CONNECTIONS_PER_CPU * whole // max(1, workers))


def free_port() -> int:
    """Return a port that nobody listens on; raises EnvironmentUnfit where all are taken.

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


def _await_health(
    party: Party, variant: Variant, port: int, tls: ssl.SSLContext | None, clock: Clock
) -> None:
    limit_ns = clock.now_ns() + int(_HEALTHY_WITHIN_S * 1e9)
    last = _NOTHING
    while clock.now_ns() < limit_ns:
        told = _ask_health(port, tls)
        seen = party.look()
        foreign = told is not None and listens(port, seen.pids) is False
        if told == 200 and seen.exit is None and not foreign:
            return
        if told is not None:
            last = "another program answers there" if foreign else _what_it_says(told)
        if isinstance(told, ssl.SSLCertVerificationError) and not foreign:
            raise SutDidNotStart(
                f"shows a certificate that can't be trusted ({told.verify_message})",
                seen,
                where=variant.id,
                remedy="let `tls` of its variant.toml hand {tls_cert} and {tls_key} to the server",
            )
        if seen.exit is not None:
            raise SutDidNotStart(
                f"{_how_it_ended(seen)} before it answered GET /healthz",
                seen,
                where=variant.id,
                remedy=f"{_what_to_do(seen)}: `start` in {variant.folder}/variant.toml",
            )
        clock.sleep(_POLL_S)
    seen = party.look()
    ports = ports_of(seen.pids)
    if port in ports and last == _NOTHING:
        last = "it listens and says nothing"
    elif ports - {port}:
        last += f"; it listens on {', '.join(map(str, sorted(ports)))}"
    raise SutDidNotStart(
        f"did not answer GET /healthz on port {port} within {_HEALTHY_WITHIN_S:g} s ({last})",
        seen,
        where=variant.id,
        remedy="let it listen on {host}:{port} and answer 200 once it is ready: "
        f"`start` in {variant.folder}/variant.toml",
    )


def _what_it_says(told: int | ssl.SSLError) -> str:
    return f"it answers {told}" if isinstance(told, int) else f"TLS fails: {told}"


def _how_it_ended(seen: Look) -> str:
    if seen.counters.oom_kills:
        return "was killed by the kernel at its memory cap (raise it with --memory)"
    others = f" and left {len(seen.pids)} other processes behind" if seen.pids else ""
    return f"ended with status {seen.exit}{others}"


def _what_to_do(seen: Look) -> str:
    if seen.pids:
        return "let the server stay in the foreground, as no daemon"
    return "correct the command, what it runs, or the requirements"


def _ask_health(port: int, tls: ssl.SSLContext | None) -> int | ssl.SSLError | None:
    """Return the status of `GET /healthz`, or why TLS fails; None without answer, or one byte by byte."""
    try:
        return asyncio.run(asyncio.wait_for(_status(port, tls), _STATUS_WITHIN_S))
    except ssl.SSLError as error:
        return error
    except (OSError, EOFError, asyncio.LimitOverrunError, ValueError, IndexError):  # time-out: an OSError
        return None


async def _status(port: int, tls: ssl.SSLContext | None) -> int:
    reader, writer = await asyncio.open_connection(HOST, port, ssl=tls)
    try:
        writer.write(f"GET /healthz HTTP/1.1\r\nHost: {HOST}:{port}\r\nConnection: close\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        return int(head.split(b" ", 2)[1])
    finally:
        writer.close()
