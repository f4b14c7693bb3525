"""The page of all runs, `reports/index.html`: what each one says, with a link to its report."""

from __future__ import annotations

from pathlib import Path

from harness.output.report import embedded
from harness.output.report.shelf import PAGE, Shelf, found_in
from harness.records.disk import MAKE_ROOM, write, writing
from harness.records.store import Results


def write_overview(reports: Path, results: Results) -> Path:
    """Write the page anew from what lies in both folders; return its path.

    Raises EnvironmentUnfit where the folder can't be written.
    """
    with writing(reports, MAKE_ROOM):
        reports.mkdir(parents=True, exist_ok=True)
        write(reports / PAGE, overview(found_in(reports, results)).encode())
    return reports / PAGE


def overview(shelf: Shelf) -> str:
    """Return the page; everything that comes from a summary or a record is escaped data."""
    return embedded.rendered(
        "overview.html",
        embedded.own("overview.js"),
        f"{embedded.style()}\n{embedded.own('overview.css')}",
        shelf=shelf,
        choices=(
            ("suite", sorted({entry.suite for entry in shelf.entries})),
            ("variant", sorted({name for entry in shelf.entries for name in entry.variants})),
            ("state", sorted({entry.state for entry in shelf.entries})),
        ),
    )
