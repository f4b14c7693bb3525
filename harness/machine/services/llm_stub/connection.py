"""One connection of HTTP/1.1: requests in, each answer's pieces out at their moments, in order."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import cast

import httptools

from harness.machine.services.llm_stub.asking import Refused
from harness.machine.services.llm_stub.desk import Desk, Request

_MOST_HEAD = 64 << 10
_MOST_BODY = 8 << 20
_LINGER_S = 1.0
_MOST_WAITING = 32
"""Requests that may wait on one connection before no more is read from it."""


class Connection(asyncio.Protocol):
    """Reads requests by httptools, whose callbacks are the methods that begin with `on_`."""

    def __init__(self, desk: Desk) -> None:
        """Serve a desk."""
        self._desk = desk
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpRequestParser(self)
        self._waiting: deque[Request] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._busy = False
        self._stopped = False
        """No further request is read: the connection closes after the answers that are due."""
        self._full = False
        """The client does not read its answers."""
        self.on_message_begin()
        self._in_head = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by its class

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """Forget what was to be sent."""
        self._stopped = True
        self._waiting.clear()
        if self._timer is not None:
            self._timer.cancel()

    def pause_writing(self) -> None:
        """Begin no answer while the client reads none."""
        self._full = True

    def resume_writing(self) -> None:
        """Go on."""
        self._full = False
        self._go_on()

    def data_received(self, data: bytes) -> None:
        """Parse, and answer what is whole."""
        if self._stopped:
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._give_up(Refused(400, "This is not HTTP/1.1.", code="invalid_request"))
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > _MOST_HEAD:
                self._give_up(Refused(431, "The head is too large.", code="too_large"))
        if len(self._waiting) > _MOST_WAITING:
            self._transport.pause_reading()
        self._go_on()

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._url = b""
        self._authorization = b""
        self._hosts = 0
        self._awaits_100 = False
        self._in_head = True
        self._head_bytes = 0
        """Of a head that has not come whole at once."""
        self._body: list[bytes] = []
        self._body_bytes = 0

    def on_url(self, url: bytes) -> None:
        """Take a part of the target."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep what matters of the head."""
        name = name.lower()
        if name == b"authorization":
            self._authorization = value
        elif name == b"host":
            self._hosts += 1
        elif name == b"expect":
            self._awaits_100 = value.lower() == b"100-continue"

    def on_headers_complete(self) -> None:
        """Let a client go on that asked first, unless an earlier answer is still due."""
        self._in_head = False
        if self._awaits_100 and not (self._busy or self._waiting):
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        """Keep a part of the body, up to a bound."""
        self._body_bytes += len(body)
        if self._body_bytes <= _MOST_BODY:
            self._body.append(body)
        else:
            self._give_up(Refused(413, f"The body is greater than {_MOST_BODY} bytes.", code="too_large"))

    def on_message_complete(self) -> None:
        """Queue a whole request."""
        if self._stopped:
            return
        http_1_1 = self._parser.get_http_version() == "1.1"
        refused = None
        if http_1_1 and self._hosts != 1:
            refused = Refused(400, "There is not one Host header.", code="invalid_request")
        keep_alive = http_1_1 and self._parser.should_keep_alive() and refused is None
        self._queue(b"".join(self._body), refused, http_1_1=http_1_1, keep_alive=keep_alive)

    def _give_up(self, refused: Refused) -> None:
        """Answer what is no good request after those before it, and close."""
        if not self._stopped:
            self._queue(b"", refused, http_1_1=True, keep_alive=False)

    def _queue(self, body: bytes, refused: Refused | None, *, http_1_1: bool, keep_alive: bool) -> None:
        method = self._parser.get_method() if refused is None else b""
        path = self._url.partition(b"?")[0]
        if not path.startswith(b"/") and refused is None:  # as to a proxy
            path = httptools.parse_url(path).path or b""
        self._waiting.append(Request(method, path, self._authorization, body, http_1_1, keep_alive, refused))
        self._stopped = not keep_alive

    def _go_on(self) -> None:
        """Answer requests that wait, one after the other."""
        while self._waiting and not self._busy and not self._full:
            request = self._waiting.popleft()
            if len(self._waiting) == _MOST_WAITING:
                self._transport.resume_reading()
            pieces = self._desk.answer(request)
            if request.method == b"HEAD":
                pieces = tuple((at, data[: data.index(b"\r\n\r\n") + 4]) for at, data in pieces)
            self._busy = True
            self._play(deque(pieces), self._loop.time(), request.keep_alive)

    def _play(self, pieces: deque[tuple[float, bytes]], begun: float, keep_alive: bool) -> None:
        """Send the pieces that are due, and come back for the others."""
        now = self._loop.time() - begun
        while pieces and pieces[0][0] <= now:
            self._transport.write(pieces.popleft()[1])
        if pieces:
            self._timer = self._loop.call_at(begun + pieces[0][0], self._come_back, pieces, begun, keep_alive)
            return
        self._timer = None
        self._busy = False
        if not keep_alive:
            self._end()

    def _end(self) -> None:
        """Say that no more comes; what the client still sends is read, or it might never see the answer."""
        self._transport.write_eof()
        self._loop.call_later(_LINGER_S, self._transport.close)

    def _come_back(self, pieces: deque[tuple[float, bytes]], begun: float, keep_alive: bool) -> None:
        self._play(pieces, begun, keep_alive)
        self._go_on()
