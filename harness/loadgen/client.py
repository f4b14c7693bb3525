"""One user's HTTP client: sends a request, waits on the pump, checks and records the answer.

Nothing is ever sent twice. A lost connection is one counted error; the next request opens, and
counts, a new connection. Redirects are answers like others, cookies are not kept, and a compressed body
is left as it is. Each error is of one of `KINDS`.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TypedDict, Unpack, cast

import gevent

from harness.loadgen.connection import Connection, TlsConnection, Unreachable
from harness.loadgen.expect import Expect, Expected, expect_json, expectation
from harness.loadgen.http import ConnectionEnded, ProtocolError, Reading, Response, read_whole
from harness.loadgen.pump import READABLE, Pump
from harness.loadgen.recorder import Recorder
from harness.loadgen.request import asks_to_close, build_request, plain_request
from harness.loadgen.target import target_of

__all__ = ["KINDS", "OK", "Client", "Expect", "Options", "Response", "expect_json"]

KINDS = MappingProxyType(
    {
        "status": "a whole answer with another status than was due; the connection stays",
        "body": "a whole answer that did not pass its check; the connection stays",
        "timeout": "no whole answer within the time-out; the connection is closed",
        "refused": "no connection came about: refused, unreachable, no descriptor or port left",
        "reset": "the other side, or the network, broke the connection",
        "closed": "the other side ended the connection before its answer was whole, or between requests",
        "protocol": "what came is no HTTP/1.1 response, or nobody asked for it; the connection is closed",
        "tls": "the handshake failed, the certificate is not trusted, or TLS was broken off",
    }
)
"""The kinds of errors. Except for `status` and `body`, the next request opens a new connection."""

OK = Expect()
_now_ns = time.monotonic_ns
_ONE_PIECE = 1200
"""Bytes of a request that fits into one segment on any way."""
_AFTER_FAILURE_S = 0.1
"""A pause after a connection that did not come about, so that a dead SUT is not hammered."""


class Content(TypedDict, total=False):
    """What a request may carry."""

    json: object
    """Sent as JSON with its content type; None means no body."""
    data: bytes | str | None
    headers: Mapping[str, str] | None


class Options(Content, total=False):
    """What a request may be given."""

    name: str | None
    """What the request is counted as; by default the method and the path."""
    expect: Expected
    """By default the status 200."""
    timeout: float | None
    """In seconds, connecting included; by default the user's."""


