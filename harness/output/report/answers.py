"""What a run says, in sentences: who is fastest, by how much, or why there is no answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from harness.judgement.rules import MIN_BLOCKS
from harness.output import wording
from harness.output.standings import Group, between, ranks_of
from harness.records.summary import Comparison

RATE = "requests_per_s"


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer on one scenario and load."""

    scenario: str
    load: str
    sentence: str
    tone: Literal["verdict", "tie", "open"]
    """`open` where there is no verdict."""
    fastest: str | None
    """The variant that is alone at the top."""
    lead: str
    """Its factor over the next, with the interval; empty where nobody is alone at the top."""


def answer(group: Group) -> Answer:
    """Return who is fastest on requests/s, by what factor, or why nobody is."""

    def said(
        sentence: str, tone: Literal["verdict", "tie", "open"], fastest: str | None = None, lead: str = ""
    ) -> Answer:
        return Answer(group.scenario, group.load, sentence, tone, fastest, lead)

    ranked = group.ranked
    if not ranked:
        return said("No answer: no cell has a valid trial.", "open")
    top = ranked[0].variant.label
    if len(ranked) == 1:
        figure = wording.figure_with_interval(ranked[0].requests_per_s)
        return said(
            f"{_name(top)} served {figure} requests/s; there is no valid other to compare with.", "open"
        )
    second = ranked[1].variant.label
    pair = between(group, second, top, RATE)
    if pair is None:
        return said("No answer: the two fastest have no block in which both are valid.", "open")
    ratio = f"{_factor(pair)} the requests/s of {_name(second)}"
    if pair.verdict is None:
        return said(
            f"No verdict: fewer than {MIN_BLOCKS} blocks ({pair.blocks}). {_name(top)} served {ratio}, "
            "which so few blocks can't confirm.",
            "open",
        )
    ranks = ranks_of(group, RATE)
    if ranks[top] == (1, 1):
        return said(f"{_name(top)} is fastest: {ratio}, the next.", "verdict", top, _lead(pair))
    tied = [cell.variant.label for cell in ranked if ranks[cell.variant.label][0] == 1]
    behind = [cell.variant.label for cell in ranked if cell.variant.label not in tied]
    sharers = _listed([_name(label) for label in tied])
    sentence = f"A tie at the top between {sharers}: {_name(top)} served {ratio}, which is within the noise"
    return said(f"{sentence}{_after(group, top, behind)}.", "tie")


def headline(answers: Sequence[Answer]) -> str:
    """Return the run's answer in one sentence."""
    if not answers:
        return "No answer: the run has no cell."
    if len(answers) == 1:
        return answers[0].sentence
    leads: dict[str, list[Answer]] = {}
    for one in answers:
        if one.fastest is not None:
            leads.setdefault(one.fastest, []).append(one)
    if not leads:
        if all(one.tone == "open" for one in answers):
            return "No verdict on any scenario; below is why."
        return "No variant is fastest beyond the noise on any scenario."
    wins = "; ".join(_wins(name, won, len(answers)) for name, won in leads.items())
    rest = [one.scenario for one in answers if one.fastest is None]
    return f"{wins}{f'; no single fastest on {_listed(rest)}' if rest else ''}."


def _wins(name: str, won: Sequence[Answer], scenarios: int) -> str:
    where = [f"{one.scenario} ({one.lead})" for one in won]
    everywhere = f" all {scenarios} scenarios:" if len(won) == scenarios else ""
    return f"{_name(name)} is fastest on{everywhere} {_listed(where)}"


def _factor(pair: Comparison) -> str:
    """Return `2.08 times (95 % interval 2.06 to 2.10)`."""
    interval = _interval(pair)
    return f"{_times(pair)} ({interval})" if interval else _times(pair)


def _lead(pair: Comparison) -> str:
    """Return `2.08 times the next, 95 % interval 2.06 to 2.10`."""
    return f"{_times(pair)} the next, {_interval(pair)}"


def _times(pair: Comparison) -> str:
    assert pair.ratio is not None, "asked of measured pairs alone"
    return f"{wording.number(pair.ratio, 2)} times"


def _interval(pair: Comparison) -> str:
    if pair.low is None or pair.high is None:
        return ""
    return f"95\u00a0% interval {wording.number(pair.low, 2)} to {wording.number(pair.high, 2)}"


def _after(group: Group, top: str, behind: Sequence[str]) -> str:
    """Return how far the first one behind the tie is."""
    pair = between(group, behind[0], top, RATE) if behind else None
    return f"; {_name(top)} served {_factor(pair)} those of {_name(behind[0])}" if pair else ""


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _name(label: str) -> str:
    return wording.plain(label)
