"""The smallest honest closed-loop client: one epoll, one connection a user, the same barrier as webdyno's.

    python benchmarks/raw_epoll.py http://127.0.0.1:8000/json CONNECTIONS WARMUP_S WINDOW_S

It stands in for wrk where wrk is no reference: with many connections some servers leave those unserved
that do not begin together. Prints one JSON object; times in ms.
"""

from __future__ import annotations

import json
import select
import socket
import sys
import time
from urllib.parse import urlsplit


def request(host: str, path: str) -> bytes:
    """Return a request's bytes, the same as webdyno sends."""
    lines = (f"GET {path} HTTP/1.1", f"Host: {host}", "User-Agent: webdyno", "Accept: */*")
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


class Connection:
    """One user."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.socket = socket.create_connection(address)
        self.socket.setblocking(False)
        self.received = b""
        self.sent_s = 0.0

    def send(self, data: bytes) -> None:
        """Send a request, small enough for the socket's buffer."""
        self.sent_s = time.perf_counter()
        self.socket.send(data)

    def complete(self) -> bool:
        """Read what is there; tell whether the response is whole. Its length must be given."""
        self.received += self.socket.recv(262_144)
        head, blank, body = self.received.partition(b"\r\n\r\n")
        if not blank:
            return False
        assert head.startswith(b"HTTP/1.1 200"), head
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
        if len(body) < length:
            return False
        self.received = b""
        return True


def drive(url: str, count: int, warmup_s: float, window_s: float) -> list[float]:
    """Return the service times in s of the requests that ended in the window."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    address = (parts.hostname, parts.port)
    poll = select.epoll()
    users = {}
    for _ in range(count):
        user = Connection(address)
        users[user.socket.fileno()] = user
        poll.register(user.socket.fileno(), select.EPOLLIN)
        user.send(request(parts.netloc, "/healthz"))
    waiting = set(users)
    while waiting:  # the barrier: nobody loops until all have been answered once
        for descriptor, _ in poll.poll():
            if users[descriptor].complete():
                waiting.discard(descriptor)
    ask = request(parts.netloc, parts.path)
    start_s = time.perf_counter() + warmup_s
    end_s = start_s + window_s
    for user in users.values():
        user.send(ask)
    times: list[float] = []
    while (now_s := time.perf_counter()) < end_s:
        for descriptor, _ in poll.poll(0.1, 64):
            user = users[descriptor]
            if user.complete():
                now_s = time.perf_counter()
                if start_s <= now_s < end_s:
                    times.append(now_s - user.sent_s)
                user.send(ask)
    return times


def main() -> None:
    """Drive, and print rate and percentiles (nearest rank)."""
    url, count, warmup_s, window_s = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4])
    times = sorted(drive(url, count, warmup_s, window_s))
    at = {f"p{p}_ms": 1000 * times[max(0, -(-len(times) * p // 100) - 1)] for p in (50, 99)}
    print(json.dumps({"requests_per_s": len(times) / window_s, **at}))


if __name__ == "__main__":
    main()
