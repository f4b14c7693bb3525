"""How a run shows its progress: a live line on a terminal, a line a phase elsewhere."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.text import Text

from harness.ground.model import PlannedTrial
from harness.ground.units import format_duration, format_size
from harness.lifecycle.steps import Preparing, Second, Step, TrialBegins, TrialEnds


class Progress:
    """Shows the steps of a run on a console; use as a context."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = (
            Live(console=console, transient=True, auto_refresh=False) if console.is_terminal else None
        )
        self._begun: TrialBegins | None = None

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def tell(self, step: Step) -> None:
        """Show one step."""
        if isinstance(step, TrialBegins):
            self._begun = step
        line = in_words(step, self._begun)
        lasting = isinstance(step, TrialEnds | Preparing)
        if self._live is None:
            if lasting:
                self._console.print(line, highlight=False)
        elif lasting:
            self._live.console.print(line, highlight=False)
        else:
            self._live.update(line, refresh=True)


def in_words(step: Step, begun: TrialBegins | None) -> Text:
    """Return a step as one line; `begun` is the trial that is going on."""
    if isinstance(step, Preparing):
        return Text(f"· {step.text}", style="dim")
    if isinstance(step, TrialBegins):
        return Text(f"{_place(step)}  {_cell(step.trial)}  starting  ({format_duration(step.left_s)} left)")
    assert begun is not None
    if isinstance(step, TrialEnds):
        style = "" if step.valid else "red"
        return Text(f"{_place(begun)}  {_cell(step.trial)}  {step.text}", style=style)
    return Text(f"{_place(begun)}  {_cell(begun.trial)}  {_live(step)}  ({_left(begun, step)} left)")


def _place(begun: TrialBegins) -> str:
    return f"trial {begun.position:>{len(str(begun.of))}}/{begun.of}"


def _cell(trial: PlannedTrial) -> str:
    twin = " (twin)" if trial.cell.replica else ""
    return f"block {trial.block}  {trial.cell.scenario} · {trial.cell.variant}{twin}"


def _live(step: Second) -> str:
    phase = "warm-up" if step.second < 0 else f"second {step.second + 1}"
    parts = [phase, f"{step.requests} requests/s"]
    if step.p99_ms is not None:
        parts.append(f"p99 {step.p99_ms:.0f} ms")
    if step.cpu_cores is not None:
        parts.append(f"{step.cpu_cores:.2f} CPUs")
    if step.memory_bytes is not None:
        parts.append(format_size(step.memory_bytes))
    if step.errors:
        parts.append(f"{step.errors} errors")
    return " · ".join(parts)


def _left(begun: TrialBegins, step: Second) -> str:
    return format_duration(begun.left_s - max(0, step.second))
