"""Tells Prometheus what the processes of a SUT use, summed, and what their caps are.

A SUT's own metrics are sums over its workers, which say nothing of CPU and memory; and it is not changed
for being looked at. In `docker-compose.yml` this runs beside it and sees its processes, no others.
"""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_UNITS = {"b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
_FORMAT = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Use:
    """What a process, or several, use."""

    parent: int
    cpu_s: float
    """The CPU time of children that it has waited for included: a worker's does not go with it."""
    memory_bytes: int
    """Anonymous and shared; not the files that the kernel may forget at any time."""


def look(pid: int) -> Use | None:
    """Return what one process uses; None where it is gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
        status = Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = stat.rpartition(")")[2].split()  # a name may hold anything, brackets too
    ticks = sum(int(field) for field in fields[11:15])
    memory_kib = sum(int(found) for found in re.findall(r"^Rss(?:Anon|Shmem):\s+(\d+)", status, re.MULTILINE))
    return Use(int(fields[1]), ticks / _TICKS_PER_S, memory_kib << 10)


def tree(root: int) -> Iterator[Use]:
    """Yield what a process and each of its descendants use; nothing where it is gone."""
    pids = (int(path.name) for path in Path("/proc").glob("[0-9]*"))
    uses = {pid: use for pid in pids if (use := look(pid)) is not None}
    found = {root} & uses.keys()
    while found:
        yield from (uses[pid] for pid in found)
        found = {pid for pid, use in uses.items() if use.parent in found}


def size_of(text: str) -> int:
    """Return the bytes of a size as compose files have it, such as `512m` or `1g`."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([bkmg]?)b?", text.lower())
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no size, such as 512m or 1g")
    return int(float(found[1]) * _UNITS[found[2] or "b"])


def exposition(root: int, limits: dict[str, float]) -> str | None:
    """Return the figures in Prometheus's text format; None where the process is gone."""
    uses = list(tree(root))
    if not uses:
        return None
    figures = {
        "sut_cpu_seconds_total": sum(use.cpu_s for use in uses),
        "sut_memory_bytes": sum(use.memory_bytes for use in uses),
        **limits,
    }
    return "".join(f"# TYPE {name} {kind_of(name)}\n{name} {figure}\n" for name, figure in figures.items())


def kind_of(name: str) -> str:
    """Return what Prometheus calls a figure of this name."""
    return "counter" if name.endswith("_total") else "gauge"


def handler(root: int, limits: dict[str, float]) -> type[BaseHTTPRequestHandler]:
    """Return what answers `GET /metrics`."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            text = exposition(root, limits) if self.path == "/metrics" else None
            if text is None:
                # A scrape that fails is a target that is down; zero would be a measurement.
                self.send_error(503 if self.path == "/metrics" else 404)
                return
            self.send_response(200)
            self.send_header("Content-Type", _FORMAT)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: object) -> None:
            pass

    return Handler


def main() -> None:
    """Answer until the process is ended."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="another one only inside a container")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--root", type=int, required=True, help="the SUT's first process")
    parser.add_argument("--cpus", type=float, required=True, help="the SUT's cap")
    parser.add_argument("--memory", type=size_of, required=True, help="the SUT's cap")
    given = parser.parse_args()
    limits = {"sut_cpu_limit_cores": given.cpus, "sut_memory_limit_bytes": given.memory}
    ThreadingHTTPServer((given.host, given.port), handler(given.root, limits)).serve_forever()


if __name__ == "__main__":
    main()
