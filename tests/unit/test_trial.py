from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import pytest

from harness.ground.model import Timing
from harness.ground.observations import Counters
from harness.lifecycle import trial
from harness.machine.backends.backend import Look
from harness.machine.generator import Told


@dataclass
class Clock:
    """A clock on which only waiting takes time."""

    now: int = 0

    def now_ns(self) -> int:
        """Return the time."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.now += int(seconds * 1e9)


@dataclass
class Party:
    """A party whose end is somebody's to decide."""

    exit: int | None = None
    on_look: Any = lambda: None

    def look(self) -> Look:
        """Look; what happens meanwhile happens first."""
        self.on_look()
        return Look(Counters(0), (), self.exit)


@dataclass
class Generator:
    """A generator that is done, and has ended, at the moment at which it is looked at."""

    says_done: bool
    party: Party = field(default_factory=Party)
    told: list[Told] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.party.on_look = self._end

    def _end(self) -> None:
        if self.says_done and self.party.exit is None:
            self.told.append(Told("done", {}))
        self.party.exit = 0

    def listen(self) -> tuple[Told, ...]:
        """Return what was told since the last call."""
        told, self.told = tuple(self.told), []
        return told

    def why(self) -> str:
        """Return the end of its log."""
        return "its log"


def follow(generator: Generator) -> None:
    """Follow a generator beside a SUT that runs."""
    bench = SimpleNamespace(clock=Clock(), job=SimpleNamespace(timing=Timing(1, 2)))
    sampler = SimpleNamespace(take_due=lambda: None, due_ns=None, samples=[])
    trial._follow(cast(Any, bench), cast(Any, generator), cast(Any, Party()), cast(Any, sampler), print)


def test_a_generator_that_ends_right_after_its_last_word_was_done() -> None:
    """That it has ended is looked at before it is heard, so its `done` is never missed."""
    follow(Generator(says_done=True))


def test_a_generator_that_ends_without_a_word_spoils_its_trial() -> None:
    """An end before the work was done is the trial's reason, and a process that was lost."""
    with pytest.raises(
        trial._Spoiled, match="the generator ended with status 0 before its work was done"
    ) as lost:
        follow(Generator(says_done=False))
    assert lost.value.workers_lost == 1


def test_lost_workers_are_counted_with_the_reason() -> None:
    """What the generator tells as its failure is the reason as it stands, with the workers it lost."""
    generator = Generator(says_done=False)
    generator.told.append(Told("failed", {"why": "1 of 2 workers are lost", "workers_lost": 1}))
    with pytest.raises(trial._Spoiled, match=r"^1 of 2 workers are lost$") as spoiled:
        follow(generator)
    assert spoiled.value.workers_lost == 1
