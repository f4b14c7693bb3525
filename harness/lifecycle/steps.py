"""What a run tells about itself while it goes on; showing it is for `harness.output.progress`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from harness.ground.model import PlannedTrial


@dataclass(frozen=True, slots=True)
class Preparing:
    """Something that comes before the first trial."""

    text: str


@dataclass(frozen=True, slots=True)
class TrialBegins:
    """A trial starts its SUT."""

    trial: PlannedTrial
    position: int
    """From 1, among the trials that this run has to do."""
    of: int
    left_s: float
    """The estimated time to the end of the run, this trial included."""


@dataclass(frozen=True, slots=True)
class Second:
    """One second of the load has passed."""

    second: int
    """0 is the window's first; negative in the warm-up."""
    requests: int
    errors: int
    p99_ms: float | None
    cpu_cores: float | None
    memory_bytes: int | None


@dataclass(frozen=True, slots=True)
class TrialEnds:
    """A trial has been persisted."""

    trial: PlannedTrial
    text: str
    """Its outcome in a few words."""
    valid: bool


Step = Preparing | TrialBegins | Second | TrialEnds
Tell = Callable[[Step], None]
