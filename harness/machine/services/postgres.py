"""The PostgreSQL of a run: one that is started and thrown away, or a database on the user's server."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import psycopg
from psycopg import sql

from harness.ground.clock import Clock, SystemClock
from harness.ground.errors import EnvironmentUnfit
from harness.ground.process import last_lines
from harness.machine.backends.backend import Backend, Party
from harness.machine.custody.journal import Folder, Journal
from harness.machine.services.listening import ADDRESS, Server, serve
from harness.machine.services.owner import home_for
from harness.machine.services.postgres_binaries import Binaries, choose_binaries
from harness.machine.services.postgres_borrowed import borrow
from harness.machine.services.postgres_cluster import Cluster, make_cluster
from harness.machine.services.postgres_database import PostgresService, connect, database_name, in_words
from harness.machine.services.postgres_seeding import ROLE, add_extensions, add_reader, seed_database, warm_up

_STOP_TIMEOUT_S = 5.0


def start_postgres(
    backend: Backend,
    journal: Journal,
    *,
    cpus: tuple[int, ...],
    log: Path,
    url: str | None = None,
    document_key: bytes | None = None,
    binaries: Binaries | None = None,
    image: str | None = None,
    clock: Clock | None = None,
) -> PostgresService:
    """Start a server of our own on a free port of 127.0.0.1 and seed it; or, with `url`, use that server.

    There only the database `webdyno_<run>` is made, and dropped at the end. Everything is journalled
    before it is made. With `image` our own server is that image's. The documents are sealed with the key.
    Raises EnvironmentUnfit, or UsageError for a `url` that is none.
    """
    if url is not None:
        return borrow(url, journal, document_key)
    clock = clock or SystemClock()
    binaries = binaries or choose_binaries()
    home = home_for(journal.run, "postgres")
    journal.note(Folder(str(home)))
    party: Party | None = None
    try:
        cluster = make_cluster(binaries, home)
        party, port = serve(
            _server(cluster, image), backend, run=journal.run, cpus=cpus, log=log, clock=clock
        )
        database = database_name(journal.run)
        owner = f"postgresql://postgres:{cluster.password}@{ADDRESS}:{port}"
        with connect(f"{owner}/postgres") as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(database)))
        with connect(f"{owner}/{database}") as connection:
            seed_database(connection, document_key)
            add_extensions(connection, binaries.preloads)
            warm_up(connection)
            password = add_reader(connection)
            version = connection.info.parameter_status("server_version") or binaries.version
    except psycopg.Error as error:
        words = last_lines(log)  # before its end fills them; a container's are there only then
        _end(party, home, clock)
        raise EnvironmentUnfit(
            f"PostgreSQL can't be seeded: {in_words(error)}",
            where=str(home),
            remedy="make room there, or set TMPDIR to another folder",
            log=words or last_lines(log),
        ) from error
    except BaseException:
        _end(party, home, clock)
        raise
    return PostgresService(
        url=f"postgresql://{ROLE}:{password}@{ADDRESS}:{port}/{database}",
        party=party,
        version=binaries.version if image is None else version.split()[0],
        origin=binaries.origin if image is None else "image",
        _owner=f"{owner}/{database}",
        _undo=lambda: _end(party, home, clock),
    )


def _server(cluster: Cluster, image: str | None) -> Server:
    def is_ready(port: int) -> bool:
        try:
            connect(f"postgresql://postgres:{cluster.password}@{ADDRESS}:{port}/postgres").close()
        except psycopg.OperationalError:
            return False
        return True

    if image is not None:
        command, home = cluster.command_of_image, str(cluster.home)
        return Server("postgres", "PostgreSQL", command, {}, is_ready, image, (home,))
    environment = {"PATH": f"{cluster.bin}:/usr/bin:/bin"}
    return Server("postgres", "PostgreSQL", cluster.command, environment, is_ready)


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
