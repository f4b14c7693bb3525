"""A run's findings as lines for the terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from harness.records.summary import Summary


def in_words(summary: Summary) -> Iterator[str]:
    """Yield one line for each finding of a run, the severest first, cells that share it together."""
    order = {"invalid": 0, "warning": 1, "note": 2}
    found: dict[tuple[int, str, str], list[str]] = {}
    for cell in summary.cells:
        # A rule of two bounds may be broken twice by one cell, with the same remedy.
        for key in dict.fromkeys((order[one.severity], one.code, one.remedy) for one in cell.findings):
            found.setdefault(key, []).append(f"{cell.scenario} · {cell.variant.label}")
    names = {number: severity for severity, number in order.items()}
    for (number, code, remedy), cells in sorted(found.items()):
        loads = Counter(cells)  # a scenario and a variant have a cell for each load
        places = (f"{place} ({count} loads)" if count > 1 else place for place, count in loads.items())
        where = "all cells" if len(cells) == len(summary.cells) else ", ".join(places)
        yield f"{names[number]}: {code} ({where}): {remedy}"
