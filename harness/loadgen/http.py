"""HTTP/1.1 responses: the head, how long the body is, and reading both out of pieces (RFC 9112).

Nearly every response of a benchmark arrives in one piece, and all of it or at least its head came before,
byte for byte: `read_whole` takes that way with a look-up or two. `Reading` takes all others. Both are
strict where RFC 9112 lets a client choose, since two readings of one message are how responses get mixed
up: line folding, bare line feeds, whitespace before a colon, unequal lengths, and a transfer coding beside
a length are refused.
"""

from __future__ import annotations

import json as json_codec
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple

from harness.loadgen.chunked import BARE_LF, FIELD_LINE, MAX_BODY, Chunks, ProtocolError

__all__ = ["ConnectionEnded", "ProtocolError", "Reading", "Response", "read_whole"]

MAX_HEAD = 65536
"""Bytes of a response's head above which it is refused."""
_REMEMBERED = 1024
_REMEMBERED_BYTES = 2048

_CHUNKED, _UNTIL_CLOSE = -1, -2
_HEAD = re.compile(
    rb"HTTP/1\.([01]) ([1-9][0-9][0-9])(?: [\t\x20-\x7e\x80-\xff]*)?(?:\r\n" + FIELD_LINE + rb")*"
)
_FRAMING = re.compile(rb"\r\n(content-length|transfer-encoding|connection):([^\r]*)", re.IGNORECASE)
_LENGTH = re.compile(rb"[0-9]{1,18}")


class ConnectionEnded(Exception):
    """The other side ended the connection before its answer was whole."""


@dataclass(slots=True)
class Response:
    """A complete response. Those that came alike, byte for byte, may be one object: change nothing in it."""

    status: int
    _head: bytes = field(repr=False)
    body: bytes
    keep_alive: bool
    """Whether the connection may carry another request."""
    head_reads: int = field(default=0, repr=False)
    """How often the head was asked for: a check that did depends on more than the body."""
    _headers: Mapping[str, str] | None = field(default=None, repr=False)

    @property
    def head(self) -> bytes:
        """The status line and the header lines, without the blank line."""
        self.head_reads += 1
        return self._head

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers by lower-case name; the values of repeated ones are joined by a comma."""
        self.head_reads += 1
        if self._headers is None:
            found: dict[str, str] = {}
            for line in self._head.decode("latin-1").split("\r\n")[1:]:
                name, _, value = line.partition(":")
                name, value = name.lower(), value.strip(" \t")
                found[name] = f"{found[name]}, {value}" if name in found else value
            self._headers = MappingProxyType(found)
        return self._headers

    @property
    def text(self) -> str:
        """The body as UTF-8."""
        return self.body.decode("utf-8", "replace")

    def json(self) -> Any:
        """Return the body as JSON; raises ValueError where it is none."""
        return json_codec.loads(self.body)


class Head(NamedTuple):
    """What a head says of the message."""

    status: int
    keep_alive: bool
    """Whether the connection may stay, as far as its headers say."""
    length: int
    """Of the body in bytes; or `_CHUNKED`, or `_UNTIL_CLOSE`."""


_heads: dict[bytes, Head] = {}


def understand(head: bytes) -> Head:
    """Return what a head (without its blank line) says; raises ProtocolError where it is none."""
    known = _heads.get(head)
    if known is None:
        known = _understand(head)
        if len(head) <= _REMEMBERED_BYTES:
            if len(_heads) >= _REMEMBERED:
                _heads.clear()
            _heads[head] = known
    return known


def _understand(head: bytes) -> Head:
    found = _HEAD.fullmatch(head)
    if found is None:
        raise ProtocolError(f"no head of an HTTP response: {_first_fault(head)!r}")
    status = int(found[2])
    fields: dict[bytes, list[bytes]] = {}
    for name, value in _FRAMING.findall(head):
        fields.setdefault(name.lower(), []).extend(part.strip(b" \t") for part in value.split(b","))
    connection = {option.lower() for option in fields.get(b"connection", ())}
    newer = found[1] == b"1"
    keep_alive = b"close" not in connection and (newer or b"keep-alive" in connection)
    length = _length(newer, fields.get(b"transfer-encoding"), fields.get(b"content-length"))
    if status in (204, 304):
        length = 0
    return Head(status, keep_alive, length)


def _length(newer: bool, codings: list[bytes] | None, lengths: list[bytes] | None) -> int:
    if codings is not None:
        if lengths is not None:
            raise ProtocolError("a transfer coding beside a content length")
        if not newer or [coding.lower() for coding in codings] != [b"chunked"]:
            raise ProtocolError(f"a transfer coding of {b', '.join(codings)[:40]!r}")
        return _CHUNKED
    if lengths is None:
        return _UNTIL_CLOSE
    if any(_LENGTH.fullmatch(length) is None for length in lengths):
        raise ProtocolError(f"a content length of {b', '.join(lengths)[:40]!r}")
    length = int(lengths[0])
    if any(int(other) != length for other in lengths):
        raise ProtocolError(f"unequal content lengths: {b', '.join(lengths)[:40]!r}")
    if length > MAX_BODY:
        raise ProtocolError(f"a body of more than {MAX_BODY} bytes")
    return length


def _first_fault(head: bytes) -> bytes:
    """Return the part of a head from its first line that is wrong, for an error's words."""
    first, *others = head.split(b"\r\n")
    if _HEAD.fullmatch(first) is None:
        return first[:60]
    return next((line for line in others if re.fullmatch(FIELD_LINE, line) is None), head)[:60]


