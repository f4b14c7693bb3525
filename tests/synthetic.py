"""A run as the store would give it back, made from a few numbers; the same seed makes the same run."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd

from harness.ground.histogram import SIZE, Histogram, Interval, index_of, write_log
from harness.ground.model import Caps, Cell, Load, Placement, PlannedTrial, Setting, Stage, Timing, Variant
from harness.ground.observations import (
    SCHEMA,
    Counters,
    HostUsage,
    LoadTotals,
    Phases,
    ProcessTotals,
    RequestTotals,
    SamplerRecord,
    SendLag,
    TrialRecord,
    Usage,
    WatchWindow,
)
from harness.records.disk import write
from harness.records.run import Columns, RunRecord, StoredRun, StoredTrial
from harness.records.store import Results, write_parquet

MIB = 1 << 20
RUN_ID = "20261124-120000-standard"
S = 1_000_000_000
USERS = 1000
CLOSED = Load("closed", USERS)
PLACEMENT = Placement((0,), (1,), (1,), Caps(1.0, 1 << 30), overlap=True)
TIMING = Timing(warmup_s=3.0, window_s=8.0)
WINDOW_NS = 8 * S
START_NS = 100 * S


@dataclass(frozen=True)
class Speed:
    """How a made-up variant performs on a scenario."""

    requests_per_s: float
    cpu_us: float
    memory_mib: float


def series(requests: Sequence[int], p99_ms: Sequence[float] | None = None) -> Columns:
    """Return a window second by second, after 3 s of warm-up at the rate of its first second."""
    times = [2.0] * len(requests) if p99_ms is None else p99_ms
    seconds = list(range(-3, len(requests)))
    return {
        "second": seconds,
        "requests": [requests[0]] * 3 + list(requests),
        "errors": [0] * len(seconds),
        "response_p50_ms": [1.0] * len(seconds),
        "response_p99_ms": [times[0]] * 3 + list(times),
        "in_flight": [USERS] * len(seconds),
    }


@dataclass(frozen=True, slots=True)
class SyntheticTrial(StoredTrial):
    """A trial as the store gives it back, from memory."""

    folder: Path = Path("trial")
    times_us: Mapping[int, int] = field(default_factory=dict)
    """Response times in us, with their counts."""
    memory_mib: float = 50.0

    def series(self, *columns: str) -> Columns:  # noqa: ARG002 - all are there already
        """Return an even rate for each second."""
        load = self.record.load
        return series([load.requests // 8 if load else 0] * 8)

    def samples(self, *columns: str) -> Columns:  # noqa: ARG002 - likewise
        """Return 4 Hz of memory that grows by 1 MiB in the window, after a peak in the warm-up."""
        at = [step / 4 for step in range(-12, 33)]
        held = [(self.memory_mib + 100 if s < 0 else self.memory_mib - 0.5 + s / 8) * MIB for s in at]
        return {
            "at_s": at,
            "party": ["sut"] * len(at),
            "cpu_s": at,
            "rss_bytes": held,
            "anon_bytes": held,
            "threads": [17] * len(at),
            "switches": [100] * len(at),
            "periods": [10 * s + 100 for s in at],
            "throttled_periods": [int(2.5 * s) + 50 for s in at],
            "late_ms": [0.1] * len(at),
        }

    def histogram(self, tag: str) -> Histogram:
        """Return the same times for both tags."""
        assert tag in ("response", "service")
        counts = [0] * SIZE
        for time_us, count in self.times_us.items():
            counts[index_of(time_us)] += count
        return Histogram.of(counts)


def watch(
    cpu: float = 0.5, wait: float | None = 0.01, stall_ms: float = 5.0, at_s: float = 0.0
) -> WatchWindow:
    """Return 5 s of the generator, from `at_s` after the window's start."""
    start = START_NS + int(at_s * S)
    return WatchWindow(0, start, start + 5 * S, cpu, wait, int(stall_ms * 1e6))


