"""The client against servers that break an answer, a connection, or their word: each is one error."""

from __future__ import annotations

import select
import socket
import subprocess
import sys
import threading
import time

import gevent
import pytest
from scripted import HELLO, OK, Peer, replies, replies_and_ends, serving, silent_port
from talking import Sources, Talk, talking, the_pump_looks

from harness.loadgen.client import KINDS, Client

pytestmark = pytest.mark.usefixtures("no_thread_left")


def something_has_come(client: Client) -> None:
    """Wait until there is something to read on a client's connection; the pump does not look meanwhile."""
    assert client._connection is not None
    assert select.select([client._connection.descriptor], [], [], 10)[0]


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


def test_a_connection_that_knocks_twice_counts_what_it_sends(source: Sources) -> None:
    """An opening that had to be sent again, to a queue that was full, is no request that got lost."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        address = listener.getsockname()
        with socket.create_connection(address), talking(f"http://127.0.0.1:{address[1]}", source) as talk:
            client = talk.client()
            asking = gevent.spawn(client.get, "/")
            gevent.sleep(0.2)  # the kernel knocks again after a second
            listener.accept()[0].close()

            def answer() -> None:
                with listener.accept()[0] as connection:
                    peer = Peer(connection)
                    peer.request()
                    peer.send(HELLO)
                    peer.wait_for_end()

            answering = threading.Thread(target=answer)
            answering.start()
            assert asking.get(timeout=10).body == b"hello"
            assert client._connection is not None
            assert client._connection._knocks
            client.close()
            answering.join(10)
            tally = talk.recorder.tally()
    assert (tally.sent, tally.delivered) == (1, 1)


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


def lateness(client: Client) -> float:
    """Return how many seconds after its moment a time-out of 0.4 s comes."""
    start_s = time.monotonic()
    assert client.get("/", timeout=0.4) is None
    return time.monotonic() - start_s - 0.4


@pytest.mark.parametrize(
    "part", [b"", b"HTTP/1.1 2", OK + b"Content-Length: 9\r\n\r\nhello", OK + b"\r\nhello"]
)
def test_a_time_out_comes_when_it_is_due(source: Sources, part: bytes) -> None:
    """Wherever an answer stops, the time-out is counted within 0.2 s of its moment.

    Another virtual machine may be in the way; not in each of three tries.
    """
    with serving(replies(part)) as server, talking(server.url, source) as talk:
        late_s = [lateness(talk.client(30)) for _ in range(3)]
    assert 0 <= min(late_s) < 0.2, late_s
    assert talk.kinds == ["timeout"] * 3


def test_an_answer_that_never_ends_ends_with_the_time_out(source: Sources) -> None:
    """A server that sends a little now and then, for ever, is a time-out when that is due, as above."""
    done = threading.Event()

    def script(peer: Peer) -> None:
        peer.request()
        peer.send(OK + b"\r\n")
        while not done.wait(0.01):
            peer.send(b"x" * 100)

    with serving(script) as server, talking(server.url, source) as talk:
        late_s = [lateness(talk.client()) for _ in range(3)]
        done.set()
    assert 0 <= min(late_s) < 0.2, late_s
    assert talk.kinds == ["timeout"] * 3


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
