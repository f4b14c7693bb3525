"""Sizes, times and rates as people write and read them."""

from __future__ import annotations

import re

from harness.ground.errors import UsageError

_SIZE = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*(k|m|g|t)?i?b?\s*$", re.IGNORECASE)
_FACTOR = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}


def parse_size(text: str) -> int:
    """Return the bytes that `512m`, `1GiB` or `1073741824` means (powers of 1024).

    Raises UsageError where the text is no positive size.
    """
    found = _SIZE.match(text)
    size = int(float(found[1]) * _FACTOR[(found[2] or "").lower()]) if found else 0
    if size <= 0:
        raise UsageError(f"{text!r} is not a size", remedy="write 512m, 1g or a number of bytes")
    return size


def format_size(size_bytes: float) -> str:
    """Return a size in the unit that leaves one to four digits before the point."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(size_bytes) < 1024 or unit == "GiB":
            return f"{size_bytes:.0f} {unit}" if unit == "B" else f"{size_bytes:.1f} {unit}"
        size_bytes /= 1024
    raise AssertionError("unreachable: the loop returns at GiB")


def format_duration(seconds: float) -> str:
    """Return `8 s`, `2 min 05 s` or `1 h 10 min`."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