def load_totals(requests: int = 56_000, users: int = USERS) -> LoadTotals:
    """Return what a generator sees that keeps all its users busy."""
    return LoadTotals(
        requests=requests,
        errors=0,
        sent=requests * 11 // 8 + users,
        delivered=requests * 11 // 8 + users,
        by_name=(RequestTotals("GET /json", requests),),
        response_sum_ns=users * WINDOW_NS,
        response_min_ns=1_000_000,
        response_max_ns=400_000_000,
        service_sum_ns=users * WINDOW_NS,
        in_flight_ns=users * WINDOW_NS,
        thinking_ns=0,
        users=users,
        users_served=users,
        requests_per_user_min=requests // users - 2,
        requests_per_user_max=requests // users + 2,
        connections_opened=users,
        censored=0,
        by_process=(
            ProcessTotals(users // 2, requests // 2),
            ProcessTotals(users - users // 2, requests - requests // 2),
        ),
    )


def trial_record(cell: Cell | None = None, number: int = 1, block: int = 1) -> TrialRecord:
    """Return a trial that breaks no rule but `overlap`'s."""
    return TrialRecord(
        schema=SCHEMA,
        run=RUN_ID,
        number=number,
        block=block,
        cell=cell or Cell("flask-gunicorn", "hello", CLOSED),
        started="2026-11-24T12:00:00Z",
        startup_s=0.75,
        idle_bytes=40 * MIB,
        versions={"python": "3.13.1", "flask": "3.1.3"},
        optimised=True,
        failure=None,
        phases=Phases(START_NS - 3 * S, START_NS, START_NS + WINDOW_NS, START_NS + WINDOW_NS + S),
        load=load_totals(),
        usage=(
            usage("sut", cpu_s=7.6, memory_mib=50.0),
            usage("generator", cpu_s=3.2),
            usage("postgres", cpu_s=0.8),
        ),
        watch=(watch(), watch(at_s=3.0)),
        sampler=SamplerRecord(32, 400_000, 9_600_000),
        sut_exit=None,
        oom_kills=0,
        caps_enforced=True,
        host=HostUsage(
            WINDOW_NS, foreign_ns=80_000_000, foreign_most="cron", listen_overflows=0, steal_ns=20_000_000
        ),
        sut_lost=0,
    )


def usage(party: str, cpu_s: float, memory_mib: float | None = None) -> Usage:
    """Return a party's counters at the window's edges; 80 periods, of which 20 were throttled."""
    held = None if memory_mib is None else int(memory_mib * MIB)
    start = Counters(START_NS, 2 * S, 100, 10, 0, held, 0, 8 * MIB, held, 0, 2)
    end = replace(
        start,
        at_ns=START_NS + WINDOW_NS,
        cpu_ns=2 * S + int(cpu_s * S),
        periods=180,
        throttled_periods=30,
        kernel_peak_bytes=None if held is None else held + 20 * MIB,
    )
    return Usage(party, start, end)


def trial(
    cell: Cell, number: int, block: int, speed: Speed, factor: float = 1.0, memory: float = 1.0
) -> SyntheticTrial:
    """Return a closed trial at a speed times a factor; its latency follows from Little's law."""
    requests = int(speed.requests_per_s * factor * 8)
    mean_us = USERS * 8e6 / requests
    shape = {0.5: 0.2, 0.9: 0.4, 1.0: 0.3, 1.6: 0.08, 2.5: 0.0185, 4.0: 0.0015}
    times = {int(mean_us * at): int(requests * share) for at, share in shape.items()}
    plain = trial_record(cell, number, block)
    cpu_s = min(requests * speed.cpu_us / 1e6, 7.99)
    held_mib = speed.memory_mib * memory
    own = (usage("sut", cpu_s, held_mib), *plain.usage[1:])
    load = replace(load_totals(requests), response_max_ns=int(mean_us * 4200))
    return SyntheticTrial(replace(plain, load=load, usage=own), Path(f"{number:03d}"), times, held_mib)


def variant(name: str, settings: Mapping[str, Setting] | None = None) -> Variant:
    """Return a variant of that name."""
    framework = name.partition("-")[0].capitalize()
    return Variant(
        id=name,
        folder=f"/apps/{name}",
        framework=framework,
        language="Python",
        server="Gunicorn",
        interface="WSGI",
        concurrency="threads",
        tuning="default",
        start=("gunicorn", "--bind", "{host}:{port}"),
        settings=settings or {},
    )


BASE_SPEEDS = {
    "fastapi-uvicorn": Speed(7200.0, 131.0, 62.0),
    "flask-gunicorn": Speed(3500.0, 270.0, 48.0),
    "django-gunicorn": Speed(3480.0, 272.0, 71.0),
}


def run(
    speeds: Mapping[str, Speed] | None = None,
    scenarios: Sequence[str] = ("hello", "history"),
    blocks: int = 5,
    twin: str | None = "flask-gunicorn",
    noise: float = 0.01,
    drift: float = 0.05,
    seed: int = 7,
) -> StoredRun:
    """Return a run of every variant on every scenario; blocks share a drift, trials have noise of their own.

    The A/A pair is of `twin` on the first scenario.
    """
    speeds = BASE_SPEEDS if speeds is None else speeds
    chance = random.Random(seed)
    trials: list[SyntheticTrial] = []
    for step, scenario in enumerate(scenarios):
        cells = [Cell(name, scenario, CLOSED) for name in speeds]
        if step == 0 and twin is not None:
            cells.append(Cell(twin, scenario, CLOSED, replica=1))
        for block in range(1, blocks + 1):
            of_block = chance.gauss(1, drift)
            for cell in chance.sample(cells, len(cells)):
                speed = speeds[cell.variant]
                factor = of_block * chance.gauss(1, noise) / (1 + step)
                made = trial(cell, len(trials) + 1, block, speed, factor, chance.gauss(1, 0.002))
                trials.append(made)
    variants = tuple(variant(name, {"workers": 1}) for name in speeds)
    return with_trials(
        StoredRun(Path("results") / RUN_ID, run_record(variants, blocks), (), "sealed"), *trials
    )


def run_record(variants: tuple[Variant, ...], blocks: int) -> RunRecord:
    """Return the record of a run whose plan is still empty."""
    return RunRecord(
        schema=SCHEMA,
        id=RUN_ID,
        suite="standard",
        started="2026-11-24T12:00:00Z",
        command="webdyno run --suite standard",
        backend="cgroup",
        seed=7,
        blocks=blocks,
        timing=TIMING,
        placement=PLACEMENT,
        stages=(),
        variants=variants,
        scenarios=(),
        services={"postgres": "18.6, embedded"},
        fingerprint={"cpu": {"model": "AMD EPYC", "count": 2}, "kernel": "6.1.0"},
    )


def with_trials(run: StoredRun, *trials: StoredTrial) -> StoredRun:
    """Return the run with these trials, all of which were planned."""
    planned = tuple(PlannedTrial(t.record.number, t.record.block, t.record.cell) for t in trials)
    return replace(run, trials=trials, record=replace(run.record, stages=(Stage("trials", planned),)))


def named(made: StoredRun, run_id: str) -> StoredRun:
    """Return the run under another id."""
    trials = tuple(replace(one, record=replace(one.record, run=run_id)) for one in made.trials)
    return replace(
        made, folder=Path("results") / run_id, record=replace(made.record, id=run_id), trials=trials
    )


def on_disk(made: StoredRun, results: Path, files: Mapping[str, str] | None = None) -> StoredRun:
    """Write the run as the harness does, with these derived files, and read it back."""
    store = Results(results)
    store.begin(made.record)
    for one in made.trials:
        folder = store.scratch(made.id)
        window = [Interval(tag, 0.0, 8.0, one.histogram(tag)) for tag in ("response", "service")]
        write(folder / "latency.hlog", write_log(window, 1_795_000_000.0).encode())
        write_parquet(folder / "series.parquet", pd.DataFrame(one.series()))
        write_parquet(folder / "samples.parquet", pd.DataFrame(one.samples()))
        store.keep(one.record, folder)
    store.seal(made.id, files or {})
    return store.find(made.id)


def with_errors(made: StoredRun, variant_id: str, scenario: str, blocks: Sequence[int]) -> StoredRun:
    """Return the run with 1 % of wrong answers in some trials of one cell."""

    def spoilt(one: StoredTrial) -> StoredTrial:
        cell, load = one.record.cell, one.record.load
        hit = (cell.variant, cell.scenario, cell.replica) == (variant_id, scenario, 0)
        if not hit or load is None or one.record.block not in blocks:
            return one
        wrong = replace(load, errors=load.requests // 100)
        return replace(one, record=replace(one.record, load=wrong))

    return replace(made, trials=tuple(spoilt(one) for one in made.trials))


def recorded() -> StoredRun:
    """Return the run of the golden files: one cell without a valid trial, one with four of five."""
    made = with_errors(run(), "django-gunicorn", "history", range(1, 6))
    return with_errors(made, "fastapi-uvicorn", "history", [2])


def at_a_rate(made: StoredRun, late: str | None = None) -> StoredRun:
    """Return the run with 500 requests/s given to all, whose times keep their ratios; `late` served 100."""

    def scheduled(one: SyntheticTrial) -> SyntheticTrial:
        cell = replace(one.record.cell, load=Load("rate", 200, rate_per_s=500.0))
        requests = 800 if cell.variant == late else 4000
        was = sum(one.times_us.values())
        times = {time_us // 100: count * requests // was for time_us, count in one.times_us.items()}
        response_ns = 1000 * sum(time_us * count for time_us, count in times.items())
        assert one.record.load is not None
        load = replace(
            one.record.load,
            requests=requests,
            response_sum_ns=response_ns,
            service_sum_ns=response_ns * 49 // 50,
            users=200,
            connections_opened=200,
            users_served=199,
            lag=SendLag(response_ns // 50, 3900, 150_000),
        )
        return replace(one, record=replace(one.record, cell=cell, load=load), times_us=times)

    return with_trials(made, *(scheduled(one) for one in made.trials if isinstance(one, SyntheticTrial)))
