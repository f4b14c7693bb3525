"""The real `locust` command on a locustfile, against a server that counts for itself."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
BODY = b'{"price":5}'


class Counting(BaseHTTPRequestHandler):
    """Counts what arrives; answers `/wait/N` after N ms, `/status/N` with that status, a POST with 201."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: CountingServer

    def do_POST(self) -> None:
        """Read the body, then answer."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()

    def do_GET(self) -> None:
        """Answer."""
        kind, _, number = self.path.strip("/").partition("/")
        with self.server.lock:
            self.server.arrived[self.path] += 1
            self.server.order.append((self.client_address[1], self.path))
        if kind == "wait":
            time.sleep(int(number) / 1000)
        due = 201 if self.command == "POST" else 200
        self.send_response(int(number) if kind == "status" else due)
        self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()
        self.wfile.write(BODY)

    def handle(self) -> None:
        """Serve one connection; clients may go as they like."""
        with self.server.lock:
            self.server.open += 1
        with contextlib.suppress(OSError):
            super().handle()
        with self.server.lock:
            self.server.open -= 1

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class CountingServer(ThreadingHTTPServer):
    """A server that knows what arrived, in which order, and how many connections are open."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Counting)
        self.lock = threading.Lock()
        self.arrived: Counter[str] = Counter()
        self.order: list[tuple[int, str]] = []
        self.open = 0
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()


@dataclass
class Case:
    """One `locust` command with its own server and folder."""

    locustfile: str
    arguments: str
    server: CountingServer = field(default_factory=CountingServer)
    folder: Path = Path()
    child: subprocess.Popen[bytes] | None = None

    def start(self, folder: Path) -> None:
        """Start it."""
        self.folder = folder
        folder.mkdir()
        (folder / "mine.py").write_text(self.locustfile)
        known = {name: value for name, value in os.environ.items() if not name.startswith("WEBDYNO_")}
        argv = (sys.executable, "-m", "locust", "-f", "mine.py", "-H", self.server.url)
        with open(folder / "output", "w") as output, open(folder / "log", "w") as log:
            self.child = subprocess.Popen(
                (*argv, *self.arguments.split()),
                cwd=folder,
                env=known | {"PYTHONPATH": str(ROOT)},
                stdout=output,
                stderr=log,
                start_new_session=True,
            )

    def end(self, bound_s: float = 120.0) -> int:
        """Wait for its end and return its exit status."""
        assert self.child is not None
        try:
            return self.child.wait(bound_s)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.child.pid, signal.SIGKILL)

    def log(self) -> str:
        """Return what it logged."""
        return (self.folder / "log").read_text()

    def told(self) -> dict[str, Any]:
        """Return the rows of `--json` by name."""
        return {row["name"]: row for row in json.loads((self.folder / "output").read_text())}

    def notes(self) -> list[Any]:
        """Return what the locustfile noted."""
        return [json.loads(line) for line in (self.folder / "notes").read_text().splitlines()]

    def rows(self, which: str) -> dict[str, dict[str, str]]:
        """Return the rows of a CSV file by name."""
        with open(self.folder / f"out_{which}.csv") as file:
            return {row["Name"]: row for row in csv.DictReader(file)}
