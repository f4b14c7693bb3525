"""The client against servers that answer well and badly: what is taken, what is counted as an error."""

from __future__ import annotations

import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import gevent
import pytest
from scripted import HELLO, Peer, replies, replies_and_ends, serving, silent_port
from talking import Sources, Talk, talking

from harness.loadgen.client import KINDS, Client
from harness.loadgen.pump import EpollSource, WatcherSource

OK = b"HTTP/1.1 200 OK\r\n"


@pytest.fixture(params=[EpollSource, WatcherSource], ids=["epoll", "watchers"])
def source(request: pytest.FixtureRequest) -> Sources:
    """Return each source of readiness in turn: nothing that a user sees may depend on it."""
    chosen: Sources = request.param
    return chosen


def the_pump_looks() -> None:
    """Let the pump take notice of what has happened."""
    gevent.sleep(0.02)


def something_has_come(client: Client) -> None:
    """Wait until there is something to read on a client's connection; the pump does not look meanwhile."""
    assert client._connection is not None
    assert select.select([client._connection.descriptor], [], [], 10)[0]


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


def one_error(talk: Talk, kind: str, words: str = "") -> None:
    """See that exactly one error was counted, of this kind."""
    assert talk.kinds == [kind], talk.errors
    assert words in talk.errors[0][1]
    assert kind in KINDS


