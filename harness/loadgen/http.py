"""HTTP/1.1 as bytes: building requests, and reading a response out of what has arrived."""

from __future__ import annotations

import json as json_codec
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httptools

MAX_HEAD = 65536
"""Bytes of a response's head above which it is refused."""


class ProtocolError(Exception):
    """What came is no HTTP response to what was asked."""


@dataclass(slots=True)
class Response:
    """A complete response."""

    status: int
    head: bytes
    """The status line and the header lines, without the blank line."""
    body: bytes
    keep_alive: bool
    _headers: dict[str, str] | None = field(default=None, repr=False)

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers by lower-case name; of repeated ones the last."""
        if self._headers is None:
            lines = self.head.decode("latin-1").split("\r\n")[1:]
            pairs = (line.partition(":") for line in lines)
            self._headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
        return self._headers

    @property
    def text(self) -> str:
        """The body as UTF-8."""
        return self.body.decode("utf-8", "replace")

    def json(self) -> Any:
        """Return the body as JSON; raises ValueError where it is none."""
        return json_codec.loads(self.body)


def build_request(
    method: str, host: str, path: str, headers: Mapping[str, str] | None, body: bytes | None
) -> bytes:
    """Return a request's bytes; `Content-Length` is added where there is a body or one is usual.

    Raises ValueError for a path or header that would break the framing.
    """
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", "User-Agent: webdyno", "Accept: */*"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    if body is not None or method in ("POST", "PUT", "PATCH"):
        lines.append(f"Content-Length: {len(body or b'')}")
    if any("\r" in line or "\n" in line for line in lines) or " " in path:
        raise ValueError(f"{method} {path!r} or one of its headers holds a space or a line break")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + (body or b"")


def parse(data: bytes, method: str, ended: bool) -> tuple[Response, int] | None:
    """Return the response at the head of `data` and the number of bytes that it takes.

    None where more must come; `ended` says that nothing more will. Raises ProtocolError for anything
    that is no response. Length-delimited responses, nearly all of a benchmark, take the short way;
    the others go through httptools.
    """
    end_of_head = data.find(b"\r\n\r\n")
    if end_of_head < 0:
        _refuse_hopeless(data, ended)
        return None
    head = data[:end_of_head]
    status = _status(head)
    if 100 <= status < 200 and status != 101:
        rest = parse(data[end_of_head + 4 :], method, ended)
        return None if rest is None else (rest[0], rest[1] + end_of_head + 4)
    folded = head.lower()
    keep_alive = b"\r\nconnection: close" not in folded and not head.startswith(b"HTTP/1.0")
    start = end_of_head + 4
    if method == "HEAD" or status in (204, 304):
        return Response(status, head, b"", keep_alive), start
    at = folded.find(b"\r\ncontent-length:")
    if at < 0 or b"\r\ntransfer-encoding:" in folded or folded.find(b"\r\ncontent-length:", at + 1) >= 0:
        return _parse_slowly(data, status, head, ended)
    end = start + _length(head, at)
    if len(data) < end:
        if ended:
            raise ProtocolError("the connection ended inside the body")
        return None
    return Response(status, head, data[start:end], keep_alive), end


def _refuse_hopeless(data: bytes, ended: bool) -> None:
    """Raise ProtocolError where a head that is not whole yet can't become one."""
    if len(data) > MAX_HEAD:
        raise ProtocolError(f"a head of more than {MAX_HEAD} bytes")
    if ended:
        raise ProtocolError("the connection ended inside the head" if data else "closed")
    if data[:7] != b"HTTP/1."[: len(data)]:
        raise ProtocolError(f"no HTTP response: {data[:40]!r}")


def _status(head: bytes) -> int:
    code = head[9:12]
    if not (head.startswith((b"HTTP/1.1 ", b"HTTP/1.0 ")) and code.isdigit()):
        raise ProtocolError(f"no HTTP response: {head[:40]!r}")
    return int(code)


def _length(head: bytes, at: int) -> int:
    """Return the content length whose header line begins after `at`."""
    line_end = head.find(b"\r\n", at + 2)
    text = head[at + 17 : line_end if line_end >= 0 else len(head)].strip()
    if not text.isdigit():
        raise ProtocolError(f"a content length of {text[:20]!r}")
    return int(text)


class _Collector:
    """httptools' callbacks."""

    def __init__(self) -> None:
        self.body: list[bytes] = []
        self.complete = False

    def on_body(self, body: bytes) -> None:
        self.body.append(body)

    def on_message_complete(self) -> None:
        self.complete = True


def _parse_slowly(data: bytes, status: int, head: bytes, ended: bool) -> tuple[Response, int] | None:
    """Read a chunked body, or one that lasts until the connection ends."""
    if b"\r\ntransfer-encoding:" not in head.lower():
        if not ended:
            return None
        return Response(status, head, data[len(head) + 4 :], keep_alive=False), len(data)
    collector = _Collector()
    parser = httptools.HttpResponseParser(collector)
    try:
        parser.feed_data(data)
    except httptools.HttpParserError as error:
        raise ProtocolError(str(error)) from error
    if not collector.complete:
        if ended:
            raise ProtocolError("the connection ended inside the body")
        return None
    return Response(status, head, b"".join(collector.body), parser.should_keep_alive()), len(data)
