import os
import secrets
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import redis
from servicing import ServiceRun, is_open, killed

from harness.ground.errors import EnvironmentUnfit
from harness.machine.services import listening
from harness.machine.services.valkey import VARIABLE, ValkeyService, start_valkey
from harness.machine.services.valkey_binaries import Program, choose_program

pytestmark = pytest.mark.slow


@pytest.fixture
def run(tmp_path: Path) -> Iterator[ServiceRun]:
    """Begin a run, and end it whatever happens."""
    one = ServiceRun(tmp_path)
    yield one
    one.close()


def start(run: ServiceRun, program: Program | None = None) -> ValkeyService:
    """Start the service as a run would."""
    log = run.folder / "valkey.log"
    return start_valkey(run.backend, run.journal, cpus=(), log=log, program=program)


def client(service: ValkeyService, **changes: str) -> redis.Redis:
    """Return a client such as a variant has."""
    return redis.Redis.from_url(service.variables[VARIABLE], decode_responses=True, **changes)


def test_it_serves_its_url_and_leaves_nothing(run: ServiceRun) -> None:
    """A client with the URL alone may cache and count; after the end no process, port or folder is left."""
    service = start(run)
    with client(service) as cache:
        assert cache.set("a", "1", ex=600) is True
        assert cache.get("a") == "1"
        assert 0 < int(str(cache.ttl("a"))) <= 600
        assert cache.eval("return redis.call('INCR', KEYS[1])", 1, "n") == 1
    pids = service.party.look().pids
    assert len(pids) == 1
    assert service.party.look().counters.cpu_ns
    if os.geteuid() == 0:
        assert Path("/proc", str(pids[0])).stat().st_uid == 65533
    assert run.left()
    service.stop()
    assert run.left() == []
    assert not is_open(service.url)
    service.stop()


def test_a_reset_empties_it_and_its_counters(run: ServiceRun) -> None:
    """After a reset no key of a client is there, in any database, and hits are counted from zero."""
    service = start(run)
    with client(service) as cache, client(service, db="3") as other:
        cache.set("a", "1")
        other.set("b", "1")
        cache.get("a")
        service.reset()
        assert cache.info("stats")["keyspace_hits"] == 0
        assert (cache.get("a"), other.get("b")) == (None, None)


def test_a_reset_of_a_server_that_is_gone_is_told(run: ServiceRun) -> None:
    """A server that somebody ended can't be emptied; that is said, and nothing hangs."""
    service = start(run)
    service.party.stop()
    with pytest.raises(EnvironmentUnfit, match="Valkey can't be emptied"):
        service.reset()


def test_it_listens_on_loopback_alone_and_wants_the_password(run: ServiceRun) -> None:
    """Only 127.0.0.1 is bound; without the password, or with a wrong one, nothing is answered."""
    service = start(run)
    port = urlsplit(service.url).port
    assert port is not None
    listening = subprocess.run(["ss", "-Hltn", f"sport = :{port}"], capture_output=True, text=True).stdout
    assert [line.split()[3] for line in listening.splitlines()] == [f"127.0.0.1:{port}"]
    with pytest.raises(redis.AuthenticationError), redis.Redis(port=port) as cache:
        cache.get("a")
    with pytest.raises(redis.AuthenticationError), redis.Redis(port=port, password="wrong") as cache:
        cache.get("a")


@pytest.mark.parametrize("command", ["CONFIG GET dir", "SAVE", "SHUTDOWN NOSAVE", "ACL LIST", "MODULE LIST"])
def test_a_client_may_not_administrate(run: ServiceRun, command: str) -> None:
    """Who has the URL can write no file, read no setting, and end nothing."""
    service = start(run)
    with client(service) as cache, pytest.raises(redis.exceptions.NoPermissionError):
        cache.execute_command(*command.split())


def test_no_password_can_be_read_beside_it(run: ServiceRun) -> None:
    """The password stands in no argument list, file, log or journal, nor where the service is shown."""
    service = start(run)
    password = urlsplit(service.url).password
    assert password
    (pid,) = service.party.look().pids
    assert password.encode() not in Path(f"/proc/{pid}/cmdline").read_bytes()
    assert password not in repr(service)
    files = [path for path in run.folder.rglob("*") if path.is_file()]
    files += [path for left in run.left() for path in Path(left).rglob("*") if path.is_file()]
    assert files
    assert not [path for path in files if password.encode() in path.read_bytes()]


def test_two_runs_have_different_passwords(run: ServiceRun, tmp_path: Path) -> None:
    """Two services share neither port nor password."""
    other = ServiceRun(tmp_path)
    try:
        first, second = urlsplit(start(run).url), urlsplit(start(other).url)
        assert first.password != second.password
        assert first.port != second.port
    finally:
        other.close()


def test_a_killed_harness_leaves_no_server(tmp_path: Path) -> None:
    """After kill -9 of the harness the server, its port and its folder are gone within 10 s."""
    run = f"test-{secrets.token_hex(4)}"
    where = killed(tmp_path, run, "valkey", VARIABLE)
    assert where.startswith("redis://:")
    assert not is_open(where)
    assert not list(Path(tempfile.gettempdir()).glob(f"webdyno-{run}-*"))


def test_a_server_that_will_not_start_is_told_with_its_log(run: ServiceRun, tmp_path: Path) -> None:
    """The log's last lines are shown, and nothing is left."""
    broken = tmp_path / "valkey-server"
    broken.write_text("#!/bin/sh\necho no valkey today\nexit 1\n")
    broken.chmod(0o755)
    with pytest.raises(EnvironmentUnfit, match="Valkey ended as it was started") as caught:
        start(run, Program("path", broken, "9.1.2"))
    assert "no valkey today" in caught.value.log
    assert run.left() == []


def test_a_port_that_is_taken_meanwhile_is_no_failure(
    run: ServiceRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where somebody takes the free port before the server binds it, another one is tried."""
    free = listening._free_port
    squatter = start(run)
    taken = urlsplit(squatter.url).port
    ports = iter([taken])
    monkeypatch.setattr(listening, "_free_port", lambda: next(ports, None) or free())
    assert urlsplit(start(run).url).port != taken


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives up its uid")
def test_a_program_that_the_servers_uid_cant_reach_is_copied(run: ServiceRun, tmp_path: Path) -> None:
    """A wheel under a closed folder works too, and the copy goes with the rest."""
    closed = tmp_path / "closed"
    closed.mkdir()
    found = choose_program()
    copy = closed / "valkey-server"
    copy.write_bytes(found.path.read_bytes())
    copy.chmod(0o755)
    closed.chmod(0o700)
    service = start(run, Program("wheel", copy, found.version))
    with client(service) as cache:
        assert cache.ping()
    service.stop()
    assert run.left() == []
