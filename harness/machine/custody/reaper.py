"""The process that outlives the harness by a moment: `python -m harness.machine.custody.reaper JOURNAL`.

Its standard input is one end of a socket pair whose other end the harness alone holds. It says once that
it is ready; when the socket closes, however the harness ended, it collects what the journal names and
ends. It runs in a session of its own, in none of the run's control groups, and heeds no polite signal.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from harness.ground.clock import SystemClock
from harness.machine.custody.collector import collect

READY = b"ready"
_SETTLE_S = 5.0
"""Here nobody waits for the end: a busy engine takes seconds to make a container."""


def main(arguments: list[str]) -> int:
    """Wait for the harness's end, then collect; return 1 where something is left."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    _outlive_memory_pressure()
    journal_path = Path(arguments[0])
    os.write(0, READY)
    while _read_one():
        pass
    left = collect(journal_path, settle_s=_SETTLE_S)
    for what in left:
        line = f"{SystemClock().utc().isoformat(timespec='seconds')} could not undo: {what}\n"
        sys.stderr.write(line)
    return 1 if left else 0


def _read_one() -> bytes:
    try:
        return os.read(0, 1)
    except ConnectionError:
        return b""


def _outlive_memory_pressure() -> None:
    try:
        with open("/proc/self/oom_score_adj", "w") as file:
            file.write("-1000")
    except OSError:  # not root, or no Linux
        pass


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
