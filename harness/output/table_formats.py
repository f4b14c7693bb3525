"""Tables as Markdown, CSV and for the terminal. Foreign text is guarded for each."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import get_args

import pandas as pd
from rich import box
from rich.table import Table as RichTable
from rich.text import Text

from harness.output import wording
from harness.output.grids import Grid, Kind, Shown, Table
from harness.output.tables import TITLES

LEGEND = (
    "Figures are means over valid trials; ± and [ ] are 95 % intervals (Student's t over trials, ratios "
    "paired by block). The best is marked where the difference is significant and past the noise floor. "
    "– was not measured."
)
_MARKDOWN = re.compile(r"([\\`*_\[\]|~])")
WORDS = (
    "variant",
    "limiter",
    "valid trials",
    "metric",
    "verdict",
    "course",
    "change since",
    "claim",
    "measured here as",
    "note",
    "varied",
    "peak",
    "fit",
)
"""The columns that hold no figures."""
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def to_markdown(tables: Sequence[Grid], legend: str = LEGEND) -> str:
    """Return all tables under a heading for each scenario and load; the best in bold."""
    lines: list[str] = []
    group = None
    for table in tables:
        if (table.scenario, table.load) != group:
            group = (table.scenario, table.load)
            lines += [f"## {guarded(table.scenario)} ({guarded(table.load)})", ""]
        lines += [f"### {table.title}", "", *_markdown_rows(table), ""]
    return "\n".join([*lines, legend, ""])


def to_csv(tables: Sequence[Table], kind: Kind) -> str:
    """Return one kind of table over all scenarios, with the bounds of every interval as columns.

    Text that a spreadsheet would take for a formula is led by an apostrophe; numbers stay numbers.
    """
    frames = [table.frame for table in tables if table.kind == kind]
    if not frames:
        return ""
    records = [record for frame in frames for record in frame.to_dict("records")]
    columns = list(dict.fromkeys(name for frame in frames for name in frame.columns))
    whole = {name for name in columns if name in ("rank from", "rank to", "trials", "valid trials")}
    guarded = [{str(k): _cell(v, whole=k in whole) for k, v in record.items()} for record in records]
    return pd.DataFrame(guarded, columns=columns, dtype=object).to_csv(index=False, lineterminator="\n")


CSV_NAMES = tuple(f"{kind}.csv" for kind in get_args(Kind))
"""Of the tables that a run may have."""


def csv_files(tables: Sequence[Table]) -> dict[str, str]:
    """Return the text of each CSV file by its name; those of curves are there where there are curves."""
    kinds = dict.fromkeys((*TITLES, *(table.kind for table in tables)))
    return {f"{kind}.csv": to_csv(tables, kind) for kind in kinds}


_MOST_WHOLE = 32
"""Figures and names of variants are shown whole up to here, whatever else must be folded: half a figure
would be read as another one."""


def to_rich(table: Grid) -> RichTable:
    """Return a table for the terminal; nothing in it is taken for markup."""
    rich = RichTable(
        title=Text(f"{table.scenario} ({table.load}): {table.title}"),
        title_justify="left",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    for index, header in enumerate(table.headers):
        longest = max((len(_styled(row[index])) for row in table.rows), default=0)
        longest = max(longest, *map(len, header.split()))
        whole = index == 0 or not _is_text(table, index)
        rich.add_column(
            Text(header),
            justify="left" if _is_text(table, index) else "right",
            min_width=min(longest, _MOST_WHOLE) if whole else None,
        )
    for row in table.rows:
        rich.add_row(*(_styled(shown) for shown in row))
    return rich


def _markdown_rows(table: Grid) -> list[str]:
    rules = [":--" if _is_text(table, index) else "--:" for index in range(len(table.headers))]
    rows = [[_bold(shown) for shown in row] for row in table.rows]
    lines = [[guarded(header) for header in table.headers], rules, *rows]
    return [f"| {' | '.join(line)} |" for line in lines]


def _bold(shown: Shown) -> str:
    return f"**{guarded(shown.text)}**" if shown.best else guarded(shown.text)


def guarded(text: str) -> str:
    """Return text that Markdown takes for text, also where it allows HTML."""
    escaped = _MARKDOWN.sub(r"\\\1", wording.plain(text))
    return escaped.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _cell(value: object, *, whole: bool) -> object:
    if isinstance(value, str):
        clean = wording.plain(value)
        return f"'{clean}" if clean.lstrip().startswith(_FORMULA) else clean
    if value is None or value != value:  # a NaN is what pandas makes of None
        return ""
    return int(float(str(value))) if whole else value


def _styled(shown: Shown) -> Text:
    text = wording.plain(shown.text)
    return Text(f"{text} *", style="bold green") if shown.best else Text(text)


def _is_text(table: Grid, index: int) -> bool:
    return table.headers[index] in WORDS
