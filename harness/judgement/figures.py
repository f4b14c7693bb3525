"""The figures of one trial, from its record and series; None is "not measured", never zero."""

from __future__ import annotations

from dataclasses import dataclass

from harness.ground.histogram import Histogram
from harness.ground.model import Placement
from harness.ground.observations import Counters, TrialRecord, Usage, YardstickRecord
from harness.judgement.checks.window import errors_percent, hit_share
from harness.records.run import Columns, StoredTrial

MIB = 1 << 20
_LEAST_PIECES = 100
"""Fewer of a yardstick's pieces have no mean to divide by."""
PERCENTILES = {"p50": 50.0, "p90": 90.0, "p99": 99.0, "p999": 99.9}


@dataclass(frozen=True, slots=True)
class Latency:
    """Times in ms of the requests answered in the window."""

    mean: float | None = None
    p50: float | None = None
    p90: float | None = None
    p99: float | None = None
    p999: float | None = None
    max: float | None = None


@dataclass(frozen=True, slots=True)
class TrialFigures:
    """One trial in the units of `summary.json`."""

    requests_per_s: float | None = None
    """Answered as they had to be; errors do not count."""
    response_ms: Latency = Latency()
    service_ms: Latency = Latency()
    errors_percent: float | None = None
    cpu_cores: float | None = None
    cpu_percent_of_cap: float | None = None
    cpu_us_per_request: float | None = None
    """CPU time over answered requests, errors included."""
    cpu_yardsticks_per_request: float | None = None
    """The same, in pieces of the yardstick's work, which was done on the same CPUs in the same window."""
    throttled_percent: float | None = None
    memory_idle_mib: float | None = None
    memory_mean_mib: float | None = None
    memory_peak_mib: float | None = None
    memory_kernel_peak_mib: float | None = None
    memory_cache_mib: float | None = None
    startup_s: float | None = None
    users_served: float | None = None
    in_flight: float | None = None
    """The mean number of requests in flight over the window."""
    connections_opened: float | None = None
    hit_rate: float | None = None
    """Of a cache; a share of the answers that told."""
    send_lag_mean_ms: float | None = None
    """Over all requests; only where they follow a schedule."""
    send_lag_idle_p99_ms: float | None = None
    """Over those whose user was idle when they were due: the generator's own lag."""
    services_cpu_cores: float | None = None
    generator_cpu_cores: float | None = None


def trial_figures(trial: StoredTrial, placement: Placement, samples: Columns) -> TrialFigures:
    """Return a trial's figures; all but start-up and idle memory need a window.

    `samples` are the trial's, with the columns `party`, `at_s` and `anon_bytes`.
    """
    record = trial.record
    load, phases = record.load, record.phases
    idle = _mib(record.idle_bytes)
    if record.failure is not None or load is None or phases is None:
        return TrialFigures(startup_s=record.startup_s, memory_idle_mib=idle)
    window_ns = phases.window_end_ns - phases.window_start_ns
    sut = usage_of(record, "sut")
    cores = cores_used(sut)
    mean_mib, peak_mib = _memory(samples, window_ns / 1e9, sut)
    answered = load.requests > 0
    cost_us = cores * window_ns / 1e3 / load.requests if cores is not None and answered else None
    scheduled = record.cell.load.rate_per_s is not None and answered
    return TrialFigures(
        requests_per_s=(load.requests - load.errors) * 1e9 / window_ns,
        response_ms=_latency(
            trial.histogram("response"), load.response_sum_ns, load.requests, load.response_max_ns
        ),
        service_ms=_latency(trial.histogram("service"), load.service_sum_ns, load.requests, None),
        errors_percent=errors_percent(load),
        cpu_cores=cores,
        cpu_percent_of_cap=None if cores is None else 100 * cores / placement.caps.cpus,
        cpu_us_per_request=cost_us,
        cpu_yardsticks_per_request=_in_yardsticks(cost_us, record.yardstick),
        throttled_percent=_throttled_percent(sut),
        memory_idle_mib=idle,
        memory_mean_mib=mean_mib,
        memory_peak_mib=peak_mib,
        memory_kernel_peak_mib=_mib(sut.end.kernel_peak_bytes) if sut else None,
        memory_cache_mib=_mib(sut.end.cache_bytes) if sut else None,
        startup_s=record.startup_s,
        users_served=float(load.users_served),
        in_flight=load.in_flight_ns / window_ns,
        connections_opened=float(load.connections_opened),
        hit_rate=hit_share(load),
        send_lag_mean_ms=(load.response_sum_ns - load.service_sum_ns) / load.requests / 1e6
        if scheduled
        else None,
        send_lag_idle_p99_ms=load.lag.idle_p99_ns / 1e6 if load.lag else None,
        services_cpu_cores=services_cores(record),
        generator_cpu_cores=cores_used(usage_of(record, "generator")),
    )


