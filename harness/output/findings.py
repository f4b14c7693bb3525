"""A run's findings, each once with all its cells, and as lines for the terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from harness.ground.model import Severity
from harness.judgement.rules import BY_CODE, NOT_CHECKED
from harness.output import wording
from harness.records.summary import CellFinding, CellSummary, Summary

_SEVERITIES: tuple[Severity, ...] = ("invalid", "warning", "note")
_OF_THE_MACHINE = frozenset({"host-noise"})
"""Rules whose reasons name what else ran, which says nothing of the cell: they are told together."""
_MOST_PLACES = 4
"""Of a finding, that are named at once."""


@dataclass(frozen=True, slots=True)
class SharedFinding:
    """What the same bound of a rule found, with the same remedy, in one or more cells."""

    code: str
    severity: Severity
    threshold: str
    remedy: str
    members: tuple[tuple[CellSummary, CellFinding], ...]

    @property
    def cells(self) -> tuple[CellSummary, ...]:
        """Each cell once: what was found of the machine has several reasons in one."""
        by_key = {(one.scenario, one.load, one.variant.label): one for one, _ in self.members}
        return tuple(by_key.values())

    @property
    def places(self) -> Mapping[str, int]:
        """Each scenario with a variant, and under how many loads."""
        return Counter(f"{cell.scenario} · {wording.variant(cell.variant)}" for cell in self.cells)

    def counted(self, of: int) -> str:
        """Return `7 of 50 cells`, with `of` all cells of the run; empty where the places are few."""
        return f"{len(self.cells)} of {of} cells" if len(self.places) > _MOST_PLACES else ""


def shared_findings(summary: Summary) -> tuple[SharedFinding, ...]:
    """Return each finding of a run once; the severest first."""
    together: dict[tuple[str, Severity, str, str], list[tuple[CellSummary, CellFinding]]] = {}
    for cell in summary.cells:
        for found in cell.findings:
            own = "" if found.code in _OF_THE_MACHINE and found.figure is not None else found.remedy
            together.setdefault((found.code, found.severity, found.threshold, own), []).append((cell, found))
    shared = [
        SharedFinding(code, severity, threshold, own or _remedy(members), tuple(members))
        for (code, severity, threshold, own), members in together.items()
    ]
    return tuple(sorted(shared, key=lambda one: (_SEVERITIES.index(one.severity), one.code, one.threshold)))


def in_words(summary: Summary) -> Iterator[str]:
    """Yield one line for each finding of a run, the severest first, with the bound where a rule has more."""
    shared = shared_findings(summary)
    broken = {(one.code, one.threshold) for one in shared if not one.remedy.startswith(NOT_CHECKED)}
    bounds = Counter(code for code, _ in broken)
    for found in shared:
        where = _where(found, len(summary.cells))
        several = bounds[found.code] > 1 and (found.code, found.threshold) in broken
        bound = f", bound: {found.threshold}" if several else ""
        yield f"{found.severity}: {found.code}{bound} ({where}): {found.remedy}"


def _where(found: SharedFinding, of: int) -> str:
    """Return the places of some of all cells, or how many they are; the report names them all."""
    if len(found.cells) == of:
        return "all cells"
    told = (f"{place} ({count} loads)" if count > 1 else place for place, count in found.places.items())
    return found.counted(of) or ", ".join(told)


def _remedy(members: Sequence[tuple[CellSummary, CellFinding]]) -> str:
    """Return the remedy that they share, after all of their reasons."""
    shared = BY_CODE[members[0][1].code].remedy
    reasons = dict.fromkeys(one.remedy.removesuffix(shared).removesuffix(": ") for _, one in members)
    told = "; ".join(reason for reason in reasons if reason)
    return f"{told}: {shared}" if told else shared
