"""The chunked transfer coding of HTTP/1.1 (RFC 9112, section 7.1), decoded piece by piece.

An own decoder, since it has to be known to the byte where the body ends: what follows was not asked
for. It is strict: a decoder that forgives what another does not is how responses are smuggled.
"""

from __future__ import annotations

import re

MAX_LINE = 8192
"""Bytes of a chunk's size with its extensions, or of one trailer line, above which it is refused."""
MAX_TRAILERS = 65536
MAX_BODY = 256 << 20
"""Bytes of a body above which it is refused, so that an endless one can't fill the memory."""

FIELD_LINE = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t\x20-\x7e\x80-\xff]*"
BARE_LF = re.compile(rb"(?<!\r)\n")
_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})(?:;[\t\x20-\x7e\x80-\xff]*)?")
_TRAILER = re.compile(FIELD_LINE)


class ProtocolError(Exception):
    """What came is no HTTP response to what was asked."""


class Chunks:
    """One chunked body; `parts` holds what has been decoded."""

    __slots__ = ("_at_size", "_carry", "_in_data", "_left", "_trailers", "parts", "size")

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.size = 0
        """The sum of the chunks announced so far."""
        self._carry = b""
        """The beginning of a line whose end has not come."""
        self._left = 0
        """Bytes of the current chunk that have not come."""
        self._in_data = False
        self._at_size = True
        self._trailers = 0

    def feed(self, data: bytes) -> int | None:
        """Take what came; return how many of its bytes were used once the body is whole, else None."""
        carried = len(self._carry)
        if carried:
            data, self._carry = self._carry + data, b""
        at = 0
        while True:
            if self._in_data:
                at = self._take_data(data, at)
                if self._in_data:
                    return None
            end = data.find(b"\r\n", at)
            if end < 0 or end - at > MAX_LINE:
                self._carry = _unfinished_line(data[at:], carried if at == 0 else 0)
                return None
            line = data[at:end]
            at = end + 2
            if self._at_size:
                self._begin_chunk(line)
            elif line:
                self._check_trailer(line)
            else:
                return at - carried

    def _take_data(self, data: bytes, at: int) -> int:
        """Take a chunk's bytes and the line break behind them; return where that ended."""
        if self._left:
            piece = data[at : at + self._left]
            self.parts.append(piece)
            self._left -= len(piece)
            at += len(piece)
            if self._left:
                return at
        behind = data[at : at + 2]
        if behind == b"\r\n":
            self._in_data = False
            return at + 2
        if behind not in (b"", b"\r"):
            raise ProtocolError(f"a chunk is followed by {behind!r}")
        self._carry = behind
        return at

    def _begin_chunk(self, line: bytes) -> None:
        found = _SIZE.fullmatch(line)
        if found is None:
            raise ProtocolError(f"a chunk size of {line[:40]!r}")
        self._left = int(found[1], 16)
        self.size += self._left
        if self.size > MAX_BODY:
            raise ProtocolError(f"a body of more than {MAX_BODY} bytes")
        self._in_data = self._at_size = self._left > 0  # a size of 0 ends the chunks; trailers follow

    def _check_trailer(self, line: bytes) -> None:
        self._trailers += len(line)
        if _TRAILER.fullmatch(line) is None or self._trailers > MAX_TRAILERS:
            raise ProtocolError(f"a trailer of {line[:40]!r}")


def _unfinished_line(line: bytes, known: int) -> bytes:
    """Return a line whose end has not come, if it may still become one; `known` bytes of it were seen."""
    if len(line) > MAX_LINE:
        raise ProtocolError(f"a line of more than {MAX_LINE} bytes in a chunked body")
    if BARE_LF.search(line, known):
        raise ProtocolError(f"a line feed without carriage return in {line[:40]!r}")
    return line
