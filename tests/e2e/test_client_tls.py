"""The client by TLS: verified always, the same answers, and errors of kind `tls`."""

from __future__ import annotations

import socket
import ssl
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from pathlib import Path

import gevent
import pytest
import trustme
from scripted import HELLO, OK, Peer, replies, serving
from talking import Sources, talking

from harness.ground.errors import UsageError
from harness.loadgen.target import target_of


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """Return a CA of our own."""
    return trustme.CA()


@pytest.fixture(scope="module")
def ca_file(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the file of the CA's certificate."""
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


def context_for(authority: trustme.CA, *names: str) -> ssl.SSLContext:
    """Return a server's context with a certificate for these names."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(context)
    return context


@pytest.fixture(scope="module")
def server_side(authority: trustme.CA) -> ssl.SSLContext:
    """Return the context of a server that is who it says."""
    return context_for(authority, "127.0.0.1", "localhost")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_connection_is_kept_by_tls_too(
    source: Sources, authority: trustme.CA, ca_file: str, version: ssl.TLSVersion
) -> None:
    """Answer after answer comes over one verified connection; TLS's own messages are no surplus."""
    context = context_for(authority, "127.0.0.1")
    context.minimum_version = context.maximum_version = version
    with serving(replies(*[HELLO] * 5), tls=context) as server, talking(server.url, source) as talk:
        client = talk.client(ca_file=ca_file)
        for _ in range(5):
            response = client.get("/")
            assert response is not None
            assert response.body == b"hello"
            gevent.sleep(0.01)
    assert (talk.errors, server.accepted, talk.recorder.connections_opened) == ([], 1, 1)
    ((agreement, connections),) = talk.recorder.tally().tls.items()
    assert agreement.split()[0] == {"TLSv1_2": "TLSv1.2", "TLSv1_3": "TLSv1.3"}[version.name]
    assert "AES" in agreement.split()[1] or "CHACHA20" in agreement.split()[1]
    assert connections == 1


def test_a_body_of_megabytes_is_deciphered_whole(
    source: Sources, server_side: ssl.SSLContext, ca_file: str
) -> None:
    """Nothing waits in TLS's buffer for an event that does not come: 10 MB both ways arrive."""
    body = bytes(range(256)) * 40_000

    def script(peer: Peer) -> None:
        got = peer.request().partition(b"\r\n\r\n")[2]
        peer.send(OK + b"Content-Length: %d\r\n\r\n" % len(got) + got)
        peer.wait_for_end()

    with serving(script, tls=server_side) as server, talking(server.url, source) as talk:
        response = talk.client(20, ca_file).post("/", data=body)
        assert response is not None
        assert response.body == body
    assert talk.errors == []


def test_an_answer_may_drip_by_tls(source: Sources, server_side: ssl.SSLContext, ca_file: str) -> None:
    """A record for each byte makes the same answer."""

    def script(peer: Peer) -> None:
        peer.request()
        for at in range(len(HELLO)):
            peer.send(HELLO[at : at + 1])
        peer.wait_for_end()

    with serving(script, tls=server_side) as server, talking(server.url, source) as talk:
        assert talk.client(ca_file=ca_file).get("/", expect=b"hello") is not None
    assert talk.errors == []


def test_an_unknown_authority_is_refused(source: Sources, server_side: ssl.SSLContext) -> None:
    """A certificate that the given CA did not sign is an error, and no request is sent."""
    with serving(replies(HELLO), tls=server_side) as server, talking(server.url, source) as talk:
        assert talk.client().get("/") is None
        assert talk.kinds == ["tls"]
        assert "CERTIFICATE_VERIFY_FAILED" in talk.errors[0][1]
        assert (talk.recorder.sent, talk.recorder.connections_opened) == (0, 0)


def test_a_certificate_for_another_name_is_refused(
    source: Sources, authority: trustme.CA, ca_file: str
) -> None:
    """The right CA does not make up for the wrong name."""
    context = context_for(authority, "elsewhere.example")
    with serving(replies(HELLO), tls=context) as server, talking(server.url, source) as talk:
        assert talk.client(ca_file=ca_file).get("/") is None
        assert talk.kinds == ["tls"]
        assert talk.recorder.sent == 0


@pytest.mark.parametrize("greeting", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"", b"\x00" * 100])
def test_a_server_without_tls_is_an_error(source: Sources, ca_file: str, greeting: bytes) -> None:
    """What is no handshake is one error of kind `tls`."""

    def script(peer: Peer) -> None:
        peer.socket.recv(1000)
        peer.send(greeting)

    with serving(script) as server, talking(server.url.replace("http:", "https:"), source) as talk:
        assert talk.client(ca_file=ca_file).get("/") is None
        assert talk.kinds == ["tls"]


def test_a_handshake_times_out(source: Sources, ca_file: str) -> None:
    """A server that accepts and is silent is a time-out."""
    done = threading.Event()

    def script(_peer: Peer) -> None:
        done.wait(10)

    with serving(script) as server, talking(server.url.replace("http:", "https:"), source) as talk:
        assert talk.client(ca_file=ca_file).get("/", timeout=0.2) is None
        done.set()
        assert talk.kinds == ["timeout"]


