"""Bounds that a change must not pass, written as `requests_per_s < -5%`. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from harness.ground.errors import UsageError
from harness.ground.names import choose
from harness.judgement.changes import Change
from harness.judgement.comparison import METRICS


@dataclass(frozen=True, slots=True)
class Gate:
    """A bound that a change must not pass, such as `requests_per_s < -5%`."""

    metric: str
    percent: float
    """Negative: the metric must not fall by more; positive: it must not rise by more."""


_GATE = re.compile(r"\s*([a-z0-9_.]+)\s*([<>])\s*([+-]?\d+(?:\.\d+)?)\s*%\s*")


def parse_gate(text: str) -> Gate:
    """Return the gate that an expression stands for; raises UsageError where it is none."""
    found = _GATE.fullmatch(text)
    if found is None:
        raise UsageError(
            f"{text!r} is no bound", where="--fail-if", remedy="write one such as 'requests_per_s < -5%'"
        )
    metric, sign, percent = found[1], found[2], float(found[3])
    choose((metric,), METRICS, "metric")
    if (percent >= 0) if sign == "<" else (percent <= 0):
        raise UsageError(
            f"{text!r} fails also where nothing changes",
            where="--fail-if",
            remedy=f"write '{metric} < -5%' for a fall by more than 5 %, '{metric} > 5%' for a rise",
        )
    if percent <= -100 or math.isinf(percent):
        raise UsageError(
            f"{text!r} never fails",
            where="--fail-if",
            remedy=f"no figure falls by 100 % or rises without end; write one such as '{metric} < -5%'",
        )
    return Gate(metric, percent)


def broken_gates(gates: Sequence[Gate], changes: Sequence[Change]) -> tuple[tuple[Gate, Change], ...]:
    """Return the changes that pass a gate's bound by effect and by interval.

    The estimate is past the bound, and past the noise floor, and the interval leaves out 1. A change whose
    interval is unknown does not break a gate; it is one of `unchecked_gates`.
    """
    return tuple(
        (gate, change)
        for gate in gates
        for change in changes
        if change.metric == gate.metric and _is_broken(gate, change)
    )


def unchecked_gates(gates: Sequence[Gate], changes: Sequence[Change]) -> tuple[tuple[Gate, Change], ...]:
    """Return what no gate can be held against, for want of valid trials."""
    return tuple(
        (gate, change)
        for gate in gates
        for change in changes
        if change.metric == gate.metric and (change.low is None or change.high is None)
    )


def idle_gates(gates: Sequence[Gate], changes: Sequence[Change]) -> tuple[Gate, ...]:
    """Return the gates on a metric that nothing is compared on: they would hold whatever happens."""
    compared = {change.metric for change in changes}
    return tuple(gate for gate in gates if gate.metric not in compared)


def _is_broken(gate: Gate, change: Change) -> bool:
    if change.ratio is None or change.low is None or change.high is None:
        return False
    bound = 1 + gate.percent / 100
    if abs(change.ratio - 1) <= change.floor:
        return False
    if gate.percent < 0:
        return change.ratio < bound and change.high < 1
    return change.ratio > bound and change.low > 1
