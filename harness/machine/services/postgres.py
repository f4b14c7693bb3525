"""The PostgreSQL of a run: one that is started and thrown away, or a database on the user's server."""

from __future__ import annotations

import os
import shutil
import signal
import socket
from pathlib import Path

import psycopg
from psycopg import sql

from harness.ground.clock import Clock, SystemClock
from harness.ground.errors import EnvironmentUnfit
from harness.ground.process import Command, last_lines
from harness.machine.backends.backend import Backend, Confinement, Party
from harness.machine.custody.identity import RUN_VARIABLE
from harness.machine.custody.journal import Folder, Journal
from harness.machine.services.postgres_binaries import Binaries, choose_binaries
from harness.machine.services.postgres_borrowed import borrow
from harness.machine.services.postgres_cluster import ADDRESS, Cluster, home_for, make_cluster
from harness.machine.services.postgres_database import PostgresService, connect, database_name, in_words
from harness.machine.services.postgres_seeding import ROLE, add_extensions, add_reader, seed_database, warm_up

_START_TIMEOUT_S = 30.0
_STOP_TIMEOUT_S = 5.0
_PORT_ATTEMPTS = 5


def start_postgres(
    backend: Backend,
    journal: Journal,
    *,
    cpus: tuple[int, ...],
    log: Path,
    url: str | None = None,
    binaries: Binaries | None = None,
    clock: Clock | None = None,
) -> PostgresService:
    """Start a server of our own on a free port of 127.0.0.1 and seed it; or, with `url`, use that server.

    There only the database `webdyno_<run>` is made, and dropped at the end. Everything is journalled
    before it is made. Raises EnvironmentUnfit, or UsageError for a `url` that is none.
    """
    if url is not None:
        return borrow(url, journal)
    clock = clock or SystemClock()
    binaries = binaries or choose_binaries()
    home = home_for(journal.run)
    journal.note(Folder(str(home)))
    party: Party | None = None
    try:
        cluster = make_cluster(binaries, home)
        party, port = _serve(backend, journal.run, cluster, cpus, log, clock)
        database = database_name(journal.run)
        owner = f"postgresql://postgres:{cluster.password}@{ADDRESS}:{port}"
        with connect(f"{owner}/postgres") as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(database)))
        with connect(f"{owner}/{database}") as connection:
            seed_database(connection)
            add_extensions(connection, binaries.preloads)
            warm_up(connection)
            password = add_reader(connection)
    except psycopg.Error as error:
        words = last_lines(log)  # before its end fills them
        _end(party, home, clock)
        raise EnvironmentUnfit(
            f"PostgreSQL can't be seeded: {in_words(error)}",
            where=str(home),
            remedy="make room there, or set TMPDIR to another folder",
            log=words,
        ) from error
    except BaseException:
        _end(party, home, clock)
        raise
    return PostgresService(
        url=f"postgresql://{ROLE}:{password}@{ADDRESS}:{port}/{database}",
        party=party,
        version=binaries.version,
        origin=binaries.origin,
        _undo=lambda: _end(party, home, clock),
    )


def _serve(
    backend: Backend, run: str, cluster: Cluster, cpus: tuple[int, ...], log: Path, clock: Clock
) -> tuple[Party, int]:
    """Start the server; another port is tried where somebody took the free one before it did."""
    environment = {"PATH": f"{cluster.bin}:/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC", RUN_VARIABLE: run}
    for _ in range(_PORT_ATTEMPTS):
        port = _free_port()
        party = backend.start(
            Confinement(
                party="postgres",
                command=Command(argv=cluster.command(port), cwd="/", env=environment, log=str(log)),
                cpus=cpus,
                caps=None,
                unprivileged=False,  # its command gives up root by itself, for a uid of its own
            )
        )
        try:
            ready = _answers(party, cluster, port, clock)
        except BaseException:
            party.stop()
            raise
        if ready:
            return party, port
        party.stop()
        if "could not bind" not in last_lines(log):
            break
    raise EnvironmentUnfit(
        "PostgreSQL ended as it was started",
        where=str(log),
        remedy="webdyno doctor says which PostgreSQL this is",
        log=last_lines(log),
    )


def _answers(party: Party, cluster: Cluster, port: int, clock: Clock) -> bool:
    """Wait until the server takes a connection; False where it has ended. Raises EnvironmentUnfit."""
    deadline = clock.now_ns() + round(_START_TIMEOUT_S * 1e9)
    while clock.now_ns() < deadline:
        try:
            connect(f"postgresql://postgres:{cluster.password}@{ADDRESS}:{port}/postgres").close()
        except psycopg.OperationalError:
            look = party.look()
            if look.exit is not None or not look.pids:
                return False
            clock.sleep(0.05)
        else:
            return True
    raise EnvironmentUnfit(
        f"PostgreSQL did not answer within {_START_TIMEOUT_S:g} s",
        where=f"{ADDRESS}:{port}",
        remedy="is the machine overloaded? webdyno doctor tells",
    )


def _end(party: Party | None, home: Path, clock: Clock) -> None:
    """End the server by a fast shutdown (SIGTERM would wait for its clients), then whatever is left."""
    if party is not None:
        main = _server_pid(home)
        if main is not None and main in party.look().pids:
            os.kill(main, signal.SIGINT)
            deadline = clock.now_ns() + round(_STOP_TIMEOUT_S * 1e9)
            while party.look().pids and clock.now_ns() < deadline:
                clock.sleep(0.02)
        party.stop()
    shutil.rmtree(home, ignore_errors=True)


def _server_pid(home: Path) -> int | None:
    try:
        return int((home / "data" / "postmaster.pid").read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((ADDRESS, 0))
        return int(probe.getsockname()[1])
