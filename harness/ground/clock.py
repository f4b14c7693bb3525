"""Time as an argument: the real clock, and the shape that a test's clock has."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """What the harness asks of time."""

    def now_ns(self) -> int:
        """Return CLOCK_MONOTONIC in ns; the same clock in all processes of one machine."""

    def sleep(self, seconds: float) -> None:
        """Wait."""

    def utc(self) -> datetime:
        """Return the wall clock, aware, in UTC."""


class SystemClock:
    """The machine's own clock."""

    def now_ns(self) -> int:
        """Return CLOCK_MONOTONIC in ns."""
        return time.monotonic_ns()

    def sleep(self, seconds: float) -> None:
        """Wait, not at all where `seconds` is not positive."""
        if seconds > 0:
            time.sleep(seconds)

    def utc(self) -> datetime:
        """Return the wall clock in UTC."""
        return datetime.now(UTC)
