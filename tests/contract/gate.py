"""A way to a server that can be shut, or lead nowhere."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from served import free_port


class Gate:
    """Listens on a port of 127.0.0.1 and hands everything on to a server, and back."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        assert parts.port is not None
        self._behind = ("127.0.0.1", parts.port)
        self.port = free_port()  # which nobody else is given while the gate is shut
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self.url = url.replace(f":{parts.port}", f":{self.port}")
        """The server's URL by way of this gate."""
        self._stuck = False
        self._open: list[socket.socket] = []
        self._accept_from(self._listener)

    def shut(self) -> None:
        """Refuse whoever comes, and end what is open."""
        _close(self._listener)
        while self._open:
            _close(self._open.pop())

    def stick(self) -> None:
        """Let everybody in, and nothing through."""
        self._stuck = True

    def open(self) -> None:
        """Be an open way again; those who were stuck are let go."""
        self.shut()
        self._stuck = False
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self._accept_from(self._listener)

    def _accept_from(self, listener: socket.socket) -> None:
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):  # it is closed
            while True:
                near, _ = listener.accept()
                far = socket.create_connection(self._behind)
                self._open += (near, far)
                if listener.fileno() < 0:  # it was shut meanwhile
                    _close(near)
                    _close(far)
                for pair in ((near, far), (far, near)):
                    threading.Thread(target=self._carry, args=pair, daemon=True).start()

    def _carry(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                if not self._stuck:
                    sink.sendall(data)
        _close(source)
        _close(sink)


def _close(one: socket.socket) -> None:
    with contextlib.suppress(OSError):  # wakes whoever reads from it, which close() alone does not
        one.shutdown(socket.SHUT_RDWR)
    one.close()


@contextmanager
def gate_to(url: str) -> Iterator[Gate]:
    """Yield an open gate to where a URL points."""
    gate = Gate(url)
    try:
        yield gate
    finally:
        gate.shut()
