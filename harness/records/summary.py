"""The shapes of `summary.json`: what the stored trials of a run amount to.

Every figure is a `Figure` or None, never 0 for "not measured".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from harness.ground.model import Limiter, Load, Setting, Severity, Verdict

SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Figure:
    """A value with its 95 % interval; the bounds are None where too few trials allow none."""

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Times:
    """Latency in ms."""

    mean: Figure | None
    p50: Figure | None
    p90: Figure | None
    p99: Figure | None
    p999: Figure | None
    max: Figure | None


@dataclass(frozen=True, slots=True)
class SendLag:
    """Actual minus intended send in ms, where requests follow a schedule."""

    mean: Figure | None
    """Over all requests; a user that still waited for an answer is late too."""
    idle_p99: Figure | None
    """Over requests whose user was idle when they were due: the generator's own lag."""


@dataclass(frozen=True, slots=True)
class Cpu:
    """The SUT's CPU over the window."""

    cores: Figure | None
    percent_of_cap: Figure | None
    us_per_request: Figure | None
    throttled_percent: Figure | None
    """Throttled periods over all periods."""
    yardsticks_per_request: Figure | None = None
    """A request's CPU time over that of a piece of fixed work, done beside it; only at a given rate."""


@dataclass(frozen=True, slots=True)
class Memory:
    """The SUT's memory in MiB: anon + shmem, but for the last two."""

    idle: Figure | None
    mean: Figure | None
    peak: Figure | None
    kernel_peak: Figure | None
    """The kernel's high-water mark, start-up and page cache included."""
    cache: Figure | None


@dataclass(frozen=True, slots=True)
class VariantLabel:
    """Which variant a row is about."""

    id: str
    label: str
    settings: Mapping[str, Setting]
    versions: Mapping[str, str]
    replica: int
    cpus: float | None = None
    """Its own cap; the run's where None, as in summaries of before variants could have one."""


@dataclass(frozen=True, slots=True)
class CellFinding:
    """A finding over the trials of a cell that share it; the figure is the worst one."""

    code: str
    severity: Severity
    figure: float | None
    threshold: str
    trials: tuple[int, ...]
    """Numbers of the trials; empty where it is about the cell as a whole."""
    remedy: str


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource over a cell's valid trials; what each figure is, `MEANINGS` of `resources` tells."""

    resource: str
    utilisation_percent: Figure | None
    saturation_percent: Figure | None
    errors: Figure | None


@dataclass(frozen=True, slots=True)
class CellSummary:
    """One cell over its valid trials."""

    variant: VariantLabel
    scenario: str
    load: Load
    trials: int
    valid_trials: int
    requests_per_s: Figure | None
    response_ms: Times
    service_ms: Times
    send_lag_ms: SendLag
    errors_percent: Figure | None
    cpu: Cpu
    memory_mib: Memory
    startup_s: Figure | None
    users_served: Figure | None
    in_flight: Figure | None
    connections_opened: Figure | None
    tls: tuple[str, ...] = field(default=(), kw_only=True)
    """The versions of TLS and cipher suites that connections agreed on: one where all is well, and none where
    they are plain."""
    hit_rate: Figure | None
    """Of a cache, as a share; None where the scenario is about none."""
    services_cpu_cores: Figure | None
    generator_cpu_cores: Figure | None
    resources: tuple[Resource, ...]
    limiter: Limiter
    findings: tuple[CellFinding, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """A pair of variants on one metric: contender over base."""

    scenario: str
    load: Load
    metric: str
    base: str
    contender: str
    blocks: int
    """Blocks in which both have a valid trial."""
    ratio: float | None
    """The geometric mean of per-block ratios."""
    low: float | None
    high: float | None
    bca_low: float | None
    """The bootstrap's bounds, a cross-check from 20 blocks on."""
    bca_high: float | None
    p_holm: float | None
    floor: float
    """The ratio's distance from 1 below which nothing is called a difference."""
    verdict: Verdict | None
    """None where there are too few blocks for one."""


@dataclass(frozen=True, slots=True)
class ScalingPoint:
    """One level of a curve, over its valid trials; figures are None where it has none: a gap."""

    level: float
    trials: int
    valid_trials: int
    requests_per_s: Figure | None
    response_p99_ms: Figure | None
    cpu_us_per_request: Figure | None
    efficiency_percent: Figure | None
    """Requests/s for each of the level, of those at the lowest level measured; paired by block."""
    residual_percent: float | None
    """What was measured over what the fitted law says, less 100 %; None without a fit."""


@dataclass(frozen=True, slots=True)
class ScalingFit:
    """The Universal Scalability Law, fitted to requests/s by level."""

    rate_per_s: Figure
    """λ: requests/s of one, by the law."""
    contention: Figure
    """α."""
    coherence: Figure
    """β."""
    peak: Figure | None
    """The level of the most requests/s, where that lies between the levels measured; a bound beyond them is
    None. None where the peak is beyond, and of a poor fit."""
    greatest_residual_percent: float
    poor: bool


@dataclass(frozen=True, slots=True)
class ScalingCurve:
    """How one variant's throughput goes with one thing that was varied, all else equal."""

    variant: str
    """What its rows have in common."""
    scenario: str
    load: Load
    """The one with the most users where these were varied."""
    varied: str
    """`users`, `cpus`, or a setting's name."""
    points: tuple[ScalingPoint, ...]
    """The lowest level first."""
    fit: ScalingFit | None
    no_fit: str
    """Why there is no fit; empty where there is one."""


@dataclass(frozen=True, slots=True)
class Summary:
    """A whole run."""

    schema: int
    run: str
    suite: str
    cells: tuple[CellSummary, ...]
    comparisons: tuple[Comparison, ...]
    scaling: tuple[ScalingCurve, ...] = ()
    """None in summaries of before it was looked at."""
