import contextlib
import http.server
import os
import socket
import socketserver
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import synthetic
from scripted import silent_port

from harness.ground.errors import EnvironmentUnfit
from harness.ground.model import Caps, Placement, Variant
from harness.ground.observations import Counters
from harness.lifecycle import sut
from harness.lifecycle.sut import POOL_VARIABLE, Sut, SutDidNotStart, is_free, pool_size, start_sut
from harness.lifecycle.verify import verify
from harness.machine.backends.backend import Confinement, Look, Party
from harness.machine.engine import refused
from harness.machine.environments import Environment
from harness.machine.services.certificates import certificates
from harness.machine.services.tls import CA_FILE, Tls
from harness.records.contract import load_cases


class Hasty:
    """A clock on which every wait is over at once, and takes at least a second."""

    def __init__(self) -> None:
        self.at_ns = 0

    def now_ns(self) -> int:
        """Return the time so far."""
        return self.at_ns

    def sleep(self, seconds: float) -> None:
        """Go on."""
        self.at_ns += round(max(1.0, seconds) * 1e9)

    def utc(self) -> datetime:
        """Return a fixed day."""
        return datetime(2026, 11, 24, tzinfo=UTC)


@dataclass
class FakeParty:
    """A party that has ended or goes on for ever."""

    exit: int | None = None
    oom_kills: int = 0
    caps_enforced: bool = True
    stopped: bool = False
    pids: tuple[int, ...] = ()

    def look(self) -> Look:
        """Return its state."""
        return Look(Counters(0, oom_kills=self.oom_kills), self.pids, self.exit)

    def stop(self, grace_s: float = 5.0) -> int | None:
        """Note that it was ended."""
        self.stopped = grace_s > 0
        return self.exit


@dataclass
class FakeBackend:
    """A backend whose parties are made up; writes to the log what the program would."""

    party: FakeParty
    refuses: EnvironmentUnfit | None = None
    name: str = "fake"
    asked: list[Confinement] = field(default_factory=list)

    def start(self, confinement: Confinement) -> Party:
        """Return the party."""
        self.asked.append(confinement)
        if self.refuses is not None:
            raise self.refuses
        Path(confinement.command.log).write_text("ModuleNotFoundError: No module named 'flask'\n")
        return self.party

    def close(self) -> None:
        """Do nothing."""


def begin(backend: FakeBackend, folder: Path, port: int, tls: Tls | None = None) -> Sut:
    """Start a variant on it, by TLS where there is a certificate."""
    variant: Variant = synthetic.variant("flask-gunicorn", {"workers": "{cpus}"})
    if tls is not None:
        variant = replace(variant, tls=("--certfile={tls_cert}", "--keyfile={tls_key}"))
    return start_sut(
        backend,
        variant,
        Environment(Path("/env/bin"), Path("/env/bin/python"), {}, optimised=True),
        placement=Placement((0,), (1,), (1,), Caps(2.0, 1 << 30), overlap=False),
        settings={},
        services={"SERVICE": "somewhere", **(tls.variables if tls else {})},
        ca_file=tls.for_clients[CA_FILE] if tls else None,
        apps_root=folder,
        port=port,
        log=folder / "sut.log",
        clock=Hasty(),
    )


@pytest.fixture
def unused() -> Iterator[int]:
    """Hold a port that nobody listens on."""
    with silent_port() as port:
        yield port


