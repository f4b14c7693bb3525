"""Log-linear counters of times, laid out as HdrHistogram with two significant digits lays them out.

From 1 us to 10 min with a relative error under 1 % (128 steps an octave). The layout is that of
Gil Tene's HdrHistogram, so counters become its V2 encoding without loss, and any of its tools reads
the logs that are written here.
"""

from __future__ import annotations

import ctypes
import zlib
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate

from hdrh.codec import (
    HdrCookieException,
    HdrHistogramEncoder,
    HdrHistogramSettingsException,
    HdrLengthException,
)
from hdrh.histogram import HdrHistogram

LOWEST_US = 1
HIGHEST_US = 600_000_000
SIZE = 3072
"""Counters of one histogram."""
_DIGITS = 2
"""Significant ones of a time."""
_DAMAGE = (HdrCookieException, HdrHistogramSettingsException, HdrLengthException)
"""What the decoder raises."""


def index_of(value_us: int) -> int:
    """Return the counter that a time belongs to; times out of range go to the nearest end."""
    if value_us < 256:
        return max(value_us, LOWEST_US)
    value_us = min(value_us, HIGHEST_US)
    bucket = value_us.bit_length() - 8
    return (bucket << 7) + (value_us >> bucket)


def value_of(index: int) -> float:
    """Return the middle, in us, of the times that a counter holds."""
    if index < 256:
        return float(index)
    bucket = (index >> 7) - 1
    return ((index & 127) + 128.5) * (1 << bucket)


@dataclass(frozen=True, slots=True)
class Histogram:
    """Counts of times, immutable; merged by adding."""

    counts: tuple[int, ...]

    @classmethod
    def of(cls, counts: Sequence[int]) -> Histogram:
        """Freeze a recorder's counters."""
        assert len(counts) == SIZE
        return cls(tuple(counts))

    @classmethod
    def merge(cls, histograms: Iterable[Histogram]) -> Histogram:
        """Return the sum; the order does not matter and nothing is lost."""
        return cls(tuple(map(sum, zip([0] * SIZE, *(one.counts for one in histograms), strict=True))))

    def nonzero(self) -> Iterator[tuple[int, int]]:
        """Yield (counter, count) for the counters that hold something."""
        return ((index, count) for index, count in enumerate(self.counts) if count)

    @property
    def total(self) -> int:
        """The number of times recorded."""
        return sum(self.counts)

    def percentile_ms(self, percent: float) -> float | None:
        """Return the time in ms that `percent` % of the recorded ones do not exceed; None when empty."""
        return self.percentiles_ms((percent,))[0]

    def percentiles_ms(self, percents: Sequence[float]) -> tuple[float | None, ...]:
        """Return several percentiles, for about the price of one.

        Each is the smallest recorded step whose cumulative count reaches the rank (nearest-rank percentile).
        """
        cumulative = list(accumulate(self.counts))
        total = cumulative[-1]
        if not total:
            return (None,) * len(percents)
        ranks = (max(1, -(-total * percent // 100)) for percent in percents)
        return tuple(value_of(bisect_left(cumulative, rank)) / 1000 for rank in ranks)

    @property
    def mean_ms(self) -> float | None:
        """The mean in ms, exact to the width of a counter; None when empty."""
        total = self.total
        return sum(value_of(i) * n for i, n in self.nonzero()) / total / 1000 if total else None

    @property
    def max_ms(self) -> float | None:
        """The greatest recorded time in ms, exact to the width of a counter; None when empty."""
        held = (SIZE - place for place, count in enumerate(reversed(self.counts), 1) if count)
        return next((value_of(index) / 1000 for index in held), None)

    def spectrum(self) -> tuple[tuple[float, float], ...]:
        """Return (percent, ms) for each counter that holds something: the whole percentile curve."""
        total = self.total
        below = 0
        curve = []
        for index, count in self.nonzero():
            below += count
            curve.append((100 * below / total, value_of(index) / 1000))
        return tuple(curve)


@dataclass(frozen=True, slots=True)
class Interval:
    """One line of an interval log: what ended between two moments."""

    tag: str
    start_s: float
    """Since the window's start; negative in the warm-up."""
    length_s: float
    histogram: Histogram


def write_log(intervals: Iterable[Interval], base_s: float) -> str:
    """Return an HdrHistogram interval log, format 1.3; `base_s` is the window's start, Unix time."""
    lines = [
        "#[Histogram log format version 1.3]",
        f"#[BaseTime: {base_s:.3f} (seconds since epoch)]",
        '"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"',
    ]
    for interval in intervals:
        payload = _encode(interval.histogram)
        greatest = interval.histogram.max_ms or 0.0
        lines.append(
            f"Tag={interval.tag},{interval.start_s:.3f},{interval.length_s:.3f},{greatest:.3f},{payload}"
        )
    return "\n".join(lines) + "\n"


def read_log(text: str) -> tuple[Interval, ...]:
    """Return the intervals of a log that `write_log` wrote.

    Raises ValueError where a line is none.
    """
    return tuple(
        Interval(tag, start_s, length_s, _decode(payload)) for tag, start_s, length_s, payload in _lines(text)
    )


def read_window(text: str, kind: str) -> Histogram:
    """Return the window's times of a kind, `response` or `service`, over all names; nothing else is decoded.

    Raises ValueError where a line is none.
    """
    return _merged(
        tuple(
            payload for tag, start_s, _, payload in _lines(text) if tag.split(".")[0] == kind and start_s >= 0
        )
    )


@lru_cache(maxsize=1)  # under `closed` service times are response times, and are asked for right after these
def _merged(payloads: tuple[str, ...]) -> Histogram:
    import numpy as np  # late: the load generator, which writes logs, has no use for it

    merged = np.zeros(SIZE, np.uint64)
    for payload in payloads:
        merged += np.ctypeslib.as_array(_decoded(payload))[:SIZE]
    return Histogram(tuple(merged.tolist()))


@lru_cache(maxsize=1)  # a window's kinds are asked for one after the other
def _lines(text: str) -> tuple[tuple[str, float, float, str], ...]:
    """Return each interval's tag, start and length in s, and payload."""
    lines = (line.removeprefix("Tag=").split(",") for line in text.splitlines() if line.startswith("Tag="))
    return tuple(
        (tag, float(start), float(length), payload) for tag, start, length, _greatest, payload in lines
    )


def _encode(histogram: Histogram) -> str:
    hdr = HdrHistogram(LOWEST_US, HIGHEST_US, _DIGITS)
    for index, count in histogram.nonzero():
        hdr.record_value(min(int(value_of(index)), HIGHEST_US), count)
    encoded: bytes = hdr.encode()
    return encoded.decode("ascii")


def _decode(payload: str) -> Histogram:
    return Histogram.of(_decoded(payload)[:SIZE])  # of a ctypes array a slice is far quicker than items


def _decoded(payload: str) -> ctypes.Array[ctypes.c_uint64]:
    """Return the counters alone: a whole HdrHistogram takes longer to make than they take to decode."""
    try:
        held = HdrHistogramEncoder.decode(payload)
        header = held.payload
        layout = header.lowest_trackable_value, header.highest_trackable_value, header.significant_figures
        if layout != (LOWEST_US, HIGHEST_US, _DIGITS):
            raise ValueError("no histogram: of another layout")
        held.init_counts(SIZE)
    except (*_DAMAGE, zlib.error, IndexError) as error:
        raise ValueError(f"no histogram: {error}") from error
    counts: ctypes.Array[ctypes.c_uint64] = held.get_counts()
    return counts