_wholes: dict[bytes, Response] = {}
"""Small responses that came in one piece, none of them to HEAD. Nothing in them is changed any more."""


def read_whole(data: bytes, method: str) -> Response | None:
    """Return the response that `data` is, where it is exactly one whose length its head tells.

    None where `Reading` has to look closer. Raises ProtocolError for a head that is none.
    """
    if method == "HEAD":
        return None
    small = len(data) <= _REMEMBERED_BYTES
    if small and (known := _wholes.get(data)) is not None:
        return known
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return None
    head = data[:end]
    status, keep_alive, length = _heads.get(head) or understand(head)
    if len(data) - end - 4 != length or status < 200 or end > MAX_HEAD:
        return None
    response = Response(status, head, data[end + 4 :], keep_alive)
    if small:
        if len(_wholes) >= _REMEMBERED:
            _wholes.clear()
        _wholes[data] = response
    return response


class Reading:
    """Reads one response, interim ones (1xx) before it included, out of pieces of any size."""

    __slots__ = (
        "_buffer",
        "_chunks",
        "_have",
        "_head",
        "_known",
        "_length",
        "_method",
        "_parts",
        "_searched",
    )

    def __init__(self, method: str) -> None:
        self._method = method
        self._buffer = bytearray()
        """What came of the head."""
        self._searched = 0
        """Where in it the search for its end goes on, so that a slow head is searched once."""
        self._known: Head | None = None
        self._head = b""
        self._length = 0
        self._parts: list[bytes] = []
        self._have = 0
        self._chunks: Chunks | None = None

    def feed(self, data: bytes) -> Response | None:
        """Take what came; return the response once it is whole.

        Raises ProtocolError for what is no response, and for bytes that follow one.
        """
        if self._known is None:
            rest = self._take_head(data)
            if rest is None:
                return None
            data = rest
        if self._chunks is not None:
            used = self._chunks.feed(data)
            return None if used is None else self._whole(self._chunks.parts, len(data) - used)
        self._parts.append(data)
        self._have += len(data)
        if self._length == _UNTIL_CLOSE:
            if self._have > MAX_BODY:
                raise ProtocolError(f"a body of more than {MAX_BODY} bytes")
            return None
        surplus = self._have - self._length
        return None if surplus < 0 else self._whole(self._parts, surplus)

    def end(self) -> Response:
        """Return the response that the connection's end completes; else raises ConnectionEnded."""
        if self._known is None:
            began = len(self._buffer)
            raise ConnectionEnded(f"inside the head, after {began} bytes" if began else "without an answer")
        if self._length != _UNTIL_CLOSE:
            have = self._have if self._chunks is None else sum(map(len, self._chunks.parts))
            due = f" of {self._length}" if self._chunks is None else ""
            raise ConnectionEnded(f"inside the body, after {have}{due} bytes")
        response = self._whole(self._parts, 0)
        response.keep_alive = False
        return response

    def _take_head(self, data: bytes) -> bytes | None:
        """Take the head, past interim ones; return what of `data` is the body's, None before that."""
        buffer = self._buffer
        buffer += data
        while True:
            end = buffer.find(b"\r\n\r\n", self._searched)
            if end > MAX_HEAD or (end < 0 and len(buffer) > MAX_HEAD):
                raise ProtocolError(f"a head of more than {MAX_HEAD} bytes")
            if end < 0:
                self._refuse_hopeless()
                self._searched = max(0, len(buffer) - 3)
                return None
            head = bytes(buffer[:end])
            known = understand(head)
            del buffer[: end + 4]
            self._searched = 0
            if known.status == 101:
                raise ProtocolError("a switch of protocols that nobody asked for")
            if known.status >= 200:
                break
        self._known, self._head = known, head
        self._length = 0 if self._method == "HEAD" else known.length
        if self._length == _CHUNKED:
            self._chunks = Chunks()
        rest = bytes(buffer)
        buffer.clear()
        return rest

    def _refuse_hopeless(self) -> None:
        """Raise ProtocolError where a head whose end has not come can't become one."""
        buffer = self._buffer
        start = b"HTTP/1."
        if buffer[: len(start)] != start[: len(buffer)]:
            raise ProtocolError(f"no HTTP response: {bytes(buffer[:60])!r}")
        if BARE_LF.search(buffer, self._searched):
            raise ProtocolError("a line feed without carriage return in the head")

    def _whole(self, parts: list[bytes], surplus: int) -> Response:
        if surplus:
            raise ProtocolError(f"{surplus} bytes after the answer")
        assert self._known is not None
        return Response(self._known.status, self._head, b"".join(parts), self._known.keep_alive)
