"""A run's findings as lines for the terminal."""

from __future__ import annotations

from collections.abc import Iterator

from harness.records.summary import Summary


def in_words(summary: Summary) -> Iterator[str]:
    """Yield one line for each finding of a run, the severest first, cells that share it together."""
    order = {"invalid": 0, "warning": 1, "note": 2}
    found: dict[tuple[int, str, str], list[str]] = {}
    for cell in summary.cells:
        for finding in cell.findings:
            key = (order[finding.severity], finding.code, finding.remedy)
            found.setdefault(key, []).append(f"{cell.scenario} · {cell.variant.label}")
    names = {number: severity for severity, number in order.items()}
    for (number, code, remedy), cells in sorted(found.items()):
        where = "all cells" if len(cells) == len(summary.cells) else ", ".join(cells)
        yield f"{names[number]}: {code} ({where}): {remedy}"
