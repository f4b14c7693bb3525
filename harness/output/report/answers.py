"""What a run says, in sentences: who is fastest, by how much, or why there is no answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from harness.judgement.comparison import GIVEN, blocks_to_find
from harness.judgement.rules import MIN_BLOCKS
from harness.output import wording
from harness.output.standings import Group, between, figure_of, ranks_of
from harness.records.summary import CellSummary, Comparison

_MEDIAN, _TAIL = "response_ms.p50", "response_ms.p99"
_HAD = {GIVEN: "served", _MEDIAN: "had"}
_WHAT = {GIVEN: "requests/s", _MEDIAN: "p50"}
_THAT = {GIVEN: "those", _MEDIAN: "that"}
"""How a sentence speaks of the metrics that rank."""


SMALL = 0.05
"""The difference for which the report says how many blocks would find it."""
MOST_TOLD = 4
"""With more scenarios the headline names who leads where, and leaves the factors to the answers below it."""


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
    """Return who is fastest on the metric that ranks, by what factor, or why nobody is."""
    late = _late(group)

    def said(
        sentence: str, tone: Literal["verdict", "tie", "open"], fastest: str | None = None, lead: str = ""
    ) -> Answer:
        return Answer(group.scenario, group.load, f"{sentence}{late}", tone, fastest, lead)

    ranked = group.ranked
    if not ranked:
        return said("No answer: no cell has a valid trial.", "open")
    top = ranked[0].variant.label
    if len(ranked) == 1:
        return said(
            f"{_name(top)} {_figure(group, ranked[0])}; there is no valid other to compare with.", "open"
        )
    second = ranked[1].variant.label
    pair = between(group, second, top, group.metric)
    if pair is None:
        return said("No answer: the two fastest have no block in which both are valid.", "open")
    ratio = f"{_factor(pair)} the {_WHAT[group.metric]} of {_name(second)}"
    had = _HAD[group.metric]
    if pair.verdict is None:
        return said(
            f"No verdict: fewer than {MIN_BLOCKS} blocks have both valid ({pair.blocks}). "
            f"{_name(top)} {had} {ratio}, which so few blocks can't confirm.",
            "open",
        )
    ranks = ranks_of(group)
    if ranks[top] == (1, 1):
        tail = _at_the_tail(group, second, top)
        return said(f"{_name(top)} is fastest: {ratio}, the next{tail}.", "verdict", top, _lead(pair))
    sharing = [cell.variant.label for cell in ranked if ranks[cell.variant.label][0] == 1]
    behind = [cell.variant.label for cell in ranked if cell.variant.label not in sharing]
    untold = [label for label in sharing if _untold(group, top, label)]
    few = f" Too few blocks for a verdict on {_listed([_name(one) for one in untold])}." if untold else ""
    tied = [label for label in sharing if label not in untold]
    if tied == [top]:
        return said(f"{_name(top)} {had} {ratio}.{few}", "open")
    sharers = _listed([_name(label) for label in tied])
    sentence = f"A tie at the top between {sharers}: {_name(top)} {had} {ratio}, which is within the noise"
    return said(f"{sentence}{_after(group, top, behind)}.{_needed(pair)}{few}", "tie")


def _untold(group: Group, top: str, label: str) -> bool:
    """Tell whether another one was not judged against the first; that is no tie."""
    pair = between(group, label, top, group.metric) if label != top else None
    return label != top and (pair is None or pair.verdict is None)


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
            return "No verdict on any scenario."
        return "No variant is fastest beyond the noise on any scenario."
    wins = "; ".join(_wins(name, won, answers) for name, won in leads.items())
    rest = _places([one for one in answers if one.fastest is None], answers)
    return f"{wins}{f'; no single fastest on {_listed(rest)}' if rest else ''}."


def _wins(name: str, won: Sequence[Answer], answers: Sequence[Answer]) -> str:
    scenarios = {one.scenario for one in answers}
    if len(answers) > MOST_TOLD:
        where = _places(won, answers)
    elif len(scenarios) == len(answers):
        where = [f"{one.scenario} ({one.lead})" for one in won]
    else:
        where = [f"{one.scenario}, {one.load} ({one.lead})" for one in won]
    everywhere = f" all {len(scenarios)} scenarios:" if len(won) == len(scenarios) == len(answers) else ""
    return f"{_name(name)} is fastest on{everywhere} {_listed(where)}"


def _places(some: Sequence[Answer], answers: Sequence[Answer]) -> list[str]:
    """Return the scenarios of some answers, each once, with how many of its loads these are of."""
    asked = Counter(one.scenario for one in answers)
    found = Counter(one.scenario for one in some)

    def place(name: str) -> str:
        if asked[name] == 1:
            return name
        of = "all" if found[name] == asked[name] else f"{found[name]} of"
        return f"{name} ({of} {asked[name]} loads)"

    return [place(name) for name in found]


def _factor(pair: Comparison) -> str:
    """Return `2.08 times (95 % interval 2.06 to 2.10)`."""
    interval = _interval(pair)
    return f"{_times(pair)} ({interval})" if interval else _times(pair)


def _lead(pair: Comparison) -> str:
    """Return `2.08 times the next, 95 % interval 2.06 to 2.10`."""
    of = "the next" if pair.metric == GIVEN else f"the next one's {_WHAT[pair.metric]}"
    return f"{_times(pair)} {of}, {_interval(pair)}"


def _times(pair: Comparison) -> str:
    assert pair.ratio is not None, "asked of measured pairs alone"
    return f"{wording.number(pair.ratio, 2)} times"


def _interval(pair: Comparison) -> str:
    if pair.low is None or pair.high is None:
        return ""
    return f"95\u00a0% interval {wording.number(pair.low, 2)} to {wording.number(pair.high, 2)}"


def _needed(pair: Comparison) -> str:
    """Return how many blocks would find a small difference between the two fastest, if not these."""
    blocks = blocks_to_find(SMALL, pair)
    if blocks is None or blocks <= pair.blocks:
        return ""
    return f" With this noise about {blocks} blocks would find a difference of {100 * SMALL:g}\u00a0%."


def _after(group: Group, top: str, behind: Sequence[str]) -> str:
    """Return how far the first one behind the tie is."""
    pair = between(group, behind[0], top, group.metric) if behind else None
    if pair is None:
        return ""
    return f"; {_name(top)} {_HAD[group.metric]} {_factor(pair)} {_THAT[group.metric]} of {_name(behind[0])}"


def _figure(group: Group, cell: CellSummary) -> str:
    figure = wording.figure_with_interval(figure_of(cell, group.metric))
    return f"had a p50 of {figure} ms" if group.metric == _MEDIAN else f"served {figure} requests/s"


def _at_the_tail(group: Group, base: str, contender: str) -> str:
    """Return how the p99 compare where the p50 ranks: the same answer is not sure there."""
    pair = between(group, base, contender, _TAIL) if group.metric == _MEDIAN else None
    if pair is None:
        return ""
    return f"; at p99 {_factor(pair)}{', which is within the noise' if pair.verdict == 'tie' else ''}"


def _late(group: Group) -> str:
    """Return who did not keep up with a given rate in any trial, for reasons of its own."""
    late = [
        _name(cell.variant.label)
        for cell in group.cells
        if cell.limiter != "generator"
        and any(
            found.code == "rate-not-reached" and len(found.trials) == cell.trials for found in cell.findings
        )
    ]
    return f" {_listed(late)} did not keep up with the rate." if late else ""


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _name(label: str) -> str:
    return wording.plain(label)
