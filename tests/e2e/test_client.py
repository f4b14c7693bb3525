"""The client against servers that keep to HTTP, in whatever form: what they answer is taken as it is."""

from __future__ import annotations

import socket
import threading
import time
from dataclasses import replace
from typing import Any

import pytest
from scripted import HELLO, OK, Peer, replies, replies_and_ends, serving, silent_port
from talking import Sources, talking, the_pump_looks

pytestmark = pytest.mark.usefixtures("no_thread_left")

VALID = [
    (OK + b"content-length: 5\r\n\r\nhello", "GET", b"hello"),
    (OK + b"Transfer-Encoding: chunked\r\n\r\n5;x\r\nhello\r\n0\r\nA: b\r\n\r\n", "GET", b"hello"),
    (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nA: b\r\n\r\n" + HELLO, "POST", b"hello"),
    (b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\nhello", "GET", b"hello"),
    (OK + b"Content-Length: 5\r\n\r\n", "HEAD", b""),
]


@pytest.mark.parametrize(("answer", "method", "body"), VALID)
def test_one_connection_carries_answer_after_answer(
    source: Sources, answer: bytes, method: str, body: bytes
) -> None:
    """Each form of a delimited answer leaves the connection for the next request."""
    with serving(replies(*[answer] * 3)) as server, talking(server.url, source) as talk:
        client = talk.client()
        for _ in range(3):
            response = client.request(method, "/")
            assert response is not None
            assert response.body == body
    assert (talk.errors, server.accepted, talk.recorder.connections_opened) == ([], 1, 1)
    assert talk.recorder.sent == 3


@pytest.mark.parametrize(("answer", "method", "body"), VALID)
def test_an_answer_may_drip(source: Sources, answer: bytes, method: str, body: bytes) -> None:
    """An answer that comes byte by byte is the same answer."""

    def drip(peer: Peer) -> None:
        peer.request()
        for at in range(len(answer)):
            peer.send(answer[at : at + 1])
            time.sleep(0)
        peer.wait_for_end()

    with serving(drip) as server, talking(server.url, source) as talk:
        response = talk.client().request(method, "/")
        assert response is not None
        assert response.body == body
    assert talk.errors == []


@pytest.mark.parametrize("status", [204, 304])
def test_an_answer_without_body_needs_no_length(source: Sources, status: int) -> None:
    """204 and 304 end with their head."""
    answer = b"HTTP/1.1 %d X\r\n\r\n" % status
    with serving(replies(answer, HELLO)) as server, talking(server.url, source) as talk:
        client = talk.client()
        assert client.delete("/", expect=status) is not None
        assert client.get("/") is not None
    assert (talk.errors, server.accepted) == ([], 1)


@pytest.mark.parametrize(
    "answer",
    [
        OK + b"Connection: close\r\nContent-Length: 5\r\n\r\nhello",
        OK + b"connection: x, CLOSE\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        OK + b"\r\nhello",
        b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\nhello",
    ],
)
def test_an_announced_end_is_no_error(source: Sources, answer: bytes) -> None:
    """Where the answer says so, the connection ends, and the next request opens and counts another."""
    with serving(replies_and_ends(answer)) as server, talking(server.url, source) as talk:
        client = talk.client()
        for _ in range(3):
            response = client.get("/")
            assert response is not None
            assert response.body == b"hello"
            the_pump_looks()
    assert (talk.errors, server.accepted, talk.recorder.connections_opened) == ([], 3, 3)


def test_a_request_may_end_its_connection(source: Sources) -> None:
    """`Connection: close` of the author's ends the connection even where the server keeps it."""
    with serving(replies(HELLO)) as server, talking(server.url, source) as talk:
        client = talk.client()
        for _ in range(2):
            assert client.get("/", headers={"connection": "close"}) is not None
    assert (talk.errors, server.accepted) == ([], 2)


@pytest.mark.parametrize("framing", ["length", "chunked", "close"])
def test_a_body_of_megabytes_arrives_whole(source: Sources, framing: str) -> None:
    """20 MB arrive, whatever their framing, in a moment."""
    body = bytes(range(256)) * 80_000
    if framing == "length":
        answer = OK + b"Content-Length: %d\r\n\r\n" % len(body) + body
    elif framing == "chunked":
        answer = OK + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % len(body) + body + b"\r\n0\r\n\r\n"
    else:
        answer = OK + b"\r\n" + body
    with serving(replies_and_ends(answer)) as server, talking(server.url, source) as talk:
        response = talk.client(20).get("/")
        assert response is not None
        assert response.body == body
    assert talk.errors == []


def test_a_request_of_megabytes_is_sent_whole(source: Sources) -> None:
    """A body that no socket buffer holds arrives as it was sent."""
    body = bytes(range(256)) * 40_000
    arrived: list[bytes] = []

    def script(peer: Peer) -> None:
        arrived.append(peer.request())
        peer.send(HELLO)
        peer.wait_for_end()

    with serving(script) as server, talking(server.url, source) as talk:
        assert talk.client(20).put("/", data=body) is not None
    assert talk.errors == []
    assert arrived[0].partition(b"\r\n\r\n")[2] == body


REFUSAL = b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nno!"


REFUSAL_BY_END = b"HTTP/1.1 413 Too Large\r\n\r\nno!"


@pytest.mark.parametrize(
    ("answer", "after"),
    [
        (REFUSAL, "waits"),
        (REFUSAL, "ends"),
        (REFUSAL, "closes"),
        (REFUSAL, "resets"),
        (REFUSAL_BY_END, "ends"),
    ],
)
def test_an_answer_before_the_request_is_whole_is_taken(source: Sources, answer: bytes, after: str) -> None:
    """An early answer is the answer, also where the server closes with the rest unread."""
    taken = threading.Event()

    def script(peer: Peer) -> None:
        peer.socket.recv(1000)
        peer.send(answer)
        if after == "ends":
            peer.end()
        if after in ("waits", "ends"):
            taken.wait(10)
        elif after == "resets":
            taken.wait(0.1)
            peer.reset()

    with serving(script, replies(HELLO)) as server, talking(server.url, source) as talk:
        client = talk.client()
        response = client.post("/", data=b"x" * 30_000_000, expect=413)
        taken.set()
        assert response is not None
        assert response.body == b"no!"
        assert client.get("/") is not None
    assert (talk.errors, server.accepted, talk.recorder.sent) == ([], 2, 2)


def test_an_answer_as_long_as_the_request_does_not_lock_both_up(source: Sources) -> None:
    """A server that writes while it reads, as an echo does, gets the whole request."""
    size = 12_000_000

    def echo(peer: Peer) -> None:
        peer.send(OK + b"Content-Length: %d\r\n\r\n" % size)
        left = size
        while left > 0:
            data = peer.socket.recv(65536)
            if b"\r\n\r\n" in data[:400]:
                data = data.partition(b"\r\n\r\n")[2]
            left -= len(data)
            peer.send(data)
        peer.wait_for_end()

    with serving(echo) as server, talking(server.url, source) as talk:
        response = talk.client(20).post("/", data=b"e" * size)
        assert response is not None
        assert response.body == b"e" * size
    assert talk.errors == []


@pytest.mark.parametrize("dead_first", [True, False])
def test_a_name_is_reached_at_the_address_that_accepts(source: Sources, dead_first: bool) -> None:
    """A name may mean several addresses of which one answers; only that connection is counted."""
    with (
        silent_port() as port,
        serving(replies(HELLO)) as server,
        talking(f"http://localhost:{server.port}", source) as talk,
    ):
        client = talk.client()
        dead, alive = ((int(socket.AF_INET), ("127.0.0.1", number)) for number in (port, server.port))
        client._target = replace(client._target, addresses=(dead, alive) if dead_first else (alive, dead))
        assert client.get("/") is not None
    assert (talk.errors, talk.recorder.connections_opened) == ([], 1)


def test_ipv6_hosts_are_reached(source: Sources) -> None:
    """An address in brackets works, and stays bracketed in the Host header."""
    arrived: list[bytes] = []

    def script(peer: Peer) -> None:
        arrived.append(peer.request())
        peer.send(HELLO)
        peer.wait_for_end()

    if not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("no IPv6 loopback here")
    with serving(script, family=socket.AF_INET6) as server, talking(server.url, source) as talk:
        assert talk.client().get("/") is not None
        assert f"Host: [::1]:{server.port}\r\n".encode() in arrived[0]
    assert talk.errors == []


def test_a_base_url_may_have_a_path(source: Sources) -> None:
    """The base URL's path is put before each request's; what is counted is the scenario's own path."""
    arrived: list[bytes] = []

    def script(peer: Peer) -> None:
        arrived.append(peer.request())
        peer.send(HELLO)
        peer.wait_for_end()

    with serving(script) as server, talking(server.url + "/api/", source) as talk:
        assert talk.client().get("/x") is not None
        assert arrived[0].startswith(b"GET /api/x HTTP/1.1\r\n")
        assert list(talk.recorder.tally().names) == ["GET /x"]


def test_a_wrong_status_or_body_keeps_the_connection(source: Sources) -> None:
    """A whole answer that is not what was due is an error of its own kind, and is returned."""
    with serving(replies(HELLO, HELLO, HELLO)) as server, talking(server.url, source) as talk:
        client = talk.client()
        assert client.get("/", expect=404) is not None
        assert client.get("/", expect=b"other") is not None
        assert client.get("/", expect=lambda response: response.json()["x"]) is not None
        assert talk.kinds == ["status", "body", "body"]
        assert "JSONDecodeError" in talk.errors[2][1]
    assert server.accepted == 1


WRONG: list[dict[str, Any]] = [
    {"path": 5},
    {"path": None},
    {"path": "/a b"},
    {"path": "/", "json": {1}},
    {"path": "/", "data": 5},
    {"path": "/", "headers": {"A": "b\r\nC: d"}},
    {"path": "/", "expect": ...},
    {"path": "/", "timeout": 0},
    {"path": "/", "timeout": "1"},
]


@pytest.mark.parametrize("wrong", WRONG, ids=repr)
def test_an_authors_mistake_is_told_and_harms_nothing(source: Sources, wrong: dict[str, Any]) -> None:
    """Arguments that make no request raise before anything is sent or counted; the client goes on."""
    with serving(replies(HELLO, HELLO)) as server, talking(server.url, source) as talk:
        client = talk.client()
        assert client.get("/") is not None
        with pytest.raises((TypeError, ValueError)):
            client.request("POST", **wrong)
        assert client.sent_ns is None
        assert client.get("/") is not None
    assert (talk.errors, talk.recorder.sent, server.accepted) == ([], 2, 1)
