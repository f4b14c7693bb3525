"""One user's connection: sends a request, waits on the pump, checks and records the answer.

Nothing is ever sent twice. A lost connection is one counted error; the next request opens, and
counts, a new connection.
"""

from __future__ import annotations

import json as json_codec
import socket
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import gevent
import gevent.monkey

from harness.ground.errors import UsageError
from harness.loadgen.http import ProtocolError, Response, build_request, parse
from harness.loadgen.pump import Pump
from harness.loadgen.recorder import Recorder

_socket: Any = gevent.monkey.get_original("socket", "socket")
_now_ns = time.monotonic_ns
_CHUNK = 262_144
_AFTER_REFUSAL_S = 0.1
"""A pause after a connection that failed, so that a dead SUT is not hammered."""
_REMEMBERED = 4096


class Expect:
    """What an answer has to be: a status, and a check that returns a complaint or None.

    An answer whose bytes passed the check before passes it again without being read twice, so that
    checking every body costs a look-up. A check must therefore depend on the response alone.
    """

    def __init__(self, status: int = 200, check: Callable[[Response], str | None] | None = None) -> None:
        self.status = status
        self._check = check
        self._passed: set[bytes] = set()

    def complaint(self, response: Response) -> tuple[str, str] | None:
        """Return the kind of error and its words, None where all is as it has to be."""
        if response.status != self.status:
            return "status", f"{response.status} where {self.status} was due: {response.text[:200]}"
        if self._check is None or response.body in self._passed:
            return None
        try:
            words = self._check(response)
        except (ValueError, KeyError, TypeError, IndexError) as error:
            words = f"{type(error).__name__}: {error}"
        if words is not None:
            return "body", words
        if len(self._passed) < _REMEMBERED:
            self._passed.add(response.body)
        return None


def expect_json(value: object, status: int = 200) -> Expect:
    """Return an Expect of exactly this JSON value."""

    def check(response: Response) -> str | None:
        found = response.json()
        return None if found == value else f"{found!r:.200} where {value!r:.200} was due"

    return Expect(status, check)


OK = Expect()