@pytest.fixture
def unhealthy() -> Iterator[int]:
    """Listen on a port and answer everything with 503."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(503)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def dripping() -> Iterator[int]:
    """Listen on a port and answer byte by byte, without an end."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with contextlib.suppress(OSError):
                while True:
                    self.request.sendall(b"H")
                    time.sleep(0.02)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def test_an_answer_that_drips_is_none(dripping: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that never ends its head holds up neither the start nor the contract's cases."""
    monkeypatch.setattr(sut, "_STATUS_WITHIN_S", 0.5)
    assert sut._ask_health(dripping, None) is None
    (case, *_) = load_cases(Path(__file__).parents[2] / "apps" / "contract")
    (result,) = verify(f"http://127.0.0.1:{dripping}", [case], timeout_s=0.5)
    assert result.difference == "no answer: not whole within 0.5 s"


def test_a_variant_that_never_listens_is_given_up_after_a_minute(tmp_path: Path, unused: int) -> None:
    """The message has the bound, what was seen, what it must do, and the end of its log; it is ended."""
    backend = FakeBackend(FakeParty())
    with pytest.raises(SutDidNotStart) as told:
        begin(backend, tmp_path, unused)
    assert told.value.what == f"did not answer GET /healthz on port {unused} within 60 s (nothing listens)"
    assert "listen on {host}:{port}" in told.value.remedy
    assert "No module named 'flask'" in told.value.log
    assert told.value.exit_code == 4
    assert backend.party.stopped


def test_a_variant_that_is_never_healthy_is_told_by_its_status(tmp_path: Path, unhealthy: int) -> None:
    """One that listens but answers 503 is told apart from one that does not listen."""
    with pytest.raises(SutDidNotStart, match="it answers 503"):
        begin(FakeBackend(FakeParty()), tmp_path, unhealthy)


def test_the_answer_of_another_program_is_not_the_variants(tmp_path: Path, unhealthy: int) -> None:
    """Where somebody else listens on the port, that is told, whatever it answers."""
    somebody_else = FakeParty(pids=(os.getppid(),))
    with pytest.raises(SutDidNotStart, match="another program answers there"):
        begin(FakeBackend(somebody_else), tmp_path, unhealthy)


@contextlib.contextmanager
def by_tls(folder: Path, port: int = 0) -> Iterator[int]:
    """Listen on a port and answer 200 by TLS, with the certificate in a folder."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    with http.server.HTTPServer(("127.0.0.1", port), Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        server.handle_error = lambda *_: None  # type: ignore[method-assign]  # else it prints that the client goes
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def written(folder: Path, now: datetime) -> Tls:
    """Write an authority's certificate, a server's and its key."""
    folder.mkdir()
    for name, data in zip(("ca.pem", "cert.pem", "key.pem"), certificates(now), strict=True):
        (folder / name).write_bytes(data)
    return Tls(folder)


def test_a_variant_with_a_certificate_is_asked_by_tls(tmp_path: Path) -> None:
    """Its arguments have the files, and it is ready once it answers by TLS and proves who it is."""
    tls, backend = written(tmp_path / "tls", datetime.now(UTC)), FakeBackend(FakeParty())
    with by_tls(tls.home) as port:
        started = begin(backend, tmp_path, port, tls)
    assert started.base_url == f"https://127.0.0.1:{port}"
    (asked,) = backend.asked
    assert f"--certfile={tls.home}/cert.pem" in asked.command.argv
    assert f"--keyfile={tls.home}/key.pem" in asked.command.argv


@pytest.mark.parametrize(
    ("foreign", "days", "why"), [(True, 0, "unable to get local issuer"), (False, 30, "has expired")]
)
def test_a_certificate_that_proves_nothing_ends_the_start(
    tmp_path: Path, foreign: bool, days: int, why: str
) -> None:
    """Another authority's certificate, or one whose time is over, is told at once, with what is wrong."""
    tls = written(tmp_path / "tls", datetime.now(UTC) - timedelta(days=days))
    shown = written(tmp_path / "foreign", datetime.now(UTC)).home if foreign else tls.home
    backend = FakeBackend(FakeParty())
    with by_tls(shown) as port, pytest.raises(SutDidNotStart, match=f"can't be trusted .*{why}") as told:
        begin(backend, tmp_path, port, tls)
    assert "{tls_cert}" in told.value.remedy
    assert backend.party.stopped


def test_a_variant_that_speaks_plainly_where_tls_is_due_is_told(tmp_path: Path, unhealthy: int) -> None:
    """It is no healthy one, and what is wrong is not its status."""
    with pytest.raises(SutDidNotStart, match=r"within 60 s \(TLS fails: "):
        begin(FakeBackend(FakeParty()), tmp_path, unhealthy, written(tmp_path / "tls", datetime.now(UTC)))


def test_a_variant_that_ends_is_not_waited_for(tmp_path: Path, unused: int) -> None:
    """Its exit status and the end of its log are told at once."""
    backend = FakeBackend(FakeParty(exit=3))
    with pytest.raises(SutDidNotStart, match="ended with status 3 before it answered") as told:
        begin(backend, tmp_path, unused)
    assert (told.value.exit_status, told.value.oom_kills) == (3, 0)
    assert "No module named 'flask'" in str(told.value)


def test_a_variant_that_the_kernel_kills_at_its_start_is_told_so(tmp_path: Path, unused: int) -> None:
    """Past its memory cap before it answered: `oom-killed` can be told from what is kept."""
    with pytest.raises(SutDidNotStart, match="killed by the kernel at its memory cap") as told:
        begin(FakeBackend(FakeParty(exit=-9, oom_kills=1)), tmp_path, unused)
    assert told.value.oom_kills == 1


def test_a_variant_whose_program_is_missing_is_the_variants_fault(tmp_path: Path, unused: int) -> None:
    """What the backend can't start is told as the variant's failure, under its name."""
    with pytest.raises(SutDidNotStart, match="flask-gunicorn: python can't be started"):
        begin(
            FakeBackend(FakeParty(), refuses=EnvironmentUnfit("python can't be started: no such program")),
            tmp_path,
            unused,
        )


def test_an_engine_without_room_is_not_the_variants_fault(tmp_path: Path, unused: int) -> None:
    """What keeps the engine from starting any variant ends the run as this machine's fault."""
    with pytest.raises(EnvironmentUnfit, match="no space left"):
        begin(
            FakeBackend(FakeParty(), refuses=refused("no space left on device", "unix:///engine")),
            tmp_path,
            unused,
        )


def test_a_sut_is_capped_unprivileged_and_given_what_it_needs(tmp_path: Path, unused: int) -> None:
    """The SUT is asked for with its CPUs, its caps, another uid, and an environment of its own."""
    backend = FakeBackend(FakeParty(exit=0))
    with pytest.raises(SutDidNotStart):
        begin(backend, tmp_path, unused)
    (asked,) = backend.asked
    assert (asked.party, asked.cpus, asked.caps) == ("sut", (0,), Caps(2.0, 1 << 30))
    assert asked.unprivileged  # the unprivileged uid
    assert asked.command.env["SERVICE"] == "somewhere"
    assert asked.command.env[POOL_VARIABLE] == "16"  # 16 a CPU, over two workers
    assert "PYTHONDONTWRITEBYTECODE" not in asked.command.env


@pytest.mark.parametrize(("cpus", "size"), [(1.0, 16), (2.0, 16), (0.5, 16), (1.5, 16)])
def test_all_variants_have_as_many_connections(cpus: float, size: int) -> None:
    """Each of a variant's workers gets its share of 16 connections a CPU."""
    assert pool_size(synthetic.variant("x", {"workers": "{cpus}"}), {}, cpus) == size
    assert pool_size(synthetic.variant("x", {"workers": 1}), {}, 2.0) == 32


def test_a_port_in_use_is_not_free() -> None:
    """A port on which somebody listens, on any address, is in use."""
    for address in ("127.0.0.1", "0.0.0.0"):
        with socket.socket() as server:
            server.bind((address, 0))
            server.listen()
            port = int(server.getsockname()[1])
            assert not is_free(port)
        assert is_free(port)
