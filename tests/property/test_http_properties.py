"""Responses at random, split and damaged at random: the same answer, or an error, never a wrong success."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import h11
import httptools
import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from scripted import Peer, serving
from talking import talking

from harness.loadgen.expect import Expect
from harness.loadgen.http import ConnectionEnded, ProtocolError, Reading, Response, read_whole

TOKEN = st.text("!#$%&'*+-.^_`|~09AZaz", min_size=1, max_size=12)
VALUE = st.text(st.characters(codec="latin-1", exclude_categories=["Cc"]), max_size=20)
FRAMING_NAMES = ("content-length", "transfer-encoding", "connection", "upgrade")
METHODS = st.sampled_from(["GET", "GET", "GET", "HEAD", "POST"])


@dataclass(frozen=True)
class Sample:
    """A valid response with what it means."""

    data: bytes
    method: str
    status: int
    body: bytes
    until_close: bool


def cased(name: str, flips: int) -> str:
    """Return a name with some of its letters in upper case."""
    return "".join(c.upper() if flips >> place & 1 else c for place, c in enumerate(name))


@st.composite
def samples(draw: st.DrawFn) -> Sample:
    """Draw a valid response with interim ones, other headers, and a body in any framing."""
    method = draw(METHODS)
    status = draw(st.sampled_from([200, 200, 200, 201, 204, 304, 404, 422, 500, 599]))
    body = draw(
        st.binary(max_size=300) | st.sampled_from([b"\r\n\r\n", b"0\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n"])
    )
    bodiless = method == "HEAD" or status in (204, 304)
    framing = draw(st.sampled_from(["length", "chunked", "close"]))
    flips = draw(st.integers(0, 1 << 20))
    fields = [
        (name, value.strip(" \t\xa0\x85"))
        for name, value in draw(st.lists(st.tuples(TOKEN, VALUE), max_size=4))
        if name.lower() not in FRAMING_NAMES
    ]
    wire = body
    if framing == "length":
        fields.append((cased("content-length", flips), str(len(body))))
    elif framing == "chunked":
        fields.append((cased("transfer-encoding", flips), cased("chunked", flips >> 3)))
        wire = draw(chunks(body))
    draw(st.randoms(use_true_random=False)).shuffle(fields)
    interim = b"".join(
        b"HTTP/1.1 %d X\r\n%b\r\n" % (number, b"A: b\r\n" if number == 103 else b"")
        for number in draw(st.lists(st.sampled_from([100, 102, 103]), max_size=2))
    )
    head = b"".join(f"{name}: {value}\r\n".encode("latin-1") for name, value in fields)
    data = interim + b"HTTP/1.1 %d Reason\r\n" % status + head + b"\r\n" + (b"" if bodiless else wire)
    until_close = framing == "close" and not bodiless
    return Sample(data, method, status, b"" if bodiless else body, until_close)


@st.composite
def chunks(draw: st.DrawFn, body: bytes) -> bytes:
    """Draw a chunked form of a body."""
    out, at = b"", 0
    while at < len(body):
        size = draw(st.integers(1, len(body) - at))
        extension = draw(st.sampled_from([b"", b";a", b";a=b", b';a="b"']))
        out += (b"%x" if draw(st.booleans()) else b"%04X") % size + extension
        out += b"\r\n" + body[at : at + size] + b"\r\n"
        at += size
    trailers = draw(st.sampled_from([b"", b"A: b\r\n", b"A: b\r\nC:\r\n"]))
    return out + b"0\r\n" + trailers + b"\r\n"


def pieces(data: bytes, cuts: list[int]) -> Iterator[bytes]:
    """Cut data at these places."""
    edges = [0, *sorted({cut % (len(data) + 1) for cut in cuts}), len(data)]
    return (data[a:b] for a, b in pairwise(edges) if a < b)


def read(parts: Iterator[bytes], method: str) -> Response:
    """Read pieces, then the end; all of them are one response."""
    reading = Reading(method)
    for part in parts:
        response = reading.feed(part)
        if response is not None:
            if next(parts, None) is not None:
                raise ProtocolError("bytes after the answer")
            return response
    return reading.end()


CUTS = st.lists(st.integers(0, 2000), max_size=6)


@given(samples(), CUTS)
@settings(max_examples=300)
def test_a_valid_response_means_what_it_says_however_it_is_cut(sample: Sample, cuts: list[int]) -> None:
    """Any valid response is read as it was meant, in one piece, cut anywhere, and byte by byte."""
    for parts in (
        iter([sample.data]),
        pieces(sample.data, cuts),
        pieces(sample.data, [*range(len(sample.data))]),
    ):
        response = read(parts, sample.method)
        assert (response.status, response.body) == (sample.status, sample.body)
        if sample.until_close:
            assert not response.keep_alive


@given(samples())
@settings(max_examples=300)
def test_the_short_way_and_the_long_way_agree(sample: Sample) -> None:
    """What is taken with one look-up is what reading it closely gives."""
    short = read_whole(sample.data, sample.method)
    event("short" if short else "long")
    if short is not None:
        assert short == read(iter([sample.data]), sample.method)


@given(samples())
@settings(max_examples=300)
def test_a_valid_response_is_the_same_to_llhttp(sample: Sample) -> None:
    """httptools, which is Node's parser, sees the same status, body and keep-alive."""
    ours = read(iter([sample.data]), sample.method)
    if sample.method == "HEAD" or sample.until_close:
        return  # it isn't told of the method, nor of the end

    class Seen:
        statuses: list[int]
        body = b""
        whole = 0

        def on_body(self, data: bytes) -> None:
            self.body += data

        def on_message_complete(self) -> None:
            self.whole = parser.get_status_code()
            self.keep_alive = parser.should_keep_alive()

    seen = Seen()
    parser = httptools.HttpResponseParser(seen)
    parser.feed_data(sample.data)
    assert (seen.whole, seen.body, seen.keep_alive) == (ours.status, ours.body, ours.keep_alive)


