"""Claims and their verdicts as a table, and what the claimed numbers say by themselves."""

from __future__ import annotations

import math
from collections.abc import Sequence

from harness.judgement.claims import JudgedClaim, Product
from harness.output import wording
from harness.output.grids import Grid, Shown
from harness.records.claims import Claim, Claims, OfBenchmark, OfCell, OfPair, Untestable
from harness.records.summary import Figure

HEADERS = ("claim", "measured here as", "claimed", "measured", "verdict", "note")
ARITHMETIC_HEADERS = ("claim", "requests/s", "response ms", "their product", "users")
LEGEND = (
    "[ ] is a 95 % interval. reproduced: it reaches what was claimed; higher, lower: what was measured lies "
    "above or below. Ratios are judged whatever the CPUs, absolute figures under the claim's own conditions."
)


def build(claims: Claims, judged: Sequence[JudgedClaim], products: Sequence[Product]) -> tuple[Grid, ...]:
    """Return the table of verdicts, and that of the products where there are any."""
    title = wording.plain(claims.title)
    verdicts = Grid(
        title, "claims", "What was claimed, and what was measured", HEADERS, tuple(map(_row, judged))
    )
    if not products:
        return (verdicts,)
    rows = tuple(_product_row(one) for one in products)
    arithmetic = Grid(
        title, "claims", "Rate times response time is requests in flight", ARITHMETIC_HEADERS, rows
    )
    return verdicts, arithmetic


def _row(one: JudgedClaim) -> tuple[Shown, ...]:
    claim = one.claim
    words = (
        claim.says,
        measure_in_words(claim),
        claimed_in_words(claim),
        wording.NOT_MEASURED if one.measured is None else _with_interval(one.measured),
        one.verdict,
        note_in_words(one),
    )
    return tuple(Shown(wording.plain(word)) for word in words)


def claimed_in_words(claim: Claim) -> str:
    """Return the claimed number or range with its unit."""
    if isinstance(claim.measure, Untestable) and not (math.isfinite(claim.low) or math.isfinite(claim.high)):
        return wording.NOT_MEASURED
    unit = f" {claim.measure.unit}" if isinstance(claim.measure, OfCell) else ""
    if claim.low == claim.high:
        return f"{claim.low:.6g}{unit}"
    if math.isinf(claim.low):
        return f"≤ {claim.high:.6g}{unit}"
    if math.isinf(claim.high):
        return f"≥ {claim.low:.6g}{unit}"
    return f"{claim.low:.6g} to {claim.high:.6g}{unit}"


def measure_in_words(claim: Claim) -> str:
    """Return how a claim is measured here, in a few words."""
    measure = claim.measure
    if isinstance(measure, OfCell):
        return f"{measure.variant}, {measure.scenario}: {measure.metric}"
    if isinstance(measure, OfPair):
        return f"{measure.variant} ÷ {measure.over}, {measure.scenario}: {measure.metric}"
    if isinstance(measure, OfBenchmark):
        return f"{measure.file}: {'.'.join(measure.key)}"
    return "nothing here"


def note_in_words(one: JudgedClaim) -> str:
    """Return why a claim is not testable, with the figures for one CPU where there are some."""
    if one.per_core is None:
        return one.why
    claimed, measured = one.per_core
    return f"{one.why}; a CPU: {claimed:.5g} claimed, {_with_interval(measured)} measured"


def _with_interval(figure: Figure) -> str:
    if figure.low is None or figure.high is None:
        return f"{figure.value:.4g}"
    return f"{figure.value:.4g} [{figure.low:.4g}, {figure.high:.4g}]"


def _product_row(one: Product) -> tuple[Shown, ...]:
    users = wording.NOT_MEASURED if one.users is None else str(one.users)
    return tuple(
        map(
            Shown,
            (
                wording.plain(f"{one.variant}, {one.scenario}"),
                f"{one.rate_per_s:.6g}",
                f"{one.response_ms:.6g}",
                f"{one.in_flight:.1f}",
                users,
            ),
        )
    )
