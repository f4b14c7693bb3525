"""A run in Markdown, ready to be pasted: its answer, its tables, and how far it can be trusted."""

from __future__ import annotations

from harness.output import findings, table_formats, tables
from harness.output.report.answers import answer, headline
from harness.output.standings import groups
from harness.records.summary import Summary


def headline_of(summary: Summary) -> str:
    """Return a run's answer in one sentence."""
    return headline([answer(group) for group in groups(summary)])


def to_markdown(summary: Summary) -> str:
    """Return the answer, all tables, and the findings as a list: figures never go without their doubts."""
    found = [f"- {table_formats.guarded(line)}" for line in findings.in_words(summary)]
    told = ["## Can it be trusted?", "", *(found or ["No rule was broken."]), ""]
    tabled = table_formats.to_markdown(tables.build(summary))
    return "\n".join([f"**{table_formats.guarded(headline_of(summary))}**", "", tabled, *told])
