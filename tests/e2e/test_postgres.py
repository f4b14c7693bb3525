from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from parties import until
from served import accepts
from servicing import ServiceRun, is_open, killed

from harness.ground.errors import EnvironmentUnfit, UsageError
from harness.machine.custody import collector
from harness.machine.custody.journal import Database, read
from harness.machine.services import catalogue, listening, seed
from harness.machine.services.postgres import start_postgres
from harness.machine.services.postgres_binaries import Binaries, Candidate, candidates, choose_binaries
from harness.machine.services.postgres_database import PostgresService
from harness.machine.services.seed_documents import DOCUMENTS, SeededDocument, seeded

pytestmark = pytest.mark.slow


class Run(ServiceRun):
    """A run that has a PostgreSQL."""

    def start(self, url: str | None = None, binaries: Binaries | None = None) -> PostgresService:
        """Start the service as a run would."""
        return start_postgres(
            self.backend,
            self.journal,
            cpus=(),
            log=self.folder / f"{self.id}.log",
            url=url,
            binaries=binaries,
        )


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    """Begin a run, and end it whatever happens."""
    one = Run(tmp_path)
    yield one
    one.close()


def of_origin(origin: str) -> Binaries:
    """Return the binaries of one origin, or skip where there are none here."""
    try:
        return choose_binaries(place for place in candidates() if place.origin == origin)
    except EnvironmentUnfit as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("origin", ["wheel", "path"])
def test_a_server_of_our_own_holds_the_rows_and_leaves_nothing(run: Run, origin: str) -> None:
    """A server of either origin is seeded with the same rows, serves them to a SUT, and leaves nothing."""
    binaries = of_origin(origin)
    service = run.start(binaries=binaries)
    assert (service.origin, service.version) == (origin, binaries.version)
    with psycopg.connect(service.url, autocommit=True) as connection:
        assert connection.execute(seed.CHECKSUM_SQL).fetchone() == (seed.CHATS, seed.CHECKSUM)
        rows = connection.execute(
            "SELECT * FROM ai_chat WHERE user_id = 1000 ORDER BY create_time, id"
        ).fetchall()
        assert rows == [(row.id, row.user_id, row.content, row.create_time) for row in seed.chats_of(1000)]
        plan = connection.execute("EXPLAIN SELECT content FROM ai_chat WHERE user_id = 7").fetchall()
        assert "ai_chat_by_user" in str(plan)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("DELETE FROM ai_chat")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("COPY ai_chat TO PROGRAM 'cat'")
        assert service.party is not None
        pids = service.party.look().pids
        assert len(pids) > 2
        if os.geteuid() == 0:
            assert {Path("/proc", str(pid)).stat().st_uid for pid in pids} == {65533}
            # A segment that is not in a namespace of the server's own would outlive a kill -9.
            assert "65533" not in subprocess.run(["ipcs", "-m"], capture_output=True, text=True).stdout
        service.stop()  # while a client is connected
    assert run.left() == []
    assert not is_open(service.url)
    service.stop()


def test_it_listens_on_loopback_alone_and_wants_the_password(run: Run) -> None:
    """Only 127.0.0.1 is bound, and a wrong password is refused."""
    service = run.start()
    port = urlsplit(service.url).port
    assert port is not None
    listening = subprocess.run(["ss", "-Hltn", f"sport = :{port}"], capture_output=True, text=True).stdout
    assert [line.split()[3] for line in listening.splitlines()] == [f"127.0.0.1:{port}"]
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(service.url.replace(urlsplit(service.url).password or "", "wrong"))
    service.stop()


def test_what_is_journalled_is_enough_to_clean_up(run: Run) -> None:
    """Without the service's own stop, the journal alone ends the server and removes its folder."""
    service = run.start()
    assert run.left()
    collector.collect(run.journal.path)
    assert not is_open(service.url)
    assert run.left() == []