class Client:
    """HTTP/1.1 to one server over one connection at a time. Not for more than one greenlet."""

    def __init__(
        self,
        base_url: str | None,
        pump: Pump,
        recorder: Recorder,
        user: int,
        timeout_s: float,
        ca_file: str | None = None,
    ) -> None:
        """Open nothing yet; see `target_of` for `base_url`, `ca_file` and the UsageError."""
        self._target = target_of(base_url, ca_file)
        self._pump = pump
        self._recorder = recorder
        self._user = user
        self._timeout_s = timeout_s
        self._timeout_ns = int(timeout_s * 1e9)
        self._connection: Connection | None = None
        self.sent_ns: int | None = None
        """When the request in flight was sent; None where none is."""
        self.intended_ns: int | None = None
        """When the next request was meant to be sent; None where it follows no schedule."""
        self.was_idle = False
        """Whether the user waited for that moment, rather than still for an answer."""
        self.on_answer: Callable[[str, int, Response], None] | None = None
        """Called with the name, the response time in ns, and an answer that is as it has to be."""

    def get(self, path: str, **options: Unpack[Options]) -> Response | None:
        """GET; see `request`."""
        return self._ask("GET", path, options)

    def head(self, path: str, **options: Unpack[Options]) -> Response | None:
        """HEAD; see `request`."""
        return self._ask("HEAD", path, options)

    def post(self, path: str, **options: Unpack[Options]) -> Response | None:
        """POST; see `request`."""
        return self._ask("POST", path, options)

    def put(self, path: str, **options: Unpack[Options]) -> Response | None:
        """PUT; see `request`."""
        return self._ask("PUT", path, options)

    def patch(self, path: str, **options: Unpack[Options]) -> Response | None:
        """PATCH; see `request`."""
        return self._ask("PATCH", path, options)

    def delete(self, path: str, **options: Unpack[Options]) -> Response | None:
        """DELETE; see `request`."""
        return self._ask("DELETE", path, options)

    def request(self, method: str, path: str, **options: Unpack[Options]) -> Response | None:
        """Send one request, check and count its answer under `name` (else `METHOD path`), return it.

        None where no whole answer came; that is counted too, so a scenario may ignore it. The time
        counts from just before the first byte is sent (a reconnect included) to the last byte's arrival.
        Raises TypeError and ValueError for arguments that make no request; then nothing was sent.
        """
        return self._ask(method, path, options)

    def _ask(self, method: str, path: str, options: Options) -> Response | None:
        """`request`; the options stay one dict, since handing them on one by one takes twice as long."""
        name = options.pop("name", None)
        expect = options.pop("expect", OK)
        timeout = options.pop("timeout", None)
        target = self._target
        if not options and type(path) is str:
            payload, label = plain_request(method, target.host, target.prefix, path)
            closes = False
        else:
            full = target.prefix + path if isinstance(path, str) else path
            payload = build_request(method, target.host, full, **cast(Content, options))
            label = f"{method} {path}"
            closes = asks_to_close(options.get("headers"))
        due = expect if type(expect) is Expect else expectation(expect)
        timeout_ns = self._timeout_ns if timeout is None else _nanoseconds(timeout)
        sent_ns = intended_ns = self.sent_ns = _now_ns()
        if self.intended_ns is not None:
            intended_ns = self._intended(sent_ns)
        response: Response | None = None
        try:
            response = self._exchange(payload, method, sent_ns + timeout_ns)
            ended_ns = _now_ns()
            if ended_ns - sent_ns > timeout_ns:
                raise TimeoutError
            if closes or not response.keep_alive:
                self.close()
            complaint = due.complaint(response)
        except (OSError, ConnectionEnded, ProtocolError) as error:
            ended_ns = _now_ns()
            complaint = _told(error, timeout_ns)
            response = None
            self.close(early=True)
        except BaseException:  # killed while it waited: the answer must not become the next request's
            self.give_up(_now_ns())
            self.close(early=True)
            raise
        self.sent_ns = None
        label = name or label
        if complaint is None:
            assert response is not None, "else there is a complaint"
            self._recorder.answered(self._user, label, intended_ns, sent_ns, ended_ns, None)
            self._pass_on(label, due, intended_ns, ended_ns, response)
            return response
        self._recorder.failed(self._user, label, intended_ns, sent_ns, ended_ns, *complaint)
        if complaint[0] in ("refused", "tls"):
            gevent.sleep(_AFTER_FAILURE_S)
            self._recorder.thought(ended_ns, _now_ns())
        return response

    def _pass_on(self, label: str, due: Expect, intended_ns: int, ended_ns: int, response: Response) -> None:
        """Count what an answer says of itself, and hand it to whoever listens."""
        if due.counts is not None:
            self._recorder.mark(ended_ns, response.headers.get(due.counts))
        if self.on_answer is not None:
            self.on_answer(label, ended_ns - intended_ns, response)

    def close(self, *, early: bool = False) -> None:
        """Close the connection where there is one; `early`, whatever may still be on its way."""
        if self._connection is not None:
            self.count_delivered(known=not early)
            self._connection.close()
            self._connection = None

    def count_delivered(self, *, known: bool = True) -> None:
        """Count, once for a connection, what the other side's kernel has taken of it."""
        if self._connection is not None:
            self._recorder.add_delivered(self._connection.pieces_taken() if known else None)

    def give_up(self, now_ns: int) -> None:
        """Count the request in flight, if there is one, as never answered; once."""
        if self.sent_ns is not None:
            self._recorder.gave_up(self.sent_ns, now_ns)
            self.sent_ns = None

    def _intended(self, sent_ns: int) -> int:
        """Return, once, the moment at which the request that is sent now was meant to be sent."""
        assert self.intended_ns is not None
        intended_ns, self.intended_ns = self.intended_ns, None
        if self.was_idle:
            self._recorder.sent_when_idle(intended_ns, sent_ns)
        return intended_ns

    def _exchange(self, payload: bytes, method: str, deadline_ns: int) -> Response:
        connection = self._connection
        if connection is None:
            connection = self._open(deadline_ns)
        else:
            connection.deadline_ns = deadline_ns
            connection.expect_silence()
        self._recorder.sent += 1
        if len(payload) > _ONE_PIECE:
            self._recorder.add_delivered(None)
        if not connection.send(payload):
            return _send_on(connection, Reading(method))
        data = connection.receive()
        response = read_whole(data, method)
        return _read_on(connection, Reading(method), data) if response is None else response

    def _open(self, deadline_ns: int) -> Connection:
        kind = Connection if self._target.tls is None else TlsConnection
        connection = self._connection = kind(self._target, self._pump, deadline_ns)
        connection.open()
        self._recorder.opened(connection.agreement())
        return connection


def _read_on(connection: Connection, reading: Reading, data: bytes) -> Response:
    """Read until the answer is whole; `data` came already."""
    while True:
        if not data:
            return _ended(connection, reading)
        response = reading.feed(data)
        if response is not None:
            return response
        connection.breathe()
        data = connection.receive()


def _ended(connection: Connection, reading: Reading) -> Response:
    """Return the answer that the connection's end completes."""
    response = reading.end()
    connection.check_ending()
    return response


def _send_on(connection: Connection, reading: Reading) -> Response:
    """Send the rest of a request, and read meanwhile: the answer may come before all is sent.

    Then the rest is not sent and the connection carries nothing else.
    """
    while True:
        try:
            if connection.flush():
                return _read_on(connection, reading, connection.receive())
        except (BrokenPipeError, ConnectionResetError) as broken:
            return _last_words(connection, reading, broken)
        while connection.events & READABLE:
            data = connection.take()
            if data is None:
                break
            response = reading.feed(data) if data else _ended(connection, reading)
            if response is not None:
                response.keep_alive = False
                return response
            connection.breathe()
        connection.wait_to_send()


def _last_words(connection: Connection, reading: Reading, broken: OSError) -> Response:
    """Return the answer that came before the other side closed; raises `broken` where none did."""
    try:
        response = _read_on(connection, reading, connection.receive())
    except (ConnectionResetError, ConnectionEnded):
        raise broken from None
    response.keep_alive = False
    return response


def _nanoseconds(seconds: float) -> int:
    if not isinstance(seconds, (int, float)) or not 0 < seconds < 1e9:
        raise ValueError(f"timeout is a positive number of seconds, not {seconds!r:.80}")
    return int(seconds * 1e9)


def _told(error: Exception, timeout_ns: int) -> tuple[str, str]:
    """Return the kind of an error and its words."""
    if isinstance(error, TimeoutError):
        return "timeout", f"no whole answer within {timeout_ns / 1e9:g} s"
    if isinstance(error, Unreachable):
        return "refused", str(error)
    if isinstance(error, ssl.SSLError):
        return "tls", str(error)
    if isinstance(error, ConnectionEnded):
        return "closed", f"the other side ended the connection {error}"
    return ("protocol" if isinstance(error, ProtocolError) else "reset"), str(error)
