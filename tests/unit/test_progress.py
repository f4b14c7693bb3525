import io

import pytest
from rich.console import Console

from harness.ground.model import Cell, Load, PlannedTrial
from harness.lifecycle.steps import Preparing, Second, Step, TrialBegins, TrialEnds
from harness.output.progress import Progress

TRIAL = PlannedTrial(3, 2, Cell("flask-gunicorn", "hello", Load("closed", 1000)))
TWIN = PlannedTrial(4, 2, Cell("flask-gunicorn", "hello", Load("closed", 1000), replica=1))
STEPS: tuple[Step, ...] = (
    Preparing("starting postgres"),
    TrialBegins(TRIAL, 3, 12, 130.0),
    Second(-1, 3100, 0, None, None, None),
    Second(0, 3540, 0, 312.4, 0.98, 52 << 20),
    Second(1, 3541, 7, 318.6, 0.99, 53 << 20),
    TrialEnds(TRIAL, "3540 requests/s", valid=True),
    TrialBegins(TWIN, 4, 12, 118.0),
    TrialEnds(TWIN, "invalid: errors", valid=False),
)


def shown(*, terminal: bool, steps: tuple[Step, ...] = STEPS) -> str:
    """Return what a console of 160 columns gets."""
    out = io.StringIO()
    console = Console(file=out, width=160, force_terminal=terminal, color_system=None, legacy_windows=False)
    with Progress(console) as progress:
        for step in steps:
            progress.tell(step)
    return out.getvalue()


def test_without_a_terminal_there_is_a_line_a_phase() -> None:
    """In a log each preparation and each finished trial is one plain line; seconds are left out."""
    assert shown(terminal=False).splitlines() == [
        "· starting postgres",
        "trial  3/12  block 2  hello · flask-gunicorn  3540 requests/s",
        "trial  4/12  block 2  hello · flask-gunicorn (twin)  invalid: errors",
    ]


def test_on_a_terminal_the_current_second_is_shown_with_the_time_left() -> None:
    """The live line has the phase, rate, p99, CPU, memory, errors and the time left, then makes way."""
    text = shown(terminal=True)
    assert "trial  3/12  block 2  hello · flask-gunicorn  starting  (2 min 10 s left)" in text
    assert "warm-up · 3100 requests/s" in text
    assert "second 1 · 3540 requests/s · p99 312 ms · 0.98 CPUs · 52.0 MiB" in text
    assert (
        "second 2 · 3541 requests/s · p99 319 ms · 0.99 CPUs · 53.0 MiB · 7 errors  (2 min 09 s left)" in text
    )
    last = text.rstrip().splitlines()[-1]
    assert "\x1b[?25h" in text  # the cursor is back
    assert "starting" not in last.rpartition("\x1b[2K")[2]  # the live line is wiped


def test_the_live_line_ends_with_an_error_too() -> None:
    """A run that is interrupted leaves the terminal as it was."""
    out = io.StringIO()
    console = Console(file=out, width=100, force_terminal=True, color_system=None)

    def work() -> None:
        with Progress(console) as progress:
            progress.tell(STEPS[1])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work()
    assert "\x1b[?25h" in out.getvalue()


def test_words_in_brackets_are_shown_as_they_are() -> None:
    """What a variant prints is text, never markup."""
    assert "[red]x[/red]" in shown(terminal=False, steps=(Preparing("[red]x[/red]"),))