def by_h11(data: bytes, method: str) -> tuple[int, bytes] | None:
    """Return status and body as h11 reads them; None where it sees no single, whole response."""
    client = h11.Connection(h11.CLIENT, max_incomplete_event_size=1 << 20)
    client.send(h11.Request(method=method, target="/", headers=[("Host", "x"), ("Content-Length", "0")]))
    client.send(h11.EndOfMessage())
    client.receive_data(data)
    client.receive_data(b"") if data else None
    status, body = 0, b""
    try:
        while True:
            happened = client.next_event()
            if isinstance(happened, h11.Response):
                status = happened.status_code
            elif isinstance(happened, h11.Data):
                body += bytes(happened.data)
            elif isinstance(happened, h11.EndOfMessage):
                break
            elif not isinstance(happened, h11.InformationalResponse):
                return None
    except h11.RemoteProtocolError:
        return None
    return None if client.trailing_data[0] else (status, body)


@st.composite
def damaged(draw: st.DrawFn) -> tuple[bytes, str]:
    """Draw a valid response with a few bytes changed, removed, doubled or put in, or cut off."""
    sample = draw(samples())
    data = sample.data
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(data)))
        span = draw(st.integers(0, 6))
        put = draw(
            st.sampled_from(
                [b"", b"\r", b"\n", b"\r\n", b" ", b"\t", b":", b",", b"0", b"5", b"-", b"\x00", b"\r\n "]
            )
            | st.sampled_from([b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n", data[:at]])
            | st.binary(max_size=3)
        )
        data = data[:at] + put + data[at + span :]
    return data, sample.method


@given(damaged(), CUTS)
@settings(max_examples=1000, suppress_health_check=[HealthCheck.too_slow])
def test_a_damaged_response_is_an_error_or_what_another_parser_reads(
    case: tuple[bytes, str], cuts: list[int]
) -> None:
    """Whatever passes is, to the byte, what h11 makes of the same bytes; and cutting changes nothing."""
    data, method = case
    outcomes: set[tuple[int, bytes] | None] = set()
    for parts in (iter([data] if data else []), pieces(data, cuts), pieces(data, [*range(len(data))])):
        try:
            response = read(parts, method)
        except (ProtocolError, ConnectionEnded):
            outcomes.add(None)
        else:
            outcomes.add((response.status, response.body))
    assert len(outcomes) == 1
    outcome = outcomes.pop()
    event("passed" if outcome else "refused")
    if outcome is not None:
        assert outcome == by_h11(data, method)
    with contextlib.suppress(ProtocolError):
        short = read_whole(data, method)
        assert short is None or (short.status, short.body) == outcome


@given(st.lists(damaged(), min_size=1, max_size=15))
@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow])
def test_no_damage_hangs_a_client_or_passes_for_an_answer(cases: list[tuple[bytes, str]]) -> None:
    """Over a socket, each damaged answer is the answer that h11 reads or one counted error, soon."""
    answers = iter([data for data, _method in cases])
    lock = threading.Lock()

    def script(peer: Peer) -> None:
        peer.request()
        with lock:
            answer = next(answers)
        half = len(answer) // 2
        peer.send(answer[:half])
        peer.send(answer[half:])
        with contextlib.suppress(OSError):
            peer.socket.shutdown(socket.SHUT_WR)

    anything = Expect(range(200, 1000))
    with serving(script) as server, talking(server.url) as talk:
        for number, (data, method) in enumerate(cases, 1):
            client = talk.client(timeout_s=5)
            errors = len(talk.errors)
            response = client.request(method, "/", expect=anything)
            client.close()
            assert talk.recorder.sent == number
            assert len(talk.errors) - errors == (response is None)
            if response is None:
                assert talk.errors[-1][0] in ("protocol", "closed"), talk.errors[-1]
            else:
                # what follows an answer may come after it was taken; it is met by the next request
                assert by_h11(data, method) in ((response.status, response.body), None)


BODIES = st.sampled_from([b"", b"a", b"b", b"ab", b"[1]", b"[true]", b"{}"]) | st.binary(max_size=3)


@given(st.lists(st.tuples(st.sampled_from([200, 201]), BODIES, st.sampled_from([b"1", b"2"])), max_size=60))
@pytest.mark.parametrize("looks_at_head", [False, True])
def test_what_is_remembered_never_lets_a_wrong_answer_pass(
    looks_at_head: bool, answers: list[tuple[int, bytes, bytes]]
) -> None:
    """With the memory of passed bodies, each answer is judged as it is without."""

    def check(response: Response) -> bool:
        verdict = (len(response.body) + response.status) % 2 == 0
        return verdict and (not looks_at_head or response.headers["x"] == "1")

    remembering, forgetful = Expect((200, 201), check), Expect((200, 201), check, remember=False)
    for status, body, value in answers:
        response = Response(status, b"HTTP/1.1 %d X\r\nX: " % status + value, body, keep_alive=True)
        assert remembering.complaint(response) == forgetful.complaint(response)
