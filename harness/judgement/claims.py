"""Others' claims beside what a run measured: reproduced, higher, lower, or not testable here and why. Pure.

A claim is borne out where the 95 % interval of what was measured and the range of what was claimed have a
point in common. An absolute figure is judged only under the claim's own conditions; a ratio of two variants
is judged under fewer CPUs and less memory, too, since both sides have them alike.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeGuard

from harness.ground.model import Caps
from harness.ground.units import format_size
from harness.records.claims import UNITS, Claim, OfBenchmark, OfCell, OfPair, Untestable
from harness.records.summary import CellSummary, Comparison, Figure, Summary

Verdict = Literal["reproduced", "higher", "lower", "not testable here"]
"""`higher` and `lower` say how what was measured lies to what was claimed."""
NEEDED_TRIALS = 5
"""Below that many valid trials an interval says little: the rule `few-blocks`."""
WIDEST = 0.5
"""An interval whose half is more than this share of its value bears out nearly anything."""


@dataclass(frozen=True, slots=True)
class JudgedClaim:
    """A claim, what was measured for it, and what follows."""

    claim: Claim
    measured: Figure | None
    """In the claim's own unit; None where nothing was."""
    per_core: tuple[float, Figure] | None
    """Claimed and measured requests/s over the CPUs of each, where their number differs; else None."""
    verdict: Verdict
    why: str
    """Why it is not testable, or what else to know; may be empty."""


@dataclass(frozen=True, slots=True)
class Product:
    """A claimed rate times a claimed mean response time: the requests in flight, by Little's law."""

    variant: str
    scenario: str
    rate_per_s: float
    response_ms: float
    in_flight: float
    users: int | None
    """Who are claimed to have sent them; None where nothing is said."""


def judge_claims(
    claims: Sequence[Claim], summary: Summary, caps: Caps, benchmarks: Mapping[str, object]
) -> tuple[JudgedClaim, ...]:
    """Return each claim with its verdict, in their order.

    `caps` are those of the run, where a variant has none of its own; `benchmarks` are the parsed files of
    `benchmarks/results` by name.
    """
    return tuple(_judge(claim, summary, caps, benchmarks) for claim in claims)


def products(claims: Sequence[Claim]) -> tuple[Product, ...]:
    """Return the products of claims that give both a rate and a mean response time for one cell.

    Without think time N users are N requests in flight: X * R = N (Little, Operations Research 9(3), 1961).
    A product that is N to the last digit tells that one of both was worked out from the other.
    """
    of_cells = [
        (one, one.measure) for one in claims if isinstance(one.measure, OfCell) and one.low == one.high
    ]
    rates = [(one, measure) for one, measure in of_cells if measure.metric == "requests_per_s"]
    found = []
    for rate, of_rate in rates:
        for time, of_time in of_cells:
            cell = of_time.variant, of_time.scenario
            if of_time.metric == "response_ms.mean" and cell == (of_rate.variant, of_rate.scenario):
                ms = time.low * UNITS[of_time.metric][of_time.unit]
                found.append(Product(*cell, rate.low, ms, rate.low * ms / 1e3, rate.conditions.users))
    return tuple(found)


def _judge(claim: Claim, summary: Summary, caps: Caps, benchmarks: Mapping[str, object]) -> JudgedClaim:
    measure = claim.measure
    if isinstance(measure, Untestable):
        return _untestable(claim, measure.why)
    if isinstance(measure, OfBenchmark):
        return _judge_benchmark(claim, measure, benchmarks)
    if isinstance(measure, OfPair):
        return _judge_pair(claim, measure, summary)
    return _judge_cell(claim, measure, summary, caps)


def _untestable(claim: Claim, why: str, measured: Figure | None = None) -> JudgedClaim:
    return JudgedClaim(claim, measured, None, "not testable here", why)


def _judge_benchmark(claim: Claim, measure: OfBenchmark, benchmarks: Mapping[str, object]) -> JudgedClaim:
    document = benchmarks.get(measure.file)
    if document is None:
        return _untestable(claim, f"benchmarks/results/{measure.file} is not there: it was not measured")
    at: object = document
    for key in measure.key:
        at = at.get(key) if isinstance(at, dict) else None
    figure = _figure_in(at)
    if figure is None:
        return _untestable(claim, f"benchmarks/results/{measure.file} has no figure {'.'.join(measure.key)}")
    when = document.get("when") if isinstance(document, dict) else None
    return _weigh(claim, figure, f"benchmarks/results/{measure.file}, {str(when)[:10]}" if when else "")


