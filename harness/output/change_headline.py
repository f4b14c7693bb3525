"""What changed between two runs, in one sentence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from harness.ground.model import Verdict
from harness.judgement.changes import Change
from harness.judgement.comparison import ranked_by
from harness.judgement.rules import MIN_BLOCKS
from harness.output import wording


def headline(changes: Sequence[Change]) -> str:
    """Return which cells are faster or slower in the new run, on the metric that ranks, and by how much."""
    judged = ranking(changes)
    if not judged:
        return "No answer: neither run planned a cell."
    counted = Counter(change.verdict for change in judged)
    changed = [change for change in judged if change.verdict in ("faster", "slower")]
    if counted["invalid"] == len(judged):
        return "No verdict on any cell: none has a valid trial in both runs."
    if not changed and not counted["tie"]:
        return f"No verdict on any cell: one needs {MIN_BLOCKS} valid trials in both runs."
    rest = "; ".join(_rest(counted))
    if not changed:
        return f"{rest[0].upper()}{rest[1:]}."
    widest = max(changed, key=lambda change: abs((change.ratio or 1) - 1))
    if len(changed) == 1:
        told = f"{_place(widest, judged)} is {widest.verdict}: {_by_how_much(widest)}"
    else:
        told = f"{_counted(counted)}; most of all {_place(widest, judged)}: {_by_how_much(widest)}"
    return f"{told}{f'; {rest}' if rest else ''}."


def ranking(changes: Sequence[Change]) -> tuple[Change, ...]:
    """Return each cell's change on the metric that ranks under its load."""
    return tuple(change for change in changes if change.metric == ranked_by(change.load))


def _counted(counted: Counter[Verdict | None]) -> str:
    """Return `2 cells are slower and 1 is faster`."""
    parts: list[str] = []
    for verdict in ("slower", "faster"):
        if number := counted[verdict]:
            noun = "" if parts else (" cell" if number == 1 else " cells")
            parts.append(f"{number}{noun} {'is' if number == 1 else 'are'} {verdict}")
    return " and ".join(parts)


def _rest(counted: Counter[Verdict | None]) -> list[str]:
    """Return how many show no change, and how many can't be told."""
    parts = []
    if ties := counted["tie"]:
        parts.append(f"no change beyond the noise on {ties} cell{'' if ties == 1 else 's'}")
    if unknown := counted[None] + counted["invalid"]:
        parts.append(f"no verdict on {unknown}")
    return parts


def _place(change: Change, among: Sequence[Change]) -> str:
    """Return the cell in words, with its load where the scenario has several."""
    several = len({one.load for one in among if one.scenario == change.scenario}) > 1
    load = f" ({wording.load(change.load)})" if several else ""
    return f"{wording.plain(change.variant)} on {wording.plain(change.scenario)}{load}"


def _by_how_much(change: Change) -> str:
    """Return `requests/s -15.2 % (95 % interval -16.0 to -14.3)`."""
    value, low, high = (None if r is None else 100 * (r - 1) for r in (change.ratio, change.low, change.high))
    assert value is not None, "asked of what changed alone"
    interval = "" if low is None or high is None else f" (95\u00a0% interval {low:+.1f} to {high:+.1f})"
    return f"{wording.METRICS[change.metric]} {value:+.1f}\u00a0%{interval}"
