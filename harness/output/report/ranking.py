"""Who stands where on every scenario: rank intervals, and what limited each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.output import wording
from harness.output.standings import Group, ranks_of


@dataclass(frozen=True, slots=True)
class Rank:
    """One variant on one scenario and load."""

    text: str
    limiter: str
    """Empty where the variant has no such cell."""
    track: tuple[int, int] | None
    """The first and the last place that it may have; None where it is not ranked."""
    of: int
    """How many are ranked."""


def rank_rows(groups: Sequence[Group]) -> tuple[tuple[str, tuple[Rank, ...]], ...]:
    """Return for each variant, by its name, where it stands in each group."""
    labels = sorted({cell.variant.label for group in groups for cell in group.cells})
    columns = [_column(group) for group in groups]
    nowhere = Rank(wording.NOT_MEASURED, "", None, 0)
    return tuple(
        (wording.plain(label), tuple(column.get(label, nowhere) for column in columns)) for label in labels
    )


def _column(group: Group) -> dict[str, Rank]:
    ranks = ranks_of(group)
    return {
        cell.variant.label: Rank(
            text=wording.rank(ranks.get(cell.variant.label)) if cell.valid_trials else "invalid",
            limiter=cell.limiter,
            track=ranks.get(cell.variant.label),
            of=len(ranks),
        )
        for cell in group.cells
    }
