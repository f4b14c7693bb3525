"""The nouns of a run: what is compared, under which load, and on which part of the machine.

Frozen records without behaviour. A number's name carries its unit.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

NO_FRAMEWORK = "none"
"""The `framework` of a null SUT: canned replies, held to no contract and part of no comparison."""

Setting = str | int
Profile = Literal["closed", "rate", "capacity"]
Network = Literal["host", "bridge"]
Severity = Literal["invalid", "warning", "note"]
Limiter = Literal["sut-cpu", "service-cpu", "generator", "schedule", "waiting", "memory", "errors", "unknown"]
Verdict = Literal["faster", "slower", "tie", "invalid"]


@dataclass(frozen=True, slots=True)
class Variant:
    """One folder of `apps/`: a framework on a server with settings."""

    id: str
    """The folder's name, behind it the checkout where one of ours has that name too (`~`), and then what was
    wished for otherwise than its manifest says."""
    folder: str
    """The folder's absolute path."""
    framework: str
    language: str
    server: str
    interface: str
    concurrency: str
    tuning: Literal["default", "tuned"]
    start: tuple[str, ...]
    """The argument list, with placeholders still in it."""
    settings: Mapping[str, Setting] = field(default_factory=dict)
    """Placeholders of the variant's own; a value may itself hold `{cpus}`."""
    requirements: str | None = None
    """The requirements file, relative to the folder."""
    python: str | None = None
    """The Python version that it wants, such as `3.13`; the harness's own where None."""
    setup: tuple[str, ...] = ()
    """An argument list that prepares a variant in another language."""
    implements: tuple[str, ...] = ()
    """The scenarios that it can serve; all that are within the project's contract where empty."""
    pins: tuple[str, ...] = ()
    """Requirements that stand in place of the file's, such as `flask==3.0.0`."""
    tls: tuple[str, ...] = ()
    """What `start` gets as further arguments where it shall speak TLS; it can't where empty."""
    cpus: float | None = None
    """Its own cap of CPUs; the run's where None."""

    def serves(self, scenario: Scenario) -> bool:
        """Tell whether it implements what a scenario asks for; an extension has to be named."""
        return scenario.id in self.implements or not (self.implements or scenario.extends)


@dataclass(frozen=True, slots=True)
class Scenario:
    """What a user does: one Locust file, and what its head says that it needs."""

    id: str
    path: str
    """The Locust file's absolute path."""
    services: tuple[str, ...] = ()
    """The backing services that it needs, such as `postgres`."""
    endpoints: tuple[str, ...] = ()
    """The operations that it drives."""
    users: int | None = None
    """The number of users that suits it where a load is for every scenario; None where any does."""
    hit_rate: float | None = None
    """The share of cache hits for which it is made; None where it is about no cache."""
    extends: bool = False
    """Whether it drives an operation beyond the project's contract, which only who names it implements."""


@dataclass(frozen=True, slots=True)
class Load:
    """How users arrive."""

    profile: Profile
    users: int
    rate_per_s: float | None = None
    """Requests/s of all users; not of `closed`. Of `capacity` the one that a trial asks for."""
    arrivals: Literal["poisson", "constant"] = "poisson"
    """How the moments of a `rate` schedule lie: each user's own Poisson process, or equal steps."""
    think_s: float = 0.0
    """Mean think time between a user's response and next request."""
    think: Literal["exponential", "constant"] = "exponential"
    """How think times are distributed."""
    slo_ms: float | None = None
    """The p99 bound; `capacity` only."""
    share: float | None = None
    """Of the variant's own capacity, from which the rate follows; None where it was not made so."""


@dataclass(frozen=True, slots=True)
class Caps:
    """What one SUT may use."""

    cpus: float
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class Placement:
    """Which CPUs the SUT, the generator and the backing services get, and the caps."""

    sut_cpus: tuple[int, ...]
    generator_cpus: tuple[int, ...]
    service_cpus: tuple[int, ...]
    caps: Caps
    overlap: bool
    """Two of the three share a CPU."""

    def of(self, variant: Variant) -> Placement:
        """Return a variant's placement: with a cap of its own as `--cpus` would have made it."""
        if variant.cpus is None:
            return self
        whole = self.sut_cpus[: math.ceil(variant.cpus)]
        return replace(self, sut_cpus=whole, caps=replace(self.caps, cpus=variant.cpus))


@dataclass(frozen=True, slots=True)
class Cell:
    """Variant (with settings and replica) x scenario x load."""

    variant: str
    scenario: str
    load: Load
    settings: Mapping[str, Setting] = field(default_factory=dict)
    """Settings that differ from the variant's, in runs of before a variant's name held them; else empty."""
    replica: int = 0
    """0, or 1 for the twin of an A/A pair."""


@dataclass(frozen=True, slots=True)
class Timing:
    """How long the phases of every trial last."""

    warmup_s: float
    window_s: float
    drain_s: float = 10.0
    """The bound within which requests in flight are awaited after the window."""
    barrier_s: float = 60.0
    """The bound within which every user must have been answered once."""


@dataclass(frozen=True, slots=True)
class PlannedTrial:
    """One measurement of one cell in one block."""

    number: int
    """From 1, in the order of execution; names the trial's folder."""
    block: int
    """From 1; the unit of pairing."""
    cell: Cell


@dataclass(frozen=True, slots=True)
class Stage:
    """A part of a plan whose trials were fixed before its first one began."""

    name: str
    trials: tuple[PlannedTrial, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """One validity observation."""

    code: str
    severity: Severity
    figure: float | None
    """What was seen, in the unit that `threshold` has; None where nothing was measured."""
    threshold: str
    """The rule's bound in words, with its unit, such as `<= 0.1 % of requests`."""
    remedy: str