def usage_of(record: TrialRecord, party: str) -> Usage | None:
    """Return what a party used over the window, None where nobody looked."""
    return next((usage for usage in record.usage if usage.party == party), None)


def cores_used(usage: Usage | None) -> float | None:
    """Return CPU time over elapsed time between a party's two readings."""
    if usage is None or usage.start.cpu_ns is None or usage.end.cpu_ns is None:
        return None
    elapsed_ns = usage.end.at_ns - usage.start.at_ns
    return (usage.end.cpu_ns - usage.start.cpu_ns) / elapsed_ns if elapsed_ns > 0 else None


def services_cores(record: TrialRecord) -> float | None:
    """Return what all backing services together used; None where there are none or one is unknown."""
    each = [cores_used(usage) for usage in record.usage if usage.party not in ("sut", "generator")]
    known = [cores for cores in each if cores is not None]
    return sum(known) if known and len(known) == len(each) else None


def _in_yardsticks(cost_us: float | None, yardstick: YardstickRecord | None) -> float | None:
    if cost_us is None or yardstick is None or yardstick.pieces < _LEAST_PIECES or not yardstick.cpu_ns:
        return None
    return cost_us * 1e3 * yardstick.pieces / yardstick.cpu_ns


def _latency(histogram: Histogram, sum_ns: int, requests: int, max_ns: int | None) -> Latency:
    """Percentiles are good to the histogram's 1 %; the mean, and the maximum if given, are exact.

    A step's middle may lie past the maximum, which no percentile may. A percentile beyond which no request
    lies would be the maximum under another name: it is not measured (p99 of fewer than 100, p99.9 of fewer
    than 1000).
    """
    total = histogram.total
    if not total or not requests:
        return Latency()
    greatest = (histogram.max_ms or 0.0) if max_ns is None else max_ns / 1e6
    times = histogram.percentiles_ms(tuple(PERCENTILES.values()))
    at = {
        name: min(ms or 0.0, greatest)
        for (name, percent), ms in zip(PERCENTILES.items(), times, strict=True)
        if round(total * (100 - percent), 6) >= 100  # of binary fractions, 99.9 is none
    }
    return Latency(mean=sum_ns / requests / 1e6, max=greatest, **at)


def _throttled_percent(usage: Usage | None) -> float | None:
    if usage is None:
        return None
    start, end = usage.start, usage.end
    if start.periods is None or end.periods is None or end.periods == start.periods:
        return None
    if start.throttled_periods is None or end.throttled_periods is None:
        return None
    return 100 * (end.throttled_periods - start.throttled_periods) / (end.periods - start.periods)


def _memory(samples: Columns, window_s: float, sut: Usage | None) -> tuple[float | None, float | None]:
    """Return mean and peak of anon + shmem in MiB: from the samples, the peak from the edges as well."""
    rows = zip(samples["party"], samples["at_s"], samples["anon_bytes"], strict=True)
    sampled = [
        float(held)
        for party, at_s, held in rows
        if party == "sut" and 0 <= at_s <= window_s and held is not None
    ]
    edges = [held for held in map(_held_bytes, (sut.start, sut.end) if sut else ()) if held is not None]
    mean = sum(sampled) / len(sampled) if sampled else None
    return _mib(mean), _mib(max([*sampled, *edges], default=None))


def _held_bytes(counters: Counters) -> float | None:
    if counters.anon_bytes is None or counters.shmem_bytes is None:
        return None
    return float(counters.anon_bytes + counters.shmem_bytes)


def _mib(size_bytes: float | None) -> float | None:
    return None if size_bytes is None else size_bytes / MIB
