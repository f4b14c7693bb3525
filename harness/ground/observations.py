"""What one trial leaves behind: raw observations, never judgements.

`trial.json` holds a `TrialRecord`; everything that a report says is derived from it and from the files
beside it. `None` means "not measured", never zero.

History of the schema: 1, the first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from harness.ground.model import Cell, Load, Timing

SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Phases:
    """The trial's edges on CLOCK_MONOTONIC, in ns."""

    barrier_ns: int
    """Every user had connected and been answered once; all began to loop."""
    window_start_ns: int
    window_end_ns: int
    drained_ns: int
    """The last request in flight was answered, or given up."""


@dataclass(frozen=True, slots=True)
class Counters:
    """A control group's (or, without one, a process tree's) own counters at one moment."""

    at_ns: int
    """When they were read, on CLOCK_MONOTONIC."""
    cpu_ns: int | None = None
    """CPU time used since the group began."""
    periods: int | None = None
    """Enforcement periods that passed while the group was runnable."""
    throttled_periods: int | None = None
    throttled_ns: int | None = None
    anon_bytes: int | None = None
    shmem_bytes: int | None = None
    cache_bytes: int | None = None
    """Page cache, shmem not included."""
    kernel_peak_bytes: int | None = None
    """The kernel's own high-water mark since the group began, page cache included."""
    oom_kills: int | None = None
    processes: int | None = None
    cpu_pressure_ns: int | None = None
    """Time in which some task of the group waited for a CPU (PSI, cgroup v2)."""
    memory_pressure_ns: int | None = None
    """Time in which some task of the group waited for memory."""


@dataclass(frozen=True, slots=True)
class ProcessEdges:
    """What is too dear to sample often: read once at each of the window's edges."""

    pss_bytes: int | None
    descriptors: int | None
    wait_ns: int | None = None
    """Time that its threads have waited in a run queue (schedstat)."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What one party (`sut`, `generator`, a service's name) used over the window."""

    party: str
    start: Counters
    end: Counters
    start_edges: ProcessEdges | None = None
    end_edges: ProcessEdges | None = None


@dataclass(frozen=True, slots=True)
class RequestTotals:
    """One request name's counts over the window."""

    name: str
    requests: int
    """Answered in the window, errors included."""
    errors: Mapping[str, int] = field(default_factory=dict)
    """By kind, such as `status`, `body`, `timeout`, `reset`."""


@dataclass(frozen=True, slots=True)
class SendLag:
    """Actual minus intended send over the window."""

    sum_ns: int
    """Summed over all requests; a user that still waited for an answer at the intended moment is late too."""
    idle_sends: int
    """Requests whose user was idle at the intended moment: their lag is the generator's own."""
    idle_p99_ns: int


@dataclass(frozen=True, slots=True)
class Mistake:
    """What the scenario's own code raised, in the whole trial."""

    place: str
    """File, line and function, such as `scenarios/hello.py:12 in hello`."""
    words: str
    """The first exception of its type there."""
    count: int


@dataclass(frozen=True, slots=True)
class ProcessTotals:
    """One generator process's part of the load."""

    users: int
    requests: int
    """Answered in the window, errors included."""


@dataclass(frozen=True, slots=True)
class LoadTotals:
    """What the generator saw; times are summed over users and clipped to the window."""

    requests: int
    """Answered in the window, errors included."""
    errors: int
    """Of them, those that did not get what they had to."""
    sent: int
    """Requests of the whole trial, barrier and warm-up included."""
    by_name: tuple[RequestTotals, ...]
    response_sum_ns: int
    """The sum of the response times of the requests answered in the window."""
    response_min_ns: int | None
    response_max_ns: int | None
    service_sum_ns: int
    in_flight_ns: int
    """The users' time spent waiting for an answer, unfinished requests included."""
    thinking_ns: int
    """The users' time spent thinking."""
    users: int
    users_served: int
    """Users with at least one answer in the window."""
    requests_per_user_min: int
    requests_per_user_max: int
    connections_opened: int
    """In the whole trial."""
    censored: int
    """Requests still unanswered when the drain's bound was reached."""
    first_errors: tuple[str, ...] = ()
    """The first error of each kind, in words."""
    delivered: int | None = None
    """Of `sent`, what the SUT's kernel has taken, by the generator's kernel; None where that is unknown."""
    lag: SendLag | None = None
    """How late requests were sent; None where they follow no schedule."""
    mistakes: tuple[Mistake, ...] = ()
    """What the scenario's own code raised."""
    by_process: tuple[ProcessTotals, ...] = ()
    """One for each generator process, by its number; empty in records that are older than this field."""
    marks: Mapping[str, int] = field(default_factory=dict)
    """Answers in the window by what they said in the header that the scenario has counted, such as `hit`."""
    tls: Mapping[str, int] = field(default_factory=dict)
    """Connections of the whole trial by the version of TLS and the cipher suite that they agreed on, such as
    `TLSv1.3 TLS_AES_256_GCM_SHA384`; empty where they are plain."""


