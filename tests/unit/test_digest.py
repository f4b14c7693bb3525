"""A run in Markdown: its answer, its tables and its findings."""

from __future__ import annotations

import synthetic

from harness.judgement.judge import judge
from harness.output.findings import in_words
from harness.output.report.digest import headline_of, to_markdown


def test_figures_never_go_without_their_doubts() -> None:
    """The answer comes first, then the tables, then each finding of the run."""
    summary = judge(synthetic.recorded())
    text = to_markdown(summary)
    first, *rest = text.splitlines()
    assert first.startswith("**")
    assert headline_of(summary)[:20] in first.replace("\\", "")
    tables, _, trust = "\n".join(rest).partition("## Can it be trusted?")
    assert "### Throughput" in tables
    assert trust.count("\n- ") == len(list(in_words(summary))) > 0


def test_names_in_it_are_text() -> None:
    """A hostile name is no element of the page that it is pasted into."""
    name = "</script><img src=x onerror=alert(1)>"
    summary = judge(synthetic.run({name: synthetic.Speed(900, 900, 50)}, ("hello",), twin=None, blocks=2))
    assert "<img" not in to_markdown(summary)
