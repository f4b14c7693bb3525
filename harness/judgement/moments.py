"""What a trial did in each second, from its stored series and samples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.ground.observations import TrialRecord
from harness.judgement.figures import MIB
from harness.records.run import Columns

SERIES = ("second", "requests", "errors", "response_p50_ms", "response_p99_ms")
SAMPLED = ("party", "at_s", "cpu_s", "anon_bytes", "periods", "throttled_periods")
_Floats = np.ndarray[tuple[Any, ...], np.dtype[np.float64]]


@dataclass(frozen=True, slots=True)
class Moment:
    """One second of a trial; None is not measured."""

    requests_per_s: float | None = None
    errors_per_s: float | None = None
    p50_ms: float | None = None
    p99_ms: float | None = None
    cores: float | None = None
    """Of CPU that the SUT used."""
    memory_mib: float | None = None
    throttled_percent: float | None = None
    """Of the enforcement periods, those in which the SUT's quota ran out."""


def moments(record: TrialRecord, series: Columns, samples: Columns) -> Mapping[int, Moment]:
    """Return each second that has answers, by its number; 0 is the window's first.

    `series` and `samples` are the trial's, with the columns `SERIES` and `SAMPLED`; None was not stored.
    The SUT is sampled in the window alone. A second that the window's end cuts short counts as what it is:
    the rate is over its part.
    """
    phases = record.phases
    if phases is None:
        return {}
    window_s = (phases.window_end_ns - phases.window_start_ns) / 1e9
    sut = _of_sut(samples, window_s)
    found = {}
    for second, requests, errors, p50_ms, p99_ms in zip(*(series[name] for name in SERIES), strict=True):
        span_s = min(1.0, window_s - second)
        if span_s > 0:
            found[second] = Moment(
                None if requests is None else requests / span_s,
                None if errors is None else errors / span_s,
                _known(p50_ms),
                _known(p99_ms),
                **sut.get(second, {}),
            )
    return found


def _of_sut(samples: Columns, window_s: float) -> dict[int, dict[str, float | None]]:
    """Return the SUT's part of each whole second of the window, read off the curves of its samples."""
    mine = [place for place, party in enumerate(samples["party"]) if party == "sut"]
    curves = {name: [samples[name][place] for place in mine] for name in SAMPLED}
    edges = np.arange(0, int(window_s + 1e-6) + 1, dtype=float)
    used = np.diff(_at(edges, curves, "cpu_s"))
    periods = np.diff(_at(edges, curves, "periods"))
    throttled = np.diff(_at(edges, curves, "throttled_periods"))
    held = _at(edges[:-1] + 0.5, curves, "anon_bytes") / MIB
    return {
        second: {
            "cores": _known(used[second]),
            "memory_mib": _known(held[second]),
            "throttled_percent": _known(100 * throttled[second] / periods[second])
            if periods[second]
            else None,
        }
        for second in range(len(edges) - 1)
    }


def _at(moments_s: _Floats, curves: Columns, name: str) -> _Floats:
    """Return a sampled figure at these moments, NaN where it was not read."""
    sampled = zip(curves["at_s"], curves[name], strict=True)
    read: _Floats = np.array([pair for pair in sampled if pair[1] is not None], dtype=np.float64)
    if len(read) < 2:
        return np.full(len(moments_s), np.nan)
    times: _Floats = read[:, 0]
    values: _Floats = read[:, 1]
    return np.interp(moments_s, times, values)


def _known(value: float | None) -> float | None:
    return None if value is None or value != value else float(value)