def _figure_in(found: object) -> Figure | None:
    """Return a benchmark's figure: an object with `value` or `ratio`, and perhaps `low` and `high`."""
    if not isinstance(found, dict):
        return None
    value = found.get("value", found.get("ratio"))
    bounds = found.get("low"), found.get("high")
    if not _is_number(value) or not all(bound is None or _is_number(bound) for bound in bounds):
        return None
    return Figure(float(value), *(None if bound is None else float(bound) for bound in bounds))


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _judge_pair(claim: Claim, measure: OfPair, summary: Summary) -> JudgedClaim:
    wanted = {measure.variant, measure.over}
    pairs = [
        pair
        for pair in summary.comparisons
        if pair.scenario == measure.scenario
        and pair.metric == measure.metric
        and {pair.base, pair.contender} == wanted
        and pair.load.profile == "closed"
    ]
    at_load = [pair for pair in pairs if claim.conditions.users in (None, pair.load.users)]
    if not at_load:
        return _untestable(claim, _not_measured(claim, [pair.load.users for pair in pairs]))
    pair = at_load[0]
    figure = _over(pair, measure.over)
    if figure is None:
        return _untestable(claim, "no block has a valid trial of both")
    if pair.blocks < NEEDED_TRIALS:
        return _untestable(claim, f"{pair.blocks} blocks; {NEEDED_TRIALS} are needed", figure)
    return _weigh(claim, figure, "")


def _over(pair: Comparison, base: str) -> Figure | None:
    """Return a pair's ratio with the named variant below the line."""
    if pair.ratio is None:
        return None
    if pair.base == base:
        return Figure(pair.ratio, pair.low, pair.high)
    low, high = (None if bound is None else 1 / bound for bound in (pair.high, pair.low))
    return Figure(1 / pair.ratio, low, high)


def _judge_cell(claim: Claim, measure: OfCell, summary: Summary, caps: Caps) -> JudgedClaim:
    cells = [
        cell
        for cell in summary.cells
        if cell.variant.label == measure.variant
        and cell.scenario == measure.scenario
        and cell.load.profile == "closed"
    ]
    at_load = [cell for cell in cells if claim.conditions.users in (None, cell.load.users)]
    if not at_load:
        return _untestable(claim, _not_measured(claim, [cell.load.users for cell in cells]))
    cell = at_load[0]
    figure = _in_unit(_pick(cell, measure.metric), UNITS[measure.metric][measure.unit])
    if figure is None:
        return _untestable(claim, "no valid trial" if not cell.valid_trials else "not measured in this run")
    if cell.variant.cpus is not None:
        caps = replace(caps, cpus=cell.variant.cpus)
    lacking = _lacking(claim, caps)
    if lacking:
        judged = _untestable(claim, lacking, figure)
        return replace(judged, per_core=_per_core(claim, measure, figure, caps))
    if cell.valid_trials < NEEDED_TRIALS:
        return _untestable(claim, f"{cell.valid_trials} valid trials; {NEEDED_TRIALS} are needed", figure)
    return _weigh(claim, figure, f"limited by {cell.limiter}")


def _not_measured(claim: Claim, users: Sequence[int]) -> str:
    if not users:
        return "this run does not measure it"
    there = " and ".join(str(number) for number in sorted(set(users)))
    return f"claimed for {claim.conditions.users} users, measured with {there}"


def _lacking(claim: Claim, caps: Caps) -> str:
    """Return in words which of a claim's conditions the caps do not meet; empty where all are."""
    cpus, memory = claim.conditions.cpus, claim.conditions.memory_bytes
    found = []
    if cpus is not None and cpus != caps.cpus:
        found.append(f"{cpus:g} CPUs, here {caps.cpus:g}")
    if memory is not None and memory > caps.memory_bytes:
        found.append(f"{format_size(memory)}, here {format_size(caps.memory_bytes)}")
    return f"claimed for {' and '.join(found)}" if found else ""


def _per_core(claim: Claim, measure: OfCell, figure: Figure, caps: Caps) -> tuple[float, Figure] | None:
    cpus = claim.conditions.cpus
    if measure.metric != "requests_per_s" or cpus is None or not math.isfinite(claim.low):
        return None
    each = _in_unit(figure, caps.cpus)
    return None if each is None else (claim.low / cpus, each)


def _pick(cell: CellSummary, metric: str) -> Figure | None:
    found: object = cell
    for name in metric.split("."):
        found = getattr(found, name)
    assert found is None or isinstance(found, Figure), "a metric of UNITS is a figure"
    return found


def _in_unit(figure: Figure | None, unit: float) -> Figure | None:
    if figure is None:
        return None
    low, high = (None if bound is None else bound / unit for bound in (figure.low, figure.high))
    return Figure(figure.value / unit, low, high)


def _weigh(claim: Claim, measured: Figure, why: str) -> JudgedClaim:
    if measured.low is None or measured.high is None:
        return _untestable(claim, "measured without an interval", measured)
    if measured.high - measured.low > 2 * WIDEST * abs(measured.value):
        return _untestable(claim, "the interval is too wide to tell", measured)
    verdict: Verdict = "reproduced"
    if measured.low > claim.high:
        verdict = "higher"
    elif measured.high < claim.low:
        verdict = "lower"
    return JudgedClaim(claim, measured, None, verdict, why)