@dataclass(frozen=True, slots=True)
class WatchWindow:
    """A generator process over about 5 s, as it saw itself."""

    process: int
    """0 for the only or first generator process."""
    start_ns: int
    end_ns: int
    cpu_share: float
    """CPU time over elapsed time of one core."""
    wait_share: float | None
    """Time in the run queue over elapsed time; None where the kernel keeps no schedstat."""
    stall_max_ns: int
    """The greatest lateness of a 50 ms probe."""
    hub_p50_ns: int | None = None
    """The probe's median lateness: how long what is due waits for gevent's hub; `stall_max_ns` at most."""
    hub_p99_ns: int | None = None


@dataclass(frozen=True, slots=True)
class SamplerRecord:
    """The sampler's own cost and lateness over the window."""

    samples: int
    late_max_ns: int
    cpu_ns: int
    """CPU time that sampling itself took in the window."""


@dataclass(frozen=True, slots=True)
class YardstickRecord:
    """Pieces of fixed work that were done on the SUT's CPUs in the window."""

    pieces: int
    cpu_ns: int
    """CPU time of all of them."""


@dataclass(frozen=True, slots=True)
class HostUsage:
    """What others used of the CPUs that the trial stands on, over the window."""

    elapsed_ns: int
    foreign_ns: int
    """CPU time of processes outside of the SUT that may run on its CPUs, kernel threads left out."""
    foreign_most: str | None
    """The name of the process that used most of it."""
    listen_overflows: int | None
    """Connections that found a listening server's queue full, of all servers of this network namespace."""
    steal_ns: int | None
    """What the hypervisor took from the CPU of the SUT or the generator from which it took most."""


@dataclass(frozen=True, slots=True)
class TrialRecord:
    """One trial as it happened."""

    schema: int
    run: str
    number: int
    block: int
    cell: Cell
    started: str
    """UTC, ISO 8601."""
    startup_s: float | None
    """From the start of the SUT's first process to its first answer."""
    idle_bytes: int | None
    """The SUT's anon + shmem after start-up, before the first user."""
    versions: Mapping[str, str]
    """The SUT's interpreter and packages that matter."""
    optimised: bool | None
    """Whether the SUT's Python was built with optimisation; None where that is unknown."""
    failure: str | None
    """Why there is no window, in words; None for a trial that has one."""
    phases: Phases | None
    load: LoadTotals | None
    usage: tuple[Usage, ...]
    watch: tuple[WatchWindow, ...]
    sampler: SamplerRecord | None
    sut_exit: int | None
    """The SUT's exit status where it ended before it was told to."""
    oom_kills: int | None
    """Over the whole trial."""
    caps_enforced: bool
    workers_lost: int = 0
    """Generator processes that were lost on the way."""
    host: HostUsage | None = None
    """None where nobody looked."""
    sut_lost: int | None = None
    """Processes of the SUT that were there before the first user and gone after the last."""
    hit_rate: float | None = None
    """The share of cache hits for which the scenario is made; None where it is about no cache."""
    yardstick: YardstickRecord | None = None
    """None where none was laid beside, as under all loads but a given rate."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """What the harness tells a generator process, in a file named by WEBDYNO_ASSIGNMENT."""

    load: Load
    timing: Timing
    seed: int
    processes: int
    """How many generator processes share the users."""
    folder: str
    """Where the generator writes what it saw."""


@dataclass(frozen=True, slots=True)
class GeneratorRecord:
    """What a generator process leaves behind, in `load.json` of its folder."""

    phases: Phases
    load: LoadTotals
    watch: tuple[WatchWindow, ...]


@dataclass(frozen=True, slots=True)
class Ceiling:
    """The most that the load generator reached here against a null SUT, with one scenario."""

    scenario: str
    requests_per_s: float | None
    generator_us_per_request: float | None
    """CPU time."""
