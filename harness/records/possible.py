"""Whether a record can be one that was measured: else its file was changed, and judging it may fail.

A dataclass holds any number of its type; these are the numbers that judgement relies on.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import fields

from harness.ground.model import Placement, Variant
from harness.ground.observations import LoadTotals, TrialRecord


def insist_on_figures(text: bytes | str) -> None:
    """Raise ValueError where JSON text holds `NaN`, `Infinity`, or a number too great to be told from it."""
    json.loads(text, parse_constant=_figure, parse_float=_figure, parse_int=_figure)


def fault_of_place(placement: Placement) -> str:
    """Return why nothing can have run there, nothing where it can."""
    caps = placement.caps
    if not placement.sut_cpus:
        return "the system under test has no CPU"
    return "" if caps.cpus > 0 and caps.memory_bytes > 0 else "a cap is not above 0"


def fault_of_caps(placement: Placement, variants: Iterable[Variant]) -> str:
    """Return why no variant can have run under its own cap, nothing where all can."""
    own = ((variant.id, variant.cpus) for variant in variants if variant.cpus is not None)
    wrong = (name for name, cpus in own if not 0 < cpus <= placement.caps.cpus)
    return next((f"the cap of {name} is not within the run's" for name in wrong), "")


def fault_of_trial(record: TrialRecord) -> str:
    """Return why no trial can have gone so, nothing where it can."""
    load, phases = record.load, record.phases
    given = record.cell.load
    if given.users < 1 or (given.rate_per_s is not None and given.rate_per_s <= 0):
        return "its load asks for nothing"
    if load is not None and load.users < 1:
        return "nobody was there to ask"
    if load is not None and (name := next(_impossible(load), "")):
        return f"{name} is no count"
    if phases is not None and phases.window_end_ns <= phases.window_start_ns:
        return "its window has no length"
    return ""


def _impossible(load: LoadTotals) -> Iterator[str]:
    """Yield the names of counts, of requests or of ns, that are below 0 or beyond what a trial can count."""
    counts = ((field.name, getattr(load, field.name)) for field in fields(load))
    return (name for name, count in counts if isinstance(count, int) and not 0 <= count < 1 << 63)


def _figure(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:20]} is no figure")
    return value
