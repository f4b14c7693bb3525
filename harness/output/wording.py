"""How figures, intervals and foreign text are written for people."""

from __future__ import annotations

import math
import unicodedata

from harness.ground.model import Load
from harness.records.summary import Figure, ScalingCurve, VariantLabel

NOT_MEASURED = "–"
_MOST_DIGITS = 4
_FEWEST_DIGITS = 2
_DIGITS_WITHOUT_INTERVAL = 3


def figure(value: Figure | None) -> str:
    """Return a figure with as many digits as its interval allows: 2 to 4, 3 where there is none."""
    return NOT_MEASURED if value is None else number(value.value, decimals(value))


def figure_with_interval(value: Figure | None) -> str:
    """Return `3420 ± 30`; the half width is rounded up, and left out where there is none or it is 0."""
    if value is None or not _half(value):
        return figure(value)
    places = decimals(value)
    step = 10.0**-places
    half = math.ceil(_half(value) / step - 1e-9) * step
    return f"{number(value.value, places)} ± {number(half, places)}"


def ratio_with_interval(ratio: float, low: float | None, high: float | None) -> str:
    """Return `2.09 [2.05, 2.13]`."""
    if low is None or high is None:
        return number(ratio, 2)
    places = max(decimals(Figure(ratio, low, high)), 2)
    return f"{number(ratio, places)} [{number(low, places)}, {number(high, places)}]"


def decimals(value: Figure) -> int:
    """Return the decimal places, negative before the point, to which a figure may be written.

    The last digit is the first of the interval's half width, or its second where the first is 1 or 2.
    """
    if not value.value:
        return 0
    before = math.floor(math.log10(abs(value.value)))
    half = _half(value)
    if not half:
        return _DIGITS_WITHOUT_INTERVAL - 1 - before
    place = math.floor(math.log10(half))
    places = -place + (1 if half < 3 * 10.0**place else 0)
    return max(_FEWEST_DIGITS - 1 - before, min(_MOST_DIGITS - 1 - before, places))


def number(value: float, places: int) -> str:
    """Return a number rounded to decimal places, which may be negative."""
    return f"{round(value, places):.{max(places, 0)}f}"


def rank(interval: tuple[int, int] | None) -> str:
    """Return `1`, or `2–3` for a rank that is shared or open."""
    if interval is None:
        return NOT_MEASURED
    best, worst = interval
    return f"{best}" if best == worst else f"{best}–{worst}"


def variant(of: VariantLabel) -> str:
    """Return what a row is called, such as `flask-gunicorn (twin)` for the twin of an A/A pair."""
    return plain(of.label.removesuffix(f"#{of.replica}")) + (" (twin)" if of.replica else "")


METRICS = {
    "requests_per_s": "requests/s",
    "response_ms.p50": "p50",
    "response_ms.p99": "p99",
    "cpu.us_per_request": "CPU a request",
    "cpu.yardsticks_per_request": "yardsticks a request",
    "memory_mib.mean": "mean memory",
}
"""What the compared metrics are called."""


def load(value: Load, users: str = "") -> str:
    """Return a load profile in words, such as `closed, 1000 users`; `users` in place of their number."""
    parts = [value.profile, "1 user" if not users and value.users == 1 else f"{users or value.users} users"]
    if value.rate_per_s is not None:
        parts.append(f"{value.rate_per_s:g} requests/s ({value.arrivals})")
    if value.share is not None:
        parts.append(f"{100 * value.share:g} % of its own capacity ({value.arrivals})")
    if value.think_s:
        parts.append(f"{value.think_s:g} s think time ({value.think})")
    if value.slo_ms is not None:
        parts.append(f"p99 <= {value.slo_ms:g} ms")
    return ", ".join(parts)


def curve_load(curve: ScalingCurve) -> str:
    """Return a curve's load in words, such as `closed, 1 to 4000 users`."""
    levels = [point.level for point in curve.points]
    return load(curve.load, f"{min(levels):g} to {max(levels):g}" if curve.varied == "users" else "")


def plain(text: str) -> str:
    """Return foreign text without what steers a terminal or reorders a line; white space becomes a space.

    Control and format characters go (escape sequences, bidirectional marks, zero-width signs), as do
    surrogates and code points for private use.
    """
    spaced = "".join(" " if sign.isspace() else sign for sign in text)
    return "".join(sign for sign in spaced if not unicodedata.category(sign).startswith("C"))


def shortened(text: str, most: int) -> str:
    """Return a text of at most that many signs, with its end cut off where it has more."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _half(value: Figure) -> float:
    return 0.0 if value.low is None or value.high is None else (value.high - value.low) / 2
