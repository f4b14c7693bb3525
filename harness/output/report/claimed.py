"""An article's claims about what a run measured, with their verdicts."""

from __future__ import annotations

from dataclasses import dataclass

from harness.ground.model import Caps
from harness.judgement.claims import judge_claims
from harness.output import claim_tables, wording
from harness.output.grids import Grid
from harness.records.claims import Claims, OfCell, OfPair
from harness.records.summary import Summary


@dataclass(frozen=True, slots=True)
class Claimed:
    """What the page says of a file of claims."""

    source: str
    grid: Grid
    """The claims of which the run has a figure; what a benchmark measured is none of its own."""
    rest: int
    """The number of all other claims."""


def claimed(claims: Claims | None, summary: Summary, caps: Caps) -> Claimed | None:
    """Return the claims that a run says something of; None where there are none."""
    if claims is None:
        return None
    own = [one for one in claims.claims if isinstance(one.measure, OfCell | OfPair)]
    told = [one for one in judge_claims(own, summary, caps, {}) if one.measured is not None]
    if not told:
        return None
    grid, *_ = claim_tables.build(claims, told, ())
    return Claimed(wording.plain(claims.source), grid, len(claims.claims) - len(told))
