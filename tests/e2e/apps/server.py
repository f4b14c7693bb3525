"""A server of the standard library alone that keeps the contract of `hello`, until it is told not to.

Each option is one way to fail; the variants of this folder are one way each. It counts requests of
`GET /json` only, so that a check of the contract does not wear it out.
"""

import argparse
import asyncio
import json
import os
import ssl
import subprocess
import sys
import time

PAUSE_S = 0.01
"""Before each answer, so that few users can't keep the generator busy."""
LONG_S = 3.0
"""Longer than a test's warm-up and window together."""
KNOWN = {"/healthz": {"status": "ok"}, "/json": {"message": "Hello, World!"}}


class Server:
    """Answers requests over connections that stay open."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.greetings = 0
        self.hoard: list[bytes] = []
        self.connections = 0
        self.first_s = 0.0
        self.free_s = 0.0
        self.worker = work() if options.restart_after >= 0 else None

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection's requests until it closes."""
        self.connections += 1
        starving = self.options.starve and self.connections % 2 == 0
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                lines = head.decode("latin-1").lstrip().split("\r\n")  # empty lines before are none
                method, target, _ = lines[0].split(" ")
                headers = dict(line.lower().split(": ", 1) for line in lines[1:] if line)
                await reader.readexactly(int(headers.get("content-length", "0")))
                path = target.partition("?")[0]
                await asyncio.sleep(LONG_S if starving and path == "/json" else self.pause_s())
                if path == "/json" and self.options.service_s:
                    await asyncio.sleep(self.turn_s())
                writer.write(self.answer(method, path))
                await writer.drain()
                if 0 <= self.options.drop_after < self.greetings:
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def answer(self, method: str, path: str) -> bytes:
        """Return the whole response."""
        if path not in KNOWN:
            return respond(method, "404 Not Found", problem("not_found"))
        if method not in ("GET", "HEAD"):
            refused = problem("method_not_allowed")
            return respond(method, "405 Method Not Allowed", refused, "allow: GET, HEAD\r\n")
        if path == "/json" and self.misbehaves():
            return respond(method, "200 OK", {"message": "Hello, Word!"})
        return respond(method, "200 OK", KNOWN[path])

    def pause_s(self) -> float:
        """Return the pause before an answer."""
        late = self.greetings and time.monotonic() - self.first_s > self.options.slow_after_s
        return float(2 * self.options.pause_s if late else self.options.pause_s)

    def turn_s(self) -> float:
        """Return how long a request waits until all before it were served, one at a time, and it is."""
        now = time.monotonic()
        self.free_s = max(self.free_s, now) + self.options.service_s
        return self.free_s - now

    def misbehaves(self) -> bool:
        """Fail as the options ask; return whether the answer is to be wrong."""
        if not self.greetings:
            self.first_s = time.monotonic()
        self.greetings += 1
        options = self.options
        if self.worker is not None and self.greetings == options.restart_after:
            self.worker.kill()
            self.worker.wait()
            self.worker = work()
        if 0 <= options.crash_after < self.greetings:
            sys.stderr.write("crashing, as asked\n")
            os._exit(7)
        if 0 <= options.hoard_after < self.greetings:
            self.hoard.append(os.urandom(1 << 20) * 16)
        return bool(0 <= options.lie_after < self.greetings)


def work() -> subprocess.Popen[bytes]:
    """Start a worker, which does nothing."""
    return subprocess.Popen((sys.executable, "-c", "import time; time.sleep(600)"))


def problem(code: str) -> dict[str, object]:
    """Return the body that every error has."""
    return {"status": "error", "code": code, "message": "No.", "details": []}


def respond(method: str, status: str, body: object, more: str = "") -> bytes:
    """Return a response's bytes; HEAD has none of the body's."""
    content = json.dumps(body).encode()
    head = (
        f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\n{more}content-length: {len(content)}\r\n\r\n"
    )
    return head.encode() + (b"" if method == "HEAD" else content)


async def serve(options: argparse.Namespace) -> None:
    """Listen until the end."""
    tls = None
    if options.tls is not None:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(*options.tls)
        tls.maximum_version = ssl.TLSVersion[options.tls_at_most]
    server = await asyncio.start_server(
        Server(options).converse, options.host, options.port, backlog=4096, ssl=tls
    )
    async with server:
        await server.serve_forever()


def main() -> None:
    """Serve, or fail to start."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--lie-after", type=int, default=-1)
    parser.add_argument("--crash-after", type=int, default=-1)
    parser.add_argument("--hoard-after", type=int, default=-1)
    parser.add_argument("--restart-after", type=int, default=-1)
    parser.add_argument("--drop-after", type=int, default=-1)
    parser.add_argument("--slow-after-s", type=float, default=1e9)
    parser.add_argument("--pause-s", type=float, default=PAUSE_S)
    parser.add_argument("--service-s", type=float, default=0.0, help="of each request, one at a time")
    parser.add_argument("--starts", help="a file that gets longer, and pauses with it, at each start")
    parser.add_argument("--starve", action="store_true")
    parser.add_argument("--refuse-to-start", action="store_true")
    parser.add_argument("--tls", nargs=2, help="the files of a certificate and its key")
    parser.add_argument("--tls-at-most", default="TLSv1_3", help="the newest version of TLS that it speaks")
    options = parser.parse_args()
    if options.refuse_to_start:
        sys.exit("no: the configuration is broken")
    if options.starts is not None:
        with open(options.starts, "a") as starts:
            starts.write("x")
            options.pause_s *= 1.2 ** starts.tell()
    asyncio.run(serve(options))


if __name__ == "__main__":
    main()
