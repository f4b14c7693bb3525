"""Raw-socket servers that do exactly what a test tells them, well or badly, in threads of their own."""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

OK = b"HTTP/1.1 200 OK\r\n"
HELLO = OK + b"Content-Length: 5\r\n\r\nhello"


class Peer:
    """The server's end of one connection."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.settimeout(10)
        self._read = b""

    def request(self) -> bytes:
        """Read one request and return its bytes; b"" where the client has gone."""
        while b"\r\n\r\n" not in self._read:
            more = self.socket.recv(65536)
            if not more:
                return b""
            self._read += more
        head, _, rest = self._read.partition(b"\r\n\r\n")
        lengths = [
            int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")
        ]
        length = sum(lengths)
        while len(rest) < length:
            rest += self.socket.recv(65536)
        self._read = rest[length:]
        return head + b"\r\n\r\n" + rest[:length]

    def send(self, data: bytes) -> None:
        """Send all of it."""
        self.socket.sendall(data)

    def end(self) -> None:
        """Send nothing more (FIN), but go on reading."""
        self.socket.shutdown(socket.SHUT_WR)

    def wait_for_end(self) -> None:
        """Read until the client closes."""
        with contextlib.suppress(OSError):
            while self.socket.recv(65536):
                pass

    def reset(self) -> None:
        """Break the connection (RST)."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


Script = Callable[[Peer], None]


@dataclass
class Server:
    """Plays the scripts, one a connection, the last one again and again."""

    scripts: tuple[Script, ...]
    tls: ssl.SSLContext | None = None
    family: socket.AddressFamily = socket.AF_INET
    accepted: int = 0
    faults: list[BaseException] = field(default_factory=list)
    _threads: list[threading.Thread] = field(default_factory=list)

    def start(self) -> None:
        """Listen on a free port of the loopback."""
        address = "::1" if self.family == socket.AF_INET6 else "127.0.0.1"
        self._listener = socket.create_server((address, 0), family=self.family, backlog=256)
        self.port = int(self._listener.getsockname()[1])
        scheme, host = ("https" if self.tls else "http"), (f"[{address}]" if ":" in address else address)
        self.url = f"{scheme}://{host}:{self.port}"
        self._threads = [threading.Thread(target=self._serve)]
        self._threads[0].start()

    def stop(self) -> None:
        """End; raises what went wrong in a script."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(15)
            assert not thread.is_alive()
        if self.faults:
            raise self.faults[0]

    def _serve(self) -> None:
        while True:
            try:
                connection, _address = self._listener.accept()
            except OSError:
                return
            script = self.scripts[min(self.accepted, len(self.scripts) - 1)]
            self.accepted += 1
            thread = threading.Thread(target=self._play, args=(script, connection))
            self._threads.append(thread)
            thread.start()

    def _play(self, script: Script, connection: socket.socket) -> None:
        try:
            if self.tls is not None:
                connection.settimeout(10)
                connection = self.tls.wrap_socket(connection, server_side=True)
            script(Peer(connection))
        except OSError:
            pass  # the client went away, as many tests want it to
        except BaseException as error:
            self.faults.append(error)
        finally:
            connection.close()


@contextlib.contextmanager
def serving(
    *scripts: Script, tls: ssl.SSLContext | None = None, family: socket.AddressFamily = socket.AF_INET
) -> Iterator[Server]:
    """Run a server for the length of a with-block."""
    server = Server(scripts, tls, family)
    server.start()
    try:
        yield server
    finally:
        server.stop()


@contextlib.contextmanager
def silent_port() -> Iterator[int]:
    """Hold a port on which nobody listens, so that nobody else can."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield int(taken.getsockname()[1])


def replies(*answers: bytes) -> Script:
    """Return a script: one answer a request, then wait until the client closes."""

    def script(peer: Peer) -> None:
        for answer in answers:
            if not peer.request():
                return
            peer.send(answer)
        peer.wait_for_end()

    return script


def replies_and_ends(answer: bytes) -> Script:
    """Return a script: one answer, then the connection's end."""

    def script(peer: Peer) -> None:
        peer.request()
        peer.send(answer)

    return script


class Responder:
    """Answers whatever arrives on any of many connections with the same bytes, from one thread."""

    def __init__(self, answer: bytes = HELLO) -> None:
        self._answer = answer
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self._ender, self._end = socket.socketpair()
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> Responder:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ender.close()
        self._thread.join(10)
        assert not self._thread.is_alive()

    def _serve(self) -> None:
        poll = select.poll()
        peers: dict[int, socket.socket] = {}
        for watched in (self._listener, self._end):
            poll.register(watched, select.POLLIN)
        while True:
            for descriptor, _events in poll.poll():
                if descriptor == self._end.fileno():
                    for open_one in (*peers.values(), self._listener, self._end):
                        open_one.close()
                    return
                if descriptor == self._listener.fileno():
                    peer, _address = self._listener.accept()
                    peers[peer.fileno()] = peer
                    poll.register(peer, select.POLLIN)
                else:
                    self._answer_on(descriptor, peers, poll)

    def _answer_on(self, descriptor: int, peers: dict[int, socket.socket], poll: select.poll) -> None:
        try:
            if peers[descriptor].recv(65536):
                peers[descriptor].sendall(self._answer)
                return
        except OSError:
            pass
        poll.unregister(descriptor)
        peers.pop(descriptor).close()