def test_a_killed_harness_leaves_no_server(tmp_path: Path) -> None:
    """After kill -9 of the harness the server, its port and its folder are gone within 10 s."""
    run = f"test-{secrets.token_hex(4)}"
    where = killed(tmp_path, run, "postgres", "WEBDYNO_POSTGRES_URL")
    assert where
    assert not is_open(where)
    assert not list(Path(tempfile.gettempdir()).glob(f"webdyno-{run}-*"))


def test_only_our_database_is_made_on_the_users_server(run: Run, tmp_path: Path) -> None:
    """With a URL one database is made, seeded and dropped, and the user's own are as they were."""
    theirs = Run(tmp_path)
    try:
        server = theirs.start()
        home = next(path for path in theirs.left() if not path.startswith("process"))
        url = _as_user_with_createdb(server, Path(home))
        service = run.start(url=url)
        assert (service.origin, service.party) == ("url", None)
        assert service.version == server.version
        assert urlsplit(service.url).path == f"/webdyno_{run.id}"
        with psycopg.connect(service.url) as connection:
            assert connection.execute(seed.CHECKSUM_SQL).fetchone() == (seed.CHATS, seed.CHECKSUM)
        entries = read(run.journal.path)
        assert entries is not None
        assert [made.name for made in entries.made if isinstance(made, Database)] == [f"webdyno_{run.id}"]
        secret = urlsplit(url).password
        assert secret is not None
        assert secret not in run.journal.path.read_text()
        with pytest.raises(EnvironmentUnfit, match="is there already"):
            run.start(url=url)
        before = _databases(url)
        service.stop()
        assert before - _databases(url) == {f"webdyno_{run.id}"}
        assert _databases(url) == {"postgres", "template0", "template1", f"webdyno_{theirs.id}"}
        service.stop()
        where = killed(tmp_path, f"{run.id}-killed", "postgres", "WEBDYNO_POSTGRES_URL", theirs=url)
        assert where.endswith(f"/webdyno_{run.id}-killed")
        assert _databases(url) == {"postgres", "template0", "template1", f"webdyno_{theirs.id}"}
    finally:
        theirs.close()


def _databases(url: str) -> set[str]:
    with psycopg.connect(url) as connection:
        return {str(name) for (name,) in connection.execute("SELECT datname FROM pg_database")}


def _as_user_with_createdb(server: PostgresService, home: Path) -> str:
    """Let a common user of the test's server create databases, by the one way in that needs no password."""
    access = home / "data" / "pg_hba.conf"
    kept = access.read_text()
    access.write_text("host all postgres 127.0.0.1/32 trust\n" + kept)
    port = urlsplit(server.url).port
    assert server.party is not None
    os.kill(int((home / "data" / "postmaster.pid").read_text().split()[0]), 1)
    trusted = f"postgresql://postgres@127.0.0.1:{port}/postgres"
    assert until(lambda: accepts(trusted))  # once it has read the file
    with psycopg.connect(trusted, autocommit=True) as connection:
        connection.execute("CREATE ROLE guest LOGIN CREATEDB PASSWORD 'hush+4711'")
    return f"postgresql://guest:hush+4711@127.0.0.1:{port}/postgres"


def test_a_server_that_does_not_answer_is_told_without_its_password(run: Run) -> None:
    """The error names the server, never the password, and nothing is journalled."""
    with pytest.raises(EnvironmentUnfit) as caught:
        run.start(url="postgresql://me:hush4711@127.0.0.1:9/postgres")
    assert "WEBDYNO_POSTGRES_URL (me@127.0.0.1:9)" in str(caught.value)
    assert "hush4711" not in str(caught.value)
    with pytest.raises(UsageError, match="not the address"):
        run.start(url="mysql://me@127.0.0.1/x")


