"""Reading responses: what is taken, what is refused, and that pieces make no difference."""

from __future__ import annotations

import contextlib
import time

import pytest

from harness.loadgen.chunked import MAX_BODY, MAX_LINE
from harness.loadgen.http import MAX_HEAD, ConnectionEnded, ProtocolError, Reading, Response, read_whole

OK = b"HTTP/1.1 200 OK\r\n"


def read(data: bytes, method: str = "GET", piece: int = 0) -> Response:
    """Read `data` in pieces (all at once for 0), then the connection's end; all of it is one response."""
    whole = read_whole(data, method) if not piece else None
    reading = Reading(method)
    for at in range(0, len(data), piece or len(data) or 1):
        response = reading.feed(data[at : at + (piece or len(data))])
        if response is not None:
            if at + (piece or len(data)) < len(data):
                raise ProtocolError("bytes after the answer")
            assert whole is None or (whole.status, whole.body, whole.keep_alive, whole.head) == (
                response.status,
                response.body,
                response.keep_alive,
                response.head,
            )
            return response
    assert whole is None
    return reading.end()


GOOD = [
    (OK + b"Content-Length: 5\r\n\r\nhello", "GET", 200, b"hello", True),
    (OK + b"CONTENT-LENGTH:5\r\n\r\nhello", "GET", 200, b"hello", True),
    (OK + b"cOnTeNt-LeNgTh: \t 5 \t\r\n\r\nhello", "GET", 200, b"hello", True),
    (OK + b"Content-Length: 5\r\ncontent-length: 5\r\n\r\nhello", "GET", 200, b"hello", True),
    (OK + b"Content-Length: 5, 5\r\n\r\nhello", "GET", 200, b"hello", True),
    (OK + b"Content-Length: 5\r\nConnection: close\r\n\r\nhello", "GET", 200, b"hello", False),
    (OK + b"content-length: 5\r\nCONNECTION: foo, CLOSE\r\n\r\nhello", "GET", 200, b"hello", False),
    (
        OK + b"content-length: 5\r\nConnection: a\r\nConnection: b,close\r\n\r\nhello",
        "GET",
        200,
        b"hello",
        False,
    ),
    (OK + b"content-length: 5\r\nConnection: closed\r\n\r\nhello", "GET", 200, b"hello", True),
    (OK + b"content-length: 5\r\nX-Connection: close\r\n\r\nhello", "GET", 200, b"hello", True),
    (b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", "GET", 200, b"hello", False),
    (
        b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\nConnection: Keep-Alive\r\n\r\nhello",
        "GET",
        200,
        b"hello",
        True,
    ),
    (
        b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\nconnection: foo, keep-alive\r\n\r\nhello",
        "GET",
        200,
        b"hello",
        True,
    ),
    (b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", "GET", 200, b"", True),
    (b"HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", "GET", 200, b"", True),
    (b"HTTP/1.1 299 Tr\xe8s bien\r\nContent-Length: 0\r\n\r\n", "GET", 299, b"", True),
    (OK + b"\r\nuntil the end", "GET", 200, b"until the end", False),
    (OK + b"\r\n", "GET", 200, b"", False),
    (b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\nuntil", "GET", 200, b"until", False),
    (OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", "GET", 200, b"hello", True),
    (OK + b"transfer-ENCODING: Chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", "GET", 200, b"hello", True),
    (OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "GET", 200, b"", True),
    (
        OK + b'Transfer-Encoding: chunked\r\n\r\n00a;a="b;c";d\r\n0123456789\r\n000;x\r\n\r\n',
        "GET",
        200,
        b"0123456789",
        True,
    ),
    (
        OK + b"Transfer-Encoding: chunked\r\n\r\nA\r\n01234\r\n789\r\n0\r\nDigest: x\r\nY:\r\n\r\n",
        "GET",
        200,
        b"01234\r\n789",
        True,
    ),
    (
        OK + b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n1\r\nx\r\n0\r\n\r\n",
        "GET",
        200,
        b"x",
        False,
    ),
    (b"HTTP/1.1 204 No Content\r\n\r\n", "DELETE", 204, b"", True),
    (b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", "DELETE", 204, b"", True),
    (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 500\r\n\r\n", "GET", 304, b"", True),
    (OK + b"Content-Length: 500\r\n\r\n", "HEAD", 200, b"", True),
    (OK + b"Transfer-Encoding: chunked\r\n\r\n", "HEAD", 200, b"", True),
    (OK + b"\r\n", "HEAD", 200, b"", True),
    (b"HTTP/1.1 100 Continue\r\n\r\n" + OK + b"Content-Length: 2\r\n\r\nok", "POST", 200, b"ok", True),
    (
        b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nContent-Length: 9\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n"
        b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno",
        "GET",
        404,
        b"no",
        True,
    ),
]


@pytest.mark.parametrize(("data", "method", "status", "body", "keep_alive"), GOOD)
@pytest.mark.parametrize("piece", [0, 1, 2, 3, 7])
def test_a_valid_response_is_read_whatever_its_pieces(
    data: bytes, method: str, status: int, body: bytes, keep_alive: bool, piece: int
) -> None:
    """Every form of a valid response gives status, body and keep-alive, split anywhere."""
    response = read(data, method, piece)
    assert (response.status, response.body, response.keep_alive) == (status, body, keep_alive)


BAD = [
    b"SSH-2.0-OpenSSH_9.2\r\n",
    b"\r\n" + OK + b"Content-Length: 0\r\n\r\n",
    b"HTTP/2 200 OK\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.2 200 OK\r\nContent-Length: 0\r\n\r\n",
    b"http/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1  200 OK\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 099 OK\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 200OK\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 200 O\x00K\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
    OK + b"Content-Length : 0\r\n\r\n",
    OK + b"Content-Length\t: 0\r\n\r\n",
    OK + b" Content-Length: 0\r\n\r\n",
    OK + b"X: a\r\n b\r\nContent-Length: 0\r\n\r\n",
    OK + b"X: a\r\n\tb\r\nContent-Length: 0\r\n\r\n",
    OK + b"X\r\nContent-Length: 0\r\n\r\n",
    OK + b": x\r\nContent-Length: 0\r\n\r\n",
    OK + b"X: a\x00b\r\nContent-Length: 0\r\n\r\n",
    OK + b"X: a\rb\r\nContent-Length: 0\r\n\r\n",
    OK + b"X: a\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
    OK + b"Content-Length: 0\r\n\n",
    OK + b"Content-Length: +5\r\n\r\nhello",
    OK + b"Content-Length: -5\r\n\r\nhello",
    OK + b"Content-Length: 0x5\r\n\r\nhello",
    OK + b"Content-Length: 5 5\r\n\r\nhello",
    OK + b"Content-Length: 5.0\r\n\r\nhello",
    OK + b"Content-Length: 5_0\r\n\r\nhello",
    OK + b"Content-Length: \xb2\r\n\r\nhello",
    OK + b"Content-Length:\r\n\r\nhello",
    OK + b"Content-Length: 5,\r\n\r\nhello",
    OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    OK + b"Content-Length: 5, 6\r\n\r\nhello",
    OK + b"Content-Length: 99999999999999999999999999\r\n\r\nhello",
    OK + b"Content-Length: %d\r\n\r\nhello" % (MAX_BODY + 1),
    OK + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    OK + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    OK + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    OK + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    OK + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    OK + b"Transfer-Encoding: identity\r\n\r\nhello",
    OK + b"Transfer-Encoding:\r\n\r\nhello",
    b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    OK + b"Content-Length: 5\r\n\r\nhello!",
    OK + b"Content-Length: 5\r\n\r\nhello\r\n",
    OK + b"Content-Length: 0\r\n\r\n" + OK + b"Content-Length: 0\r\n\r\n",
    b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello",
    *[
        OK + b"Transfer-Encoding: chunked\r\n\r\n" + body
        for body in (
            b"\r\n",
            b"x\r\n",
            b"-1\r\nx\r\n",
            b"+1\r\nx\r\n",
            b" 1\r\nx\r\n",
            b"1 \r\nx\r\n",
            b"1 ;a\r\nx\r\n0\r\n\r\n",
            b"0x1\r\nx\r\n",
            b"1_0\r\nx\r\n",
            b"1\nx\n0\n\n",
            b"1\r\nxy\r\n0\r\n\r\n",
            b"1\r\nx\n0\r\n\r\n",
            b"1\r\nx\ry0\r\n\r\n",
            b"1;a\nb\r\nx\r\n0\r\n\r\n",
            b"1;a\rb\r\nx\r\n0\r\n\r\n",
            b"FFFFFFFFFFFFFFF\r\n",
            b"FFFFFFFFFFFFFFFFFFFFFFFFFFFF\r\n",
            b"0\r\n\r\nx",
            b"0\r\n\r\n\r\n",
            b"0\r\nnot a field\r\n\r\n",
            b"0\r\nA : b\r\n\r\n",
            b"0\r\nA: b\n\r\n\r\n",
            b"1;" + b"a" * (MAX_LINE + 1) + b"\r\nx\r\n0\r\n\r\n",
            b"1;" + b"a" * (MAX_LINE + 1),
            b"0\r\n" + (b"A: " + b"b" * 4000 + b"\r\n") * 20 + b"\r\n",
        )
    ],
    OK + b"X: " + b"a" * MAX_HEAD,
    OK + b"X: " + b"a" * MAX_HEAD + b"\r\n\r\n",
    OK + b"X: a\r\n" * (MAX_HEAD // 6 + 1) + b"Content-Length: 0\r\n\r\n",
]


@pytest.mark.parametrize("data", BAD, ids=lambda data: repr(data[-60:]))
def test_what_is_no_answer_is_refused(data: bytes) -> None:
    """Whatever breaks the framing is a protocol error, in one piece and split, and before the end."""
    for piece in (0, 1, 5):
        with pytest.raises(ProtocolError):
            read(data, "GET", piece)
    with contextlib.suppress(ProtocolError):
        assert read_whole(data, "GET") is None


def test_a_body_in_answer_to_head_is_refused() -> None:
    """Whatever length its head tells, an answer to HEAD ends with the head."""
    data = OK + b"Content-Length: 5\r\n\r\nhello"
    assert read_whole(data, "HEAD") is None
    with pytest.raises(ProtocolError, match="5 bytes after"):
        Reading("HEAD").feed(data)


def test_what_is_remembered_of_an_answer_is_no_answer_to_head() -> None:
    """An answer that came before is one object again, but not where the method makes it another answer."""
    data = OK + b"Content-Length: 0\r\n\r\n"
    first = read_whole(data, "GET")
    assert first is not None
    assert read_whole(bytes(bytearray(data)), "POST") is first
    assert read_whole(data, "HEAD") is None
    bare = OK + b"Content-Length: 7\r\n\r\n"
    assert Reading("HEAD").feed(bare) is not None
    assert read_whole(bare, "GET") is None


@pytest.mark.parametrize(("data", "method"), [(data, method) for data, method, *_ in GOOD])
def test_an_early_end_is_no_answer(data: bytes, method: str) -> None:
    """A response that is cut off anywhere is told from a whole one, unless the end is what completes it."""
    for length in range(len(data)):
        reading = Reading(method)
        if reading.feed(data[:length]) is not None:
            pytest.fail(f"{data[:length]!r} passed for a response")
        head, _, body = data[:length].partition(b"\r\n\r\n")
        if len(head) + 4 <= length and not any(word in data.lower() for word in (b"length", b"encoding")):
            assert reading.end().body == body
        else:
            with pytest.raises(ConnectionEnded):
                reading.end()


def test_headers_are_found_in_any_case_and_joined() -> None:
    """Headers are by lower-case name; values of repeated ones are joined as RFC 9110 has it."""
    head = OK + b"Content-Length: 0\r\nX-A:  one \r\nx-a: two\r\nEmpty:\r\nX-B: a:b\r\n\r\n"
    assert read(head).headers == {"content-length": "0", "x-a": "one, two", "empty": "", "x-b": "a:b"}


def test_a_body_of_megabytes_costs_in_proportion_to_its_length() -> None:
    """Four times the pieces take about four times as long, whatever the framing."""

    def cost(pieces: int, chunked: bool) -> float:
        body = b"x" * 1000
        framing = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % (1000 * pieces)
        reading = Reading("GET")
        start = time.thread_time()
        assert reading.feed(OK + framing + b"\r\n\r\n") is None
        for _ in range(pieces - (not chunked)):
            assert reading.feed(b"3e8\r\n" + body + b"\r\n" if chunked else body) is None
        response = reading.feed(b"0\r\n\r\n" if chunked else body)
        assert response is not None
        assert len(response.body) == 1000 * pieces
        return time.thread_time() - start

    for chunked in (False, True):
        small = min(cost(4000, chunked) for _ in range(7))
        assert min(cost(16000, chunked) for _ in range(7)) < 10 * small


def test_a_head_that_drips_is_searched_once() -> None:
    """A head of 60 kB that comes byte by byte is read in well under a second."""
    data = OK + b"X: " + b"a" * 60_000 + b"\r\nContent-Length: 1\r\n\r\nx"

    def cost() -> float:
        start = time.thread_time()
        assert read(data, piece=1).body == b"x"
        return time.thread_time() - start

    assert min(cost() for _ in range(3)) < 0.5
