"""A piece of fixed work, like a request's in pure Python, done over and over: what `yardstick` starts.

    python piece.py CPUS

On these CPUs, at the lowest priority, with a pause after each, until standard input ends, as it does when
whoever started it is gone, however it went. Then it tells of each piece when it was done (CLOCK_MONOTONIC)
and what CPU time it took: pairs of 64-bit integers, in ns. Nothing but the standard library is imported.
"""

from __future__ import annotations

import html
import json
import os
import select
import sys
import time
from array import array
from contextlib import suppress
from datetime import datetime, timedelta
from email.parser import Parser
from string import Template
from urllib.parse import parse_qs, urlsplit

_PAUSE_S = 0.01
"""Long enough that what runs beside it takes the caches over, as it does between a SUT's requests."""
_HEAD = """\
Host: 127.0.0.1:8000
User-Agent: yardstick/1.0
Accept: application/json, text/html;q=0.9
Accept-Encoding: gzip, deflate
Connection: keep-alive
X-Request-Id: abc-123
Cookie: session=b; theme=d
Content-Type: application/json

"""
_BODY = json.dumps({"items": [{"id": i, "name": f"x{i}", "values": [i * 1.5, i, None]} for i in range(25)]})
_LINE = Template("<li>$id $name $at</li>")
_BEGAN = datetime(2026, 1, 1)  # noqa: DTZ001 - a time to write, nobody's


def piece() -> str:
    """Parse a request's head, query and body, and build an answer: some 0.3 ms."""
    head = Parser().parsestr(_HEAD)
    query = parse_qs(urlsplit(f"http://{head['host']}/items/7?limit=10&q=a%20b").query)
    lines = [
        _LINE.substitute(
            id=item["id"],
            name=html.escape(item["name"]),
            at=(_BEGAN + timedelta(days=item["id"])).isoformat(),
        )
        for item in json.loads(_BODY)["items"][:10]
    ]
    return json.dumps({"lines": lines, "query": query})


def main() -> None:
    """Work until standard input ends, then tell."""
    os.sched_setaffinity(0, {int(cpu) for cpu in sys.argv[1].split(",")})
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    done = array("q")
    while not select.select([sys.stdin], [], [], _PAUSE_S)[0]:
        before_ns = time.thread_time_ns()
        piece()
        spent_ns = time.thread_time_ns() - before_ns
        done.extend((time.monotonic_ns(), spent_ns))
    with suppress(OSError):  # who waits for its words shall not wait for an idle CPU
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    with suppress(BrokenPipeError):
        sys.stdout.buffer.write(done.tobytes())
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
