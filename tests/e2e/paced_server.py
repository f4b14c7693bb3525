"""A server whose times are known: for tests of the load generator. Standard library only.

    paced_server.py PORT_FILE HOST plateaus          answers after 10, 20, 50 or 200 ms, by a fixed list
    paced_server.py PORT_FILE HOST stall AT FOR      stops for FOR seconds, AT seconds after its first request

`GET /healthz` is answered at once; `GET /answered` tells how many other requests were, `GET /stalled` for how
many seconds it really stopped.
"""

import asyncio
import random
import sys
import time
from pathlib import Path

PLATEAUS_MS = {10: 0.50, 20: 0.40, 50: 0.09, 200: 0.01}
"""Service times and their shares."""
BODY = b'{"message":"Hello, World!"}'


def reply(body: bytes = BODY) -> bytes:
    """Return a whole response."""
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body


class Paced(asyncio.Protocol):
    """One connection; a request is one packet here."""

    answered = 0
    first_s: float | None = None
    stalled_s = 0.0
    mode = ""
    stall = (0.0, 0.0)
    sleeps: tuple[int, ...] = ()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer, now or later."""
        if not data.strip():  # empty lines before a request are passed over
            return
        path = data.split(b" ", 2)[1]
        if path == b"/healthz":
            self.transport.write(reply())
        elif path == b"/answered":
            self.transport.write(reply(b"%d" % Paced.answered))
        elif path == b"/stalled":
            self.transport.write(reply(b"%f" % Paced.stalled_s))
        elif Paced.mode == "plateaus":
            sleep_ms = Paced.sleeps[Paced.answered % len(Paced.sleeps)]
            Paced.answered += 1
            asyncio.get_running_loop().call_later(sleep_ms / 1000, self.transport.write, reply())
        else:
            self.stall_once()
            Paced.answered += 1
            self.transport.write(reply())

    @staticmethod
    def stall_once() -> None:
        """Stop the whole process once it is time."""
        now = time.monotonic()
        if Paced.first_s is None:
            Paced.first_s = now
        at_s, for_s = Paced.stall
        if not Paced.stalled_s and now - Paced.first_s >= at_s:
            time.sleep(for_s)
            Paced.stalled_s = time.monotonic() - now


async def serve(port_file: Path, host: str) -> None:
    """Serve until the process is ended."""
    server = await asyncio.get_running_loop().create_server(Paced, host, 0, backlog=1024)
    aside = port_file.with_suffix(".new")
    aside.write_text(str(server.sockets[0].getsockname()[1]))
    aside.rename(port_file)
    await server.serve_forever()


if __name__ == "__main__":
    Paced.mode = sys.argv[3]
    if Paced.mode == "stall":
        Paced.stall = (float(sys.argv[4]), float(sys.argv[5]))
    listed = [ms for ms, share in PLATEAUS_MS.items() for _ in range(round(1000 * share))]
    random.Random(1).shuffle(listed)
    Paced.sleeps = tuple(listed)
    asyncio.run(serve(Path(sys.argv[1]), sys.argv[2]))
