"""The search for the highest rate that is met: bracketed, then confirmed on both sides. Pure.

Whether a rate is met is seen by a probe, and chance may decide one. So each side of the last bracket is
probed a second time, and a rate that was met as often as it was missed once more: the majority tells. Where
it tells otherwise than the first probe did, the bracket opens again.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Outcome = Literal["met", "missed", "unclear"]
"""Of a probe; `unclear` where it says nothing of the one that was asked."""
End = Literal["found", "beyond", "never", "unclear"]
"""`beyond`: the highest rate that can be asked for was met; `never`: the lowest was missed."""
FINENESS = 1.03
"""How much the least missed rate may be above the highest met one in the end."""
MOST_GROWTH = 4.0
MOST_PROBES = 30
"""A search ends with as many, whatever they say."""
MOST_UNCLEAR = 3
"""In a row."""
_SIDES = 2
"""The number of probes that a rate at the end has at least."""


@dataclass(frozen=True, slots=True)
class Probe:
    """One rate that was asked for."""

    rate_per_s: float
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Bounds:
    """Between what a search goes on, and from where; requests/s."""

    start: float
    growth: float
    """The ratio of the second rate to the first; until there is a bracket it is squared, cubed and so on, up
    to `MOST_GROWTH`."""
    least: float
    most: float


@dataclass(frozen=True, slots=True)
class Step:
    """What follows from the probes so far: the next rate, or how the search ended and at which rate."""

    rate_per_s: float
    """The next one; of a search that ended, the rate that was met (`found`, `beyond`), missed (`never`), or
    asked for last (`unclear`)."""
    end: End | None


def step(probes: Sequence[Probe], bounds: Bounds) -> Step:
    """Return what comes after these probes; the same probes give the same step."""
    if not probes:
        return _ask(min(max(bounds.start, bounds.least), bounds.most))
    last = probes[-1]
    if [probe.outcome for probe in probes[-MOST_UNCLEAR:]] == ["unclear"] * MOST_UNCLEAR:
        return _given_up(probes)
    if len(probes) >= MOST_PROBES:
        return Step(last.rate_per_s, "unclear")
    if last.outcome == "unclear":
        return Step(last.rate_per_s, None)
    votes = _votes(probes)
    for rate, (met, missed) in votes.items():
        if met == missed:
            return Step(rate, None)
    return _narrowed(votes, bounds)


def _given_up(probes: Sequence[Probe]) -> Step:
    """Return how a search ends that can ask no further: where nothing was missed, the rest lies beyond."""
    met = [probe.rate_per_s for probe in probes if probe.outcome == "met"]
    if met and not any(probe.outcome == "missed" for probe in probes):
        return Step(max(met), "beyond")
    return Step(probes[-1].rate_per_s, "unclear")


def _narrowed(votes: dict[float, tuple[int, int]], bounds: Bounds) -> Step:
    highest = min((rate for rate, (met, missed) in votes.items() if missed > met), default=None)
    lowest = max(
        (
            rate
            for rate, (met, missed) in votes.items()
            if met > missed and (highest is None or rate < highest)
        ),
        default=None,
    )
    growth = min(bounds.growth ** len(votes), MOST_GROWTH)
    if highest is None:
        assert lowest is not None, "no rate has as many votes for as against"
        if lowest < bounds.most:
            return _ask(min(lowest * growth, bounds.most))
        return _confirmed(lowest, votes) or Step(lowest, "beyond")
    if lowest is None:
        if highest > bounds.least:
            return _ask(max(highest / growth, bounds.least))
        return _confirmed(highest, votes) or Step(highest, "never")
    if highest / lowest > FINENESS:
        return _ask(math.sqrt(lowest * highest))
    return _confirmed(lowest, votes) or _confirmed(highest, votes) or Step(lowest, "found")


def _votes(probes: Sequence[Probe]) -> dict[float, tuple[int, int]]:
    """Return by rate how often it was met and missed."""
    votes: dict[float, tuple[int, int]] = {}
    for probe in probes:
        met, missed = votes.get(probe.rate_per_s, (0, 0))
        votes[probe.rate_per_s] = met + (probe.outcome == "met"), missed + (probe.outcome == "missed")
    return {rate: vote for rate, vote in votes.items() if any(vote)}


def _confirmed(rate: float, votes: dict[float, tuple[int, int]]) -> Step | None:
    return None if sum(votes[rate]) >= _SIDES else Step(rate, None)


def _ask(rate: float) -> Step:
    return Step(float(f"{rate:.4g}"), None)
