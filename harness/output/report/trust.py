"""How far a run can be trusted, gathered from its cells: findings, noise, limiters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from harness.ground.model import Severity
from harness.judgement.comparison import METRICS, is_twin, ranked_by
from harness.judgement.rules import BY_CODE, NOT_CHECKED
from harness.output import wording
from harness.output.findings import SharedFinding, shared_findings
from harness.output.standings import Group
from harness.records.summary import CellFinding, CellSummary, Figure, Resource, Summary


@dataclass(frozen=True, slots=True)
class FindingRow:
    """A finding and all the cells that share it."""

    code: str
    severity: Severity
    rule: str
    where: str
    counted: str
    """How many cells of how many, where these are too many to be read at once."""
    figure: str
    threshold: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Noise:
    """The floor of one metric on one scenario, and the A/A pair that it may come from."""

    scenario: str
    metric: str
    floor: str
    twins: str


@dataclass(frozen=True, slots=True)
class ResourceRow:
    """What one cell's resources did: how far each was used, and what waited or failed."""

    scenario: str
    load: str
    variant: str
    fields: tuple[tuple[str, str], ...]
    """By resource, in the order of `RESOURCES`: utilisation, and saturation and errors in words."""


RESOURCES = {
    "sut-cpu": "SUT's CPU",
    "sut-quota": "its quota",
    "sut-memory": "its memory",
    "listen-queue": "listen queues",
    "service-cpu": "services' CPU",
    "generator-cpu": "generator's CPU",
    "host-cpu": "SUT's CPU by others",
}


def resources(groups: Iterable[Group]) -> tuple[ResourceRow, ...]:
    """Return a row for each cell with a valid trial."""
    return tuple(
        ResourceRow(
            group.scenario,
            group.load,
            wording.plain(cell.variant.label),
            tuple(_use({one.resource: one for one in cell.resources}.get(name)) for name in RESOURCES),
        )
        for group in groups
        for cell in group.cells
        if cell.resources
    )


def _use(one: Resource | None) -> tuple[str, str]:
    if one is None:
        return wording.NOT_MEASURED, ""
    words = []
    if one.saturation_percent is not None:
        words.append(
            f"{'runs out' if one.resource == 'sut-quota' else 'waits'} {_percent(one.saturation_percent)}"
        )
    if one.errors is not None:
        words.append(f"{one.errors.value:g} errors")
    return _percent(one.utilisation_percent), ", ".join(words)


def _percent(figure: Figure | None) -> str:
    return wording.NOT_MEASURED if figure is None else f"{figure.value:.1f} %"


def limiters(groups: Iterable[Group]) -> tuple[tuple[str, int], ...]:
    """Return what limited the cells, and how many each; the most frequent first."""
    counted = Counter(cell.limiter for group in groups for cell in group.cells if cell.trials)
    return tuple(sorted(counted.items(), key=lambda item: (-item[1], item[0])))


def findings(summary: Summary) -> tuple[tuple[FindingRow, ...], tuple[FindingRow, ...]]:
    """Return what was found, and what could not be checked, each finding once."""
    rows = [_row(found, len(summary.cells)) for found in shared_findings(summary)]
    unchecked = tuple(row for row in rows if row.remedy.startswith(NOT_CHECKED))
    return tuple(row for row in rows if row not in unchecked), unchecked


def noise(summary: Summary, groups: Iterable[Group]) -> tuple[Noise, ...]:
    """Return the floor of every compared metric of every scenario."""
    rows = []
    for group in groups:
        for metric in METRICS:
            floors = [one.floor for one in group.compared if one.metric == metric]
            if floors:
                twins = _twins(summary, group, metric)
                rows.append(
                    Noise(group.scenario, wording.METRICS[metric], f"{100 * max(floors):.1f} %", twins)
                )
    return tuple(rows)


def widest_floor(summary: Summary) -> str:
    """Return the greatest floor of the metrics that rank in %, a dash where nothing was compared."""
    floors = [one.floor for one in summary.comparisons if one.metric == ranked_by(one.load)]
    return f"{100 * max(floors):.1f} %" if floors else wording.NOT_MEASURED


def _twins(summary: Summary, group: Group, metric: str) -> str:
    if not group.cells:
        return wording.NOT_MEASURED
    here = (group.cells[0].scenario, group.cells[0].load, metric)
    pairs = [
        f"{wording.plain(one.base)}: {wording.ratio_with_interval(one.ratio, one.low, one.high)}"
        for one in summary.comparisons
        if (one.scenario, one.load, one.metric) == here
        and one.ratio is not None
        and is_twin(one.contender, one.base)
    ]
    return "; ".join(pairs) or wording.NOT_MEASURED


def _row(found: SharedFinding, all_cells: int) -> FindingRow:
    of_rows: dict[tuple[str, str], list[tuple[CellSummary, CellFinding]]] = {}
    for cell, own in found.members:
        of_rows.setdefault((cell.variant.label, cell.scenario), []).append((cell, own))
    places = "; ".join(_place(own) for own in of_rows.values())
    where = "all cells" if len(found.cells) == all_cells > 1 else places
    figures = [own.figure for _, own in found.members if own.figure is not None]
    rule = BY_CODE.get(found.code)
    worst = min if rule is not None and rule.lower_is_worse else max
    return FindingRow(
        code=wording.plain(found.code),
        severity=found.severity,
        rule=rule.rule if rule else "",
        where=where,
        counted="" if where == "all cells" else found.counted(all_cells),
        figure=f"{worst(figures):.3g}" if figures else wording.NOT_MEASURED,
        threshold=wording.plain(found.threshold),
        remedy=wording.plain(found.remedy),
    )


def _place(members: list[tuple[CellSummary, CellFinding]]) -> str:
    """Return the place of a variant's cells on a scenario, of which there is one for each load."""
    cell = members[0][0]
    loads = len({cell.load for cell, _ in members})
    trials = sorted({number for _, found in members for number in found.trials})
    more = [f"{loads} loads"] if loads > 1 else []
    if trials:
        more.append(f"trial{'s' if len(trials) > 1 else ''} {', '.join(map(str, trials))}")
    told = f" ({'; '.join(more)})" if more else ""
    return f"{wording.variant(cell.variant)} on {wording.plain(cell.scenario)}{told}"
