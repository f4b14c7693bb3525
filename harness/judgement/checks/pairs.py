"""The rules about pairs and cells."""

from __future__ import annotations

from collections.abc import Collection

from harness.ground.model import Finding
from harness.judgement.rules import MIN_BLOCKS, UNSTABLE_PERCENT, WIDE_BLOCKS, broken, unchecked


def tls_differs(own: Collection[str], all_agreed: Collection[str]) -> Finding | None:
    """`tls-differs`: the figure is how many there are; `own` are the cell's own."""
    if not own or len(all_agreed) < 2:
        return None
    elsewhere = sorted(set(all_agreed) - set(own))
    reason = f"{', '.join(sorted(own))} here" + (f", {', '.join(elsewhere)} elsewhere" if elsewhere else "")
    return broken("tls-differs", float(len(all_agreed)), reason=reason)


def few_blocks(blocks: int) -> Finding | None:
    """`few-blocks`: the figure is the number of blocks with a valid trial."""
    if blocks >= WIDE_BLOCKS:
        return None
    bound = (
        f">= {MIN_BLOCKS} for a verdict" if blocks < MIN_BLOCKS else f">= {WIDE_BLOCKS} for narrow intervals"
    )
    return broken("few-blocks", float(blocks), threshold=bound)


def aa_differs(ratio: float | None, low: float | None, high: float | None) -> Finding | None:
    """`aa-differs`: the figure is the distance of the A/A pair's ratio from 1, in %."""
    if ratio is None:
        return unchecked("aa-differs", "the A/A pair has no block in which both are valid")
    if low is None or high is None:
        return unchecked("aa-differs", "one block gives the A/A pair no interval")
    return broken("aa-differs", 100 * abs(ratio - 1)) if not low <= 1 <= high else None


def unstable(variation: float | None) -> Finding | None:
    """`unstable`: `variation` is a fraction; the figure is in %."""
    if variation is None:
        return unchecked("unstable", "fewer than two blocks show no variation")
    percent = 100 * variation
    return broken("unstable", percent) if percent >= UNSTABLE_PERCENT else None