@pytest.mark.parametrize("farewell", [True, False])
def test_only_a_farewell_completes_an_answer(
    source: Sources, server_side: ssl.SSLContext, ca_file: str, farewell: bool
) -> None:
    """An answer until the connection's end is whole with close_notify; else it may have been cut short."""

    def script(peer: Peer) -> None:
        peer.request()
        peer.send(OK + b"\r\nhello")
        if farewell:
            assert isinstance(peer.socket, ssl.SSLSocket)
            peer.socket.unwrap()

    with serving(script, tls=server_side) as server, talking(server.url, source) as talk:
        response = talk.client(ca_file=ca_file).get("/", timeout=2)
        if farewell:
            assert (response and response.body, talk.kinds) == (b"hello", [])
        else:
            assert (response, talk.kinds) == (None, ["tls"])


def test_a_drop_between_two_requests_is_one_error(
    source: Sources, server_side: ssl.SSLContext, ca_file: str
) -> None:
    """A keep-alive connection that ends is counted as `closed`, then opened anew."""
    ended = threading.Event()

    def script(peer: Peer) -> None:
        peer.request()
        peer.send(HELLO)
        peer.socket.close()
        ended.set()

    with (
        serving(script, replies(HELLO), tls=server_side) as server,
        talking(server.url, source) as talk,
    ):
        client = talk.client(ca_file=ca_file)
        assert client.get("/") is not None
        assert ended.wait(10)
        gevent.sleep(0.05)  # the pump looks
        assert client.get("/") is None
        assert talk.kinds == ["closed"]
        assert client.get("/") is not None
    assert (talk.recorder.connections_opened, talk.recorder.sent) == (2, 2)


@pytest.mark.skipif(not hasattr(socket, "TCP_CORK"), reason="two records in one segment need TCP_CORK")
@pytest.mark.parametrize("together", [True, False], ids=["one record", "two records"])
def test_an_unasked_answer_is_an_error_by_tls_too(
    source: Sources, server_side: ssl.SSLContext, ca_file: str, together: bool
) -> None:
    """What came with the answer is refused, also where TLS holds it back and the socket is empty."""

    def script(peer: Peer) -> None:
        peer.request()
        peer.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
        if together:
            peer.send(HELLO * 2)
        else:
            peer.send(HELLO)
            peer.send(HELLO)
        peer.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 0)
        peer.wait_for_end()

    with serving(script, tls=server_side) as server, talking(server.url, source) as talk:
        client = talk.client(ca_file=ca_file)
        first = client.get("/")
        assert (first is None) == together
        if first is not None:
            assert client.get("/") is None
        assert talk.kinds == ["protocol"]
        assert talk.recorder.sent == 1


def test_the_environment_names_the_authority(
    source: Sources, server_side: ssl.SSLContext, ca_file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """WEBDYNO_CA_FILE does what `ca_file` does."""
    monkeypatch.setenv("WEBDYNO_CA_FILE", ca_file)
    with serving(replies(HELLO), tls=server_side) as server, talking(server.url, source) as talk:
        assert talk.client().get("/") is not None
    assert talk.errors == []


@pytest.fixture(autouse=True)
def _forget_targets() -> Iterator[None]:
    """Forget what earlier tests resolved: ports are used again."""
    target_of.cache_clear()
    yield
    target_of.cache_clear()


def test_a_file_without_certificates_is_told(tmp_path: Path) -> None:
    """A CA file that is missing or holds none is an error that names it."""
    empty = tmp_path / "empty.pem"
    empty.write_text("nothing\n")
    for path in (empty, tmp_path / "missing.pem"):
        with pytest.raises(UsageError, match=str(path)):
            target_of("https://127.0.0.1:1", str(path))


def test_tls_works_where_gevent_has_patched_the_library(server_side: ssl.SSLContext, ca_file: str) -> None:
    """As in Locust's process, with everything patched, the same connection comes about."""
    program = """
        import gevent.monkey; gevent.monkey.patch_all()
        import sys; sys.path.insert(0, "tests")
        from talking import talking
        with talking(sys.argv[1]) as talk:
            for _ in range(2):
                assert talk.client(ca_file=sys.argv[2]).get("/", expect=b"hello") is not None
            assert talk.errors == [], talk.errors
    """
    with serving(replies(HELLO, HELLO), tls=server_side) as server:
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(program), server.url, ca_file],
            cwd=Path(__file__).parents[2],
            capture_output=True,
            timeout=30,
            check=False,
        )
    assert done.returncode == 0, done.stderr.decode()


@pytest.mark.parametrize(
    "url",
    [
        None,
        "",
        "127.0.0.1:80",
        "ftp://127.0.0.1",
        "http://",
        "http://127.0.0.1:99999",
        "http://127.0.0.1:x",
        "http://127.0.0.1:0",
        "http://u:p@127.0.0.1",
        "http://127.0.0.1/?q",
        "http://127.0.0.1/#f",
        "http://127.0.0.1/a b",
        "http://hö/",
        "http://[::1",
        "http://a..b",
    ],
)
def test_a_host_that_is_none_is_told(url: str | None) -> None:
    """A base URL that no client can be made for is an error for the user."""
    with pytest.raises(UsageError) as caught:
        target_of(url)
    assert caught.value.where == "--host"


def test_the_host_header_leaves_a_default_port_out() -> None:
    """Port 80 of http and 443 of https are not named; a path's last slash is dropped."""
    assert target_of("http://127.0.0.1:80/a/").host == "127.0.0.1"
    assert target_of("http://127.0.0.1:80/a/").prefix == "/a"
    assert target_of("https://127.0.0.1").host == "127.0.0.1"
    assert target_of("https://127.0.0.1:80").host == "127.0.0.1:80"
    assert target_of("http://[::1]:8080").host == "[::1]:8080"
    assert target_of("http://[::1]").addresses[0][0] == socket.AF_INET6
