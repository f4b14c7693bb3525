"""One connection on the pump: opening, sending, receiving, plainly or by TLS.

Edge-triggered rules, on which everything here rests: an event is said once; `events` keeps it until
the socket has said that there is nothing more (an empty or a short read). A short read settles it only
while the other side has not ended, since the end's event may have been said together with the data's.
"""

from __future__ import annotations

import fcntl
import os
import socket
import ssl
import struct
import termios
from array import array
from errno import EINPROGRESS
from typing import Any, NamedTuple

import gevent.monkey

from harness.loadgen.http import ConnectionEnded, ProtocolError
from harness.loadgen.pump import ENDED, ERR, HUP, OUT, READABLE, Pump
from harness.loadgen.target import Target

_socket: Any = gevent.monkey.get_original("socket", "socket")
_CHUNK = 65536
"""Bytes of a read. A buffer of more is mapped and unmapped by the allocator each time (10 µs)."""
_TCP_INFO_BYTES = 160
_TCP_INFO_FIELDS = (24, 100, 156)
_U32 = struct.Struct("=I")
_waiting = array("i", [0])
"""Where the kernel writes how many bytes wait to be read. `ioctl` copes with bytes, but at twice the cost."""


class Unreachable(OSError):
    """No connection came about."""


class Connection:
    """A plain connection. Not for more than one greenlet."""

    def __init__(self, target: Target, pump: Pump, deadline_ns: int) -> None:
        """Open nothing yet."""
        self.descriptor = -1
        self.events = 0
        self.parked: Any = None
        self.blocked = False
        self.deadline_ns = deadline_ns
        self._target = target
        self._pump = pump
        self._socket: Any = None
        self._unsent: memoryview | None = None
        self._knocks: int | None = None
        """How often the connection's opening had to be sent again; None where that is unknown."""

    def open(self) -> None:
        """Connect to the first address of the target that accepts.

        Raises Unreachable, TimeoutError at the deadline, ssl.SSLError and OSError from a handshake.
        """
        reason = ""
        for family, address in self._target.addresses:
            code = self._connect(family, address)
            if not code:
                told = _told(self._socket)
                self._knocks = None if told is None else told.again
                return
            reason = f"{os.strerror(code)}: {self._target.host}"
            self.close()
        raise Unreachable(reason)

    def close(self) -> None:
        """Close the connection; as often as you like."""
        if self._socket is not None:
            self._pump.forget(self)
            self._socket.close()
            self._socket = None

    def pieces_taken(self) -> int | None:
        """Return how many pieces the other side's kernel has taken; None where that is unknown.

        By our kernel's own count of data segments; a request that fits into one is one piece.
        """
        told = None if self._socket is None else _told(self._socket)
        if told is None or self._knocks is None or told.unacknowledged:
            return None
        return told.sent - (told.again - self._knocks)

    def agreement(self) -> str | None:
        """Return the version of TLS and the cipher suite that both sides agreed on; None without TLS."""
        return None

    def send(self, data: bytes) -> bool:
        """Send; return whether all of it went. What did not is kept for `flush`."""
        try:
            sent = self._socket.send(data)
        except BlockingIOError:
            sent = 0
        if sent == len(data):
            return True
        self._unsent = memoryview(data)[sent:]
        return False

    def flush(self) -> bool:
        """Send more of what is left over; return whether that was all."""
        while self._unsent is not None and len(self._unsent):
            try:
                self._unsent = self._unsent[self._socket.send(self._unsent) :]
            except BlockingIOError:
                return False
        self._unsent = None
        return True

    def receive(self) -> bytes:
        """Return the next bytes once there are some; b"" where the other side has ended."""
        while True:
            if self.events & READABLE and (chunk := self._read()) is not None:
                return chunk
            self._pump.wait(self)

    def take(self) -> bytes | None:
        """Return what is there, at most one read; b"" where the other side has ended, None for nothing."""
        return self._read()

    def _read(self) -> bytes | None:
        """`take` of what is on the wire."""
        try:
            chunk: bytes = self._socket.recv(_CHUNK)
        except BlockingIOError:
            self.events &= ~READABLE
            return None
        if len(chunk) < _CHUNK and not self.events & ENDED:
            self.events &= ~READABLE
        return chunk

    def wait_to_send(self) -> None:
        """Wait for news while something is left to be sent."""
        self.blocked = True
        try:
            self._pump.wait(self)
        finally:
            self.blocked = False

    def breathe(self) -> None:
        """Let other users run where this one has received for long without a pause."""
        self._pump.breathe(self)

    def expect_silence(self) -> None:
        """See that nothing came since the last answer.

        Raises ProtocolError where something did, ConnectionEnded where the other side has ended, and
        OSError where the connection broke. The kernel is asked, too: what came in this very moment has
        not passed through the pump yet, and would be taken for the next answer.
        """
        fcntl.ioctl(self.descriptor, termios.FIONREAD, _waiting)
        if _waiting[0] or self.events & READABLE or self._pump.blind:
            chunk = self.take()
            if chunk:
                raise ProtocolError(f"{len(chunk)} bytes that nobody asked for")
            if chunk is not None:
                raise ConnectionEnded("between two requests")

    def check_ending(self) -> None:
        """Raise ssl.SSLError where the connection's end was none that may complete an answer."""

    def _connect(self, family: int, address: Any) -> int:
        """Return 0, or why no connection came about, as an errno."""
        try:
            self._socket = _socket(family, socket.SOCK_STREAM)
        except OSError as error:
            return error.errno or 1
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.descriptor, self.events = self._socket.fileno(), 0
        code: int = self._socket.connect_ex(address)
        if code not in (0, EINPROGRESS):
            return code
        self._pump.add(self)
        while not self.events & (OUT | ERR | HUP):
            self.wait_to_send()
        return int(self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))