class Client:
    """HTTP/1.1 to one host over one connection. Not for more than one greenlet."""

    def __init__(self, base_url: str, pump: Pump, recorder: Recorder, user: int, timeout_s: float) -> None:
        """Open nothing yet; raises UsageError where `base_url` is not `http://host[:port]`."""
        parts = urlsplit(base_url)
        if parts.scheme != "http" or not parts.hostname:
            raise UsageError(f"{base_url!r} is no http:// address", where="--host")
        self._address = (parts.hostname, parts.port or 80)
        self._family = socket.AF_INET6 if ":" in parts.hostname else socket.AF_INET
        self._host = parts.netloc
        self._pump = pump
        self._recorder = recorder
        self._user = user
        self._timeout_ns = int(timeout_s * 1e9)
        self._socket: Any = None
        self._descriptor = -1
        self._built: dict[tuple[str, str], bytes] = {}
        self.deadline_ns = 0
        self.greenlet: Any = None
        self.timed_out = False
        self.sent_ns: int | None = None
        """When the request in flight was sent; None where none is."""
        self.intended_ns: int | None = None
        """When the next request was meant to be sent; None where it follows no schedule."""
        self.was_idle = False
        """Whether the user waited for that moment, rather than still for an answer."""

    def get(self, path: str, **options: Any) -> Response | None:
        """GET; see `request`."""
        return self.request("GET", path, **options)

    def head(self, path: str, **options: Any) -> Response | None:
        """HEAD; see `request`."""
        return self.request("HEAD", path, **options)

    def post(self, path: str, **options: Any) -> Response | None:
        """POST; see `request`."""
        return self.request("POST", path, **options)

    def put(self, path: str, **options: Any) -> Response | None:
        """PUT; see `request`."""
        return self.request("PUT", path, **options)

    def patch(self, path: str, **options: Any) -> Response | None:
        """PATCH; see `request`."""
        return self.request("PATCH", path, **options)

    def delete(self, path: str, **options: Any) -> Response | None:
        """DELETE; see `request`."""
        return self.request("DELETE", path, **options)

    def request(
        self,
        method: str,
        path: str,
        *,
        json: object = None,
        data: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        name: str | None = None,
        expect: Expect = OK,
    ) -> Response | None:
        """Send one request, check and count its answer under `name` (else `METHOD path`), return it.

        None where no answer came; that is counted too, so a scenario may ignore it. The time counts
        from just before the first byte is sent (a reconnect included) to the last byte's arrival.
        """
        payload = self._payload(method, path, json, data, headers)
        self._recorder.sent += 1
        sent_ns = self.sent_ns = _now_ns()
        intended_ns = sent_ns
        if self.intended_ns is not None:
            intended_ns, self.intended_ns = self.intended_ns, None
            if self.was_idle:
                self._recorder.sent_when_idle(intended_ns, sent_ns)
        self.deadline_ns = sent_ns + self._timeout_ns
        response: Response | None = None
        complaint: tuple[str, str] | None
        try:
            response = self._exchange(payload, method)
            ended_ns = _now_ns()
            complaint = expect.complaint(response)
        except TimeoutError:
            ended_ns = _now_ns()
            complaint = ("timeout", f"no whole answer within {self._timeout_ns / 1e9:g} s")
        except ConnectionRefusedError as error:
            ended_ns = _now_ns()
            complaint = ("refused", str(error))
        except OSError as error:
            ended_ns = _now_ns()
            complaint = ("reset", str(error))
        except ProtocolError as error:
            ended_ns = _now_ns()
            complaint = ("closed" if str(error) == "closed" else "protocol", str(error))
        self.sent_ns = None
        label = name or f"{method} {path}"
        if complaint is None:
            self._recorder.answered(self._user, label, intended_ns, sent_ns, ended_ns, None)
            return response
        self._recorder.failed(self._user, label, intended_ns, sent_ns, ended_ns, *complaint)
        if response is None:
            self.close()
        if complaint[0] == "refused":
            gevent.sleep(_AFTER_REFUSAL_S)
            self._recorder.thought(ended_ns, _now_ns())
        return response

    def close(self) -> None:
        """Close the connection where there is one."""
        if self._socket is not None:
            self._pump.forget(self._descriptor)
            self._socket.close()
            self._socket = None

    def _payload(
        self, method: str, path: str, json: object, data: bytes | None, headers: Mapping[str, str] | None
    ) -> bytes:
        if json is None and data is None and headers is None:
            built = self._built.get((method, path))
            if built is None:
                built = build_request(method, self._host, path, None, None)
                if len(self._built) < _REMEMBERED:
                    self._built[method, path] = built
            return built
        if json is not None:
            data = json_codec.dumps(json).encode()
            headers = {"Content-Type": "application/json", **(headers or {})}
        return build_request(method, self._host, path, headers, data)

    def _exchange(self, payload: bytes, method: str) -> Response:
        if self._socket is not None and self._pump.stirred(self._descriptor):
            self._refuse_unasked()
        if self._socket is None:
            self._connect()
        self._send(payload)
        received = b""
        full = False
        while True:
            if not full:  # edge-triggered: only an emptied socket announces what comes next
                self._wait()
            chunk, ended = self._receive()
            full = len(chunk) == _CHUNK
            received = received + chunk if received else chunk
            parsed = parse(received, method, ended) if received or ended else None
            if parsed is None:
                continue
            response, used = parsed
            if used != len(received):
                raise ProtocolError(f"{len(received) - used} bytes after the answer")
            if ended or not response.keep_alive:
                self.close()
            return response

    def _connect(self) -> None:
        connection = _socket(self._family, socket.SOCK_STREAM)
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = connection
        self._descriptor = connection.fileno()
        self._recorder.connections_opened += 1
        connection.connect_ex(self._address)
        self._pump.add(self._descriptor)
        self._wait()
        error = connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error == 111:
            raise ConnectionRefusedError(error, f"{self._host} refuses connections")
        if error:
            raise OSError(error, f"connecting to {self._host}")

    def _send(self, payload: bytes) -> None:
        sent = 0
        while True:
            try:
                sent += self._socket.send(payload[sent:] if sent else payload)
            except BlockingIOError:
                self._wait()
            if sent == len(payload):
                return

    def _receive(self) -> tuple[bytes, bool]:
        """Return what is there, and whether the other side has ended."""
        try:
            chunk: bytes = self._socket.recv(_CHUNK)
        except BlockingIOError:
            return b"", False
        return chunk, not chunk

    def _wait(self) -> None:
        if not self._pump.wait(self._descriptor, self):
            raise TimeoutError

    def _refuse_unasked(self) -> None:
        """Raise ProtocolError where the other side sent something, or ended, between two requests."""
        chunk, ended = self._receive()
        if chunk:
            raise ProtocolError(f"{len(chunk)} bytes that nobody asked for")
        if ended:
            raise ProtocolError("closed")