def test_a_port_that_is_taken_meanwhile_is_no_failure(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where somebody takes the free port before the server binds it, another one is tried."""
    with socket.socket() as squatter:
        squatter.bind(("127.0.0.1", 0))
        squatter.listen()
        taken = squatter.getsockname()[1]
        free = listening._free_port
        ports = iter([taken])
        monkeypatch.setattr(listening, "_free_port", lambda: next(ports, None) or free())
        service = run.start()
        assert urlsplit(service.url).port != taken
        service.stop()
    assert run.left() == []


def test_a_server_that_will_not_start_is_told_with_its_log(run: Run, tmp_path: Path) -> None:
    """The log's last lines are shown, and nothing is left."""
    binaries = Binaries("wheel", of_origin("wheel").bin, "18.0", preloads=("no_such_library",))
    with pytest.raises(EnvironmentUnfit, match="ended as it was started") as caught:
        run.start(binaries=binaries)
    assert "no_such_library" in caught.value.log
    assert run.left() == []
    assert tmp_path.is_dir()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives up its uid")
def test_binaries_that_the_servers_uid_cant_reach_are_copied(run: Run, tmp_path: Path) -> None:
    """A wheel under a closed folder works too, and the copy goes with the rest."""
    package = of_origin("wheel").bin.parent.parent
    closed = tmp_path / "closed"
    for folder in (package, package.with_name(f"{package.name}.libs")):
        if folder.is_dir():
            shutil.copytree(folder, closed / folder.name, symlinks=True)
    closed.chmod(0o700)
    binaries = choose_binaries([Candidate("wheel", closed / package.name / "pginstall" / "bin")])
    service = run.start(binaries=binaries)
    with psycopg.connect(service.url) as connection:
        assert connection.execute("SELECT count(*) FROM ai_chat").fetchone() == (seed.CHATS,)
    service.stop()
    assert run.left() == []


def test_services_are_started_by_name(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A scenario's needs name services; an unknown one is a usage error and starts nothing."""
    monkeypatch.delenv("WEBDYNO_POSTGRES_URL", raising=False)
    around = catalogue.Surroundings(run.backend, run.journal, (), tmp_path)
    with pytest.raises(UsageError, match="did you mean postgres"):
        catalogue.start_services(["postgres", "postgre"], around)
    assert run.left() == []
    (service,) = catalogue.start_services(["postgres", "postgres"], around)
    assert service.variables["WEBDYNO_POSTGRES_URL"].startswith("postgresql://webdyno:")
    assert (tmp_path / "postgres.log").exists()
    assert str(urlsplit(service.variables["WEBDYNO_POSTGRES_URL"]).password) not in repr(service)
    service.stop()


def test_every_trial_begins_with_the_same_rows(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Documents are sealed with the run's key, a SUT can read and add alone, a reset undoes it, ids too."""
    monkeypatch.delenv("WEBDYNO_POSTGRES_URL", raising=False)
    around = catalogue.Surroundings(run.backend, run.journal, (), tmp_path)
    keys, postgres = catalogue.start_services(["postgres", "keys"], around)
    assert (keys.name, postgres.name) == ("keys", "postgres")
    cipher = AESGCM(bytes.fromhex(keys.variables["WEBDYNO_DOCUMENT_KEY"]))
    with psycopg.connect(postgres.variables["WEBDYNO_POSTGRES_URL"], autocommit=True) as sut:
        first = sut.execute("SELECT * FROM ai_document ORDER BY id").fetchall()
        for number, title, sealed, created in first:
            content = cipher.decrypt(sealed[:12], sealed[12:], title.encode()).decode()
            assert SeededDocument(number, title, content, created) == seeded(number)
        assert len(first) == DOCUMENTS
        for statement in (
            "DELETE FROM ai_document",
            "UPDATE ai_document SET title = ''",
            "TRUNCATE ai_document",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                sut.execute(statement.encode())
        for _ in ("first trial", "second trial"):
            postgres.reset()
            assert sut.execute("SELECT * FROM ai_document ORDER BY id").fetchall() == first
            row = sut.execute(
                "INSERT INTO ai_document (title, sealed) VALUES ('x', 'x') RETURNING id"
            ).fetchone()
            assert row == (DOCUMENTS + 1,)
            sut.execute("INSERT INTO ai_document_event (document_id, kind) VALUES (%s, 'added')", row)
    postgres.reset()
    postgres.stop()
    with pytest.raises(EnvironmentUnfit, match="can't be brought back"):
        postgres.reset()
    assert run.left() == []