BROKEN: dict[str, tuple[bytes, str, str]] = {
    "nothing": (b"", "closed", "without an answer"),
    "half a head": (b"HTTP/1.1 200 OK\r\nA", "closed", "inside the head, after 18 bytes"),
    "only interim": (b"HTTP/1.1 100 Continue\r\n\r\n", "closed", "without an answer"),
    "half a body": (OK + b"Content-Length: 9\r\n\r\nhello", "closed", "inside the body, after 5 of 9 bytes"),
    "half a chunk": (OK + b"Transfer-Encoding: chunked\r\n\r\n9\r\nhello", "closed", "inside the body"),
    "no last chunk": (OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", "closed", "inside the body"),
    "no end of trailers": (
        OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\nA: b\r\n",
        "closed",
        "inside the body",
    ),
    "garbage": (b"\x16\x03\x01hello", "protocol", "no HTTP response"),
    "a switch": (b"HTTP/1.1 101 Switching\r\n\r\n", "protocol", "switch of protocols"),
    "signed length": (OK + b"Content-Length: +5\r\n\r\nhello", "protocol", "content length"),
    "unequal lengths": (OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", "protocol", "unequal"),
    "length and coding": (
        OK + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "protocol",
        "beside",
    ),
    "folding": (OK + b"A: b\r\n c\r\nContent-Length: 5\r\n\r\nhello", "protocol", "head"),
    "space before the colon": (OK + b"Content-Length : 5\r\n\r\nhello", "protocol", "head"),
    "bare line feeds": (b"HTTP/1.1 200 OK\nContent-Length: 5\n\nhello", "protocol", "line feed"),
    "head too long": (OK + b"A: b\r\n" * 20_000, "protocol", "65536"),
    "a surplus byte": (HELLO + b"!", "protocol", "1 bytes after the answer"),
    "two answers": (HELLO * 2, "protocol", "bytes after the answer"),
    "surplus after chunks": (
        OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n\r\n",
        "protocol",
        "2 bytes after the answer",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_answer_is_one_error_and_a_new_connection(source: Sources, case: str) -> None:
    """What is no whole answer is counted once, by its kind, and nothing is sent again."""
    answer, kind, words = BROKEN[case]
    with serving(replies_and_ends(answer), replies(HELLO)) as server, talking(server.url, source) as talk:
        client = talk.client()
        assert client.get("/") is None
        one_error(talk, kind, words)
        assert (server.accepted, talk.recorder.sent) == (1, 1)
        assert client.get("/") is not None
        assert (talk.recorder.connections_opened, talk.recorder.sent) == (2, 2)
    assert len(talk.errors) == 1


def test_a_broken_answer_is_known_without_the_connections_end(source: Sources) -> None:
    """Garbage is refused as it comes, not when the time-out is due."""
    with serving(replies(b"HTTP/1.1 200 OK\nA: b\n\n")) as server, talking(server.url, source) as talk:
        start = time.monotonic()
        assert talk.client(5).get("/") is None
        assert time.monotonic() - start < 2
        one_error(talk, "protocol")


@pytest.mark.parametrize("part", [b"", b"HTTP/1.1 200 OK\r\n", OK + b"Content-Length: 9\r\n\r\nhello"])
def test_a_reset_is_one_error(source: Sources, part: bytes) -> None:
    """A connection that breaks, before the answer or in it, is one `reset`."""

    def script(peer: Peer) -> None:
        peer.request()
        peer.send(part)
        if part:
            time.sleep(0.05)
        peer.reset()

    with serving(script, replies(HELLO)) as server, talking(server.url, source) as talk:
        client = talk.client()
        assert client.get("/") is None
        one_error(talk, "reset")
        assert client.get("/") is not None
        assert talk.recorder.connections_opened == 2


def test_a_half_closed_connection_still_gives_its_answer(source: Sources) -> None:
    """A server that sends its answer and FIN together has answered; only the next request meets the end."""

    def script(peer: Peer) -> None:
        peer.request()
        peer.send(HELLO)
        peer.end()
        peer.wait_for_end()

    with serving(script, replies(HELLO)) as server, talking(server.url, source) as talk:
        client = talk.client()
        assert client.get("/") is not None
        the_pump_looks()
        assert client.get("/") is None
        one_error(talk, "closed")
        assert client.get("/") is not None
    assert talk.recorder.connections_opened == 2


def test_data_and_end_in_one_event_lose_nothing(source: Sources) -> None:
    """An answer that the end completes is whole although both were announced at once."""

    def script(peer: Peer) -> None:
        peer.request()
        peer.send(OK + b"\r\nhello")

    with serving(script) as server, talking(server.url, source) as talk:
        for _ in range(20):
            response = talk.client(3).get("/")
            assert response is not None
            assert response.body == b"hello"
    assert talk.errors == []


@pytest.mark.parametrize("looked", [True, False], ids=["seen by the pump", "in this moment"])
def test_an_end_between_two_requests_is_one_error_and_nothing_is_sent_again(
    source: Sources, looked: bool
) -> None:
    """A keep-alive connection that the server drops is counted; it is never quietly replaced."""
    ended = threading.Event()

    def script(peer: Peer) -> None:
        peer.request()
        peer.send(HELLO)
        peer.socket.close()
        ended.set()

    with serving(script, replies(HELLO)) as server, talking(server.url, source) as talk:
        client = talk.client()
        assert client.get("/") is not None
        assert ended.wait(10)
        something_has_come(client)
        if looked:
            the_pump_looks()
        assert client.get("/") is None
        one_error(talk, "closed")
        if looked:
            assert talk.recorder.sent == 1  # it was known before anything was sent
        assert server.accepted == 1
        assert client.get("/") is not None
    assert (len(talk.errors), server.accepted, talk.recorder.connections_opened) == (1, 2, 2)


@pytest.mark.parametrize("looked", [True, False], ids=["seen by the pump", "in this moment"])
def test_an_unasked_answer_is_an_error_and_never_the_next_answer(source: Sources, looked: bool) -> None:
    """A second answer to one request is refused, whether the pump has seen it or not."""
    more, sent = threading.Event(), threading.Event()

    def script(peer: Peer) -> None:
        peer.request()
        peer.send(HELLO)
        more.wait(10)
        peer.send(OK + b"Content-Length: 5\r\n\r\nWRONG")
        sent.set()
        peer.wait_for_end()

    with serving(script, replies(HELLO)) as server, talking(server.url, source) as talk:
        client = talk.client()
        assert client.get("/") is not None
        more.set()
        assert sent.wait(10)
        something_has_come(client)
        if looked:
            the_pump_looks()
        assert client.get("/") is None
        one_error(talk, "protocol", "nobody asked for")
        response = client.get("/")
        assert response is not None
        assert response.body == b"hello"
    assert (len(talk.errors), server.accepted) == (1, 2)


def test_a_late_answer_never_answers_the_next_request(source: Sources) -> None:
    """After a time-out the connection is closed, so what was late is gone with it."""
    timed_out = threading.Event()

    def script(peer: Peer) -> None:
        peer.request()
        timed_out.wait(10)
        peer.send(OK + b"Content-Length: 4\r\n\r\nlate")
        peer.wait_for_end()

    with serving(script, replies(HELLO)) as server, talking(server.url, source) as talk:
        client = talk.client()
        assert client.get("/", timeout=0.2) is None
        one_error(talk, "timeout", "0.2 s")
        timed_out.set()
        response = client.get("/")
        assert response is not None
        assert response.body == b"hello"
    assert (len(talk.errors), talk.recorder.connections_opened) == (1, 2)


@pytest.mark.parametrize(
    "part", [b"", b"HTTP/1.1 2", OK + b"Content-Length: 9\r\n\r\nhello", OK + b"\r\nhello"]
)
def test_a_time_out_comes_when_it_is_due(source: Sources, part: bytes) -> None:
    """Wherever an answer stops, the time-out is counted within 0.2 s of its moment."""
    with serving(replies(part)) as server, talking(server.url, source) as talk:
        start = time.monotonic()
        assert talk.client(30).get("/", timeout=0.4) is None
        assert 0.4 <= time.monotonic() - start < 0.6
        one_error(talk, "timeout")


def test_an_answer_that_never_ends_ends_with_the_time_out(source: Sources) -> None:
    """A server that sends a little now and then, for ever, is a time-out when that is due."""
    done = threading.Event()

    def script(peer: Peer) -> None:
        peer.request()
        peer.send(OK + b"\r\n")
        while not done.wait(0.01):
            peer.send(b"x" * 100)

    with serving(script) as server, talking(server.url, source) as talk:
        start = time.monotonic()
        assert talk.client().get("/", timeout=0.4) is None
        assert 0.4 <= time.monotonic() - start < 0.6
        done.set()
        one_error(talk, "timeout")


FLOOD = """
import socket
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
peer, _ = listener.accept()
try:
    while True:
        peer.sendall(b"HTTP/1.1 100 Continue\\r\\n\\r\\n" * 40_000)
except OSError:
    pass
"""


def test_a_flood_keeps_nobody_else_from_running(source: Sources) -> None:
    """A server that sends faster than it can be read is a time-out, and others get their turn meanwhile."""
    ticks = 0

    def probe() -> None:
        nonlocal ticks
        while True:
            gevent.sleep(0.01)
            ticks += 1

    flood = subprocess.Popen([sys.executable, "-c", FLOOD], stdout=subprocess.PIPE, text=True)
    assert flood.stdout is not None
    try:
        with talking(f"http://127.0.0.1:{int(flood.stdout.readline())}", source) as talk:
            probing = gevent.spawn(probe)
            assert talk.client().get("/", timeout=0.5) is None
            probing.kill()
            one_error(talk, "timeout")
    finally:
        flood.communicate(timeout=10)
    assert ticks > 10


def test_sending_times_out_too(source: Sources) -> None:
    """A server that does not read is a time-out."""
    done = threading.Event()

    def script(_peer: Peer) -> None:
        done.wait(10)

    with serving(script) as server, talking(server.url, source) as talk:
        assert talk.client().post("/", data=b"x" * 30_000_000, timeout=0.3) is None
        done.set()
        one_error(talk, "timeout")


def test_nobody_there_is_refused(source: Sources) -> None:
    """A port where nobody listens is `refused`; no connection is counted and nothing was sent."""
    with silent_port() as port, talking(f"http://127.0.0.1:{port}", source) as talk:
        assert talk.client().get("/") is None
        one_error(talk, "refused", f"127.0.0.1:{port}")
        assert (talk.recorder.connections_opened, talk.recorder.sent) == (0, 0)


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


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    """See that no thread outlives a test."""
    before = threading.active_count()
    yield
    assert threading.active_count() <= before
