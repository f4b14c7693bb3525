"""How fast the SUT's CPUs were while it was measured: fixed work beside it, of which each piece is timed.

A shared machine is faster and slower within seconds, and a request's CPU time with it
(docs/method.md#yardstick).
"""

from __future__ import annotations

import os
import subprocess
import sys
from array import array
from collections.abc import Sequence
from contextlib import suppress

from harness.ground.observations import Phases, YardstickRecord
from harness.machine import piece

_WORDS_S = 5.0
"""How long it may take to tell what it did, once it was told to end."""


class Yardstick:
    """Pieces of work on some CPUs from now on until `stop`; none without CPUs or outside Linux."""

    def __init__(self, cpus: Sequence[int]) -> None:
        """Start it; it ends with this process, too."""
        self._process: subprocess.Popen[bytes] | None = None
        self._done = array("q")
        if cpus and hasattr(os, "SCHED_IDLE"):
            self._process = subprocess.Popen(
                (sys.executable, piece.__file__, ",".join(map(str, cpus))),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={"PYTHONHASHSEED": "0"},  # the same work each time
                start_new_session=True,  # a Ctrl-C is ours to act upon
            )

    @property
    def pid(self) -> int | None:
        """Return the process that works; None where there is none, or no longer."""
        return None if self._process is None else self._process.pid

    def stop(self) -> None:
        """End it and hear what it did; nothing, where it does not tell."""
        if self._process is None:
            return
        process, self._process = self._process, None
        try:
            told, _ = process.communicate(timeout=_WORDS_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            return
        with suppress(ValueError):  # it was killed in the midst of its words
            self._done.frombytes(told)

    def within(self, phases: Phases) -> YardstickRecord | None:
        """Return the pieces done in the window, once it was stopped; None where there are none."""
        return pieces_within(self._done, phases)


def pieces_within(done: Sequence[int], phases: Phases) -> YardstickRecord | None:
    """Return what was done in the window; `done` has pairs of when a piece ended and its CPU time, in ns."""
    inside = [
        spent_ns
        for end_ns, spent_ns in zip(done[::2], done[1::2], strict=False)
        if phases.window_start_ns <= end_ns < phases.window_end_ns
    ]
    return YardstickRecord(len(inside), sum(inside)) if inside else None