class _Told(NamedTuple):
    """What the kernel says of a TCP socket: tcpi_unacked, tcpi_total_retrans and tcpi_data_segs_out.

    What was sent again is among the data segments, but for a SYN, which is no data.
    """

    unacknowledged: int
    again: int
    sent: int


def _told(plain: Any) -> _Told | None:
    """Return it from Linux's `struct tcp_info` (include/uapi/linux/tcp.h), 32 bits each; None elsewhere."""
    try:
        info = plain.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_BYTES)
    except (AttributeError, OSError):
        return None
    if len(info) < _TCP_INFO_BYTES:  # an old kernel's
        return None
    return _Told(*(int(_U32.unpack_from(info, at)[0]) for at in _TCP_INFO_FIELDS))


class TlsConnection(Connection):
    """The same by TLS, with the cipher in memory: OpenSSL never sees the socket."""

    def __init__(self, target: Target, pump: Pump, deadline_ns: int) -> None:
        """Open nothing yet; `target.tls` is set."""
        super().__init__(target, pump, deadline_ns)
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        assert target.tls is not None
        self._tls = target.tls.wrap_bio(self._incoming, self._outgoing, server_hostname=target.name)
        self._torn = False

    def open(self) -> None:
        """Connect and shake hands; see `Connection.open`."""
        super().open()
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                self._push()
                self._pull()
            except ssl.SSLError:
                super().send(self._outgoing.read())  # the alert that tells the other side why
                raise
            else:
                self._push()
                return

    def pieces_taken(self) -> int | None:
        """Return None: the handshake's pieces are no requests."""
        return None

    def agreement(self) -> str | None:
        """Return both; see `Connection.agreement`."""
        cipher = self._tls.cipher()
        return f"{self._tls.version()} {cipher[0]}" if cipher else None

    def send(self, data: bytes) -> bool:
        """Encrypt and send; see `Connection.send`."""
        self._tls.write(data)
        return super().send(self._outgoing.read())

    def receive(self) -> bytes:
        """Return the next bytes once there are some: perhaps deciphered ones of an earlier read."""
        while True:
            chunk = self.take()
            if chunk is not None:
                return chunk
            self._pump.wait(self)

    def take(self) -> bytes | None:
        """Return what is there, deciphered; see `Connection.take`."""
        while True:
            try:
                return self._tls.read(_CHUNK)
            except ssl.SSLWantReadError:
                pass
            except ssl.SSLEOFError:  # the transport ended without TLS's own farewell
                self._torn = True
                return b""
            raw = self._read()
            if raw is None:
                return None
            self._put(raw)

    def expect_silence(self) -> None:
        """See that nothing came but TLS's own messages; see `Connection.expect_silence`."""
        if self._tls.pending() or self._incoming.pending:
            self.events |= READABLE
        super().expect_silence()

    def check_ending(self) -> None:
        """Refuse an end without farewell: anyone on the way can cut an answer short like that."""
        if self._torn:
            raise ssl.SSLError("the connection ended without close_notify")

    def _push(self) -> None:
        """Send all that TLS has to say, waiting for room."""
        done = super().send(self._outgoing.read())
        while not done:
            self.wait_to_send()
            done = self.flush()

    def _pull(self) -> None:
        """Wait for more of what TLS has to be told."""
        raw = self._read()
        while raw is None:
            self._pump.wait(self)
            raw = self._read()
        self._put(raw)

    def _put(self, raw: bytes) -> None:
        if raw:
            self._incoming.write(raw)
        else:
            self._incoming.write_eof()
