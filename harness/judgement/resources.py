"""What was busy, what waited, and what failed, resource by resource: the USE method. Pure.

For each resource its utilisation, its saturation (work that waited for it) and its errors (Gregg, "Thinking
methodically about performance", CACM 56(2), 2013). None is "not measured".
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from harness.ground.model import Placement
from harness.ground.observations import TrialRecord, Usage
from harness.judgement.checks.window import watch_in_window
from harness.judgement.figures import TrialFigures, usage_of


@dataclass(frozen=True, slots=True)
class Use:
    """One resource in one trial."""

    resource: str
    utilisation_percent: float | None = None
    saturation_percent: float | None = None
    errors: float | None = None


MEANINGS = {
    "sut-cpu": (
        "the SUT's CPU time, of its cap",
        "the time that its threads waited in a run queue, of one CPU; above 100 where several waited",
        None,
    ),
    "sut-quota": (None, "enforcement periods in which its quota ran out", None),
    "sut-memory": (
        "the kernel's peak, page cache included, of its cap",
        "memory pressure (PSI)",
        "OOM kills",
    ),
    "listen-queue": (None, None, "connections that found a queue of this machine full"),
    "service-cpu": ("the services' CPU time, of their CPUs", None, None),
    "generator-cpu": (
        "the greatest share of 5 s, of its core",
        "the greatest share of 5 s in a run queue",
        None,
    ),
    "host-cpu": (
        "other processes, of the SUT's CPUs; an upper bound",
        "stolen by other virtual machines",
        None,
    ),
}
"""What utilisation, saturation and errors are for each resource, in the order in which they are told."""


def uses(record: TrialRecord, figures: TrialFigures, placement: Placement) -> tuple[Use, ...]:
    """Return every resource of `MEANINGS` over a trial's window; nothing of a trial without one."""
    return () if record.phases is None else tuple(_uses(record, figures, placement))


def _uses(record: TrialRecord, figures: TrialFigures, placement: Placement) -> Iterator[Use]:
    sut = usage_of(record, "sut")
    yield Use("sut-cpu", figures.cpu_percent_of_cap, _waiting_percent(sut))
    yield Use("sut-quota", saturation_percent=figures.throttled_percent)
    yield Use("sut-memory", _memory_percent(sut, placement), _memory_pressure(sut), _number(record.oom_kills))
    host = record.host
    yield Use("listen-queue", errors=_number(host.listen_overflows) if host else None)
    cores, cpus = figures.services_cpu_cores, len(placement.service_cpus)
    yield Use("service-cpu", None if cores is None or not cpus else 100 * cores / cpus)
    watch = watch_in_window(record)
    waits = [one.wait_share for one in watch if one.wait_share is not None]
    yield Use(
        "generator-cpu",
        100 * max(one.cpu_share for one in watch) if watch else None,
        100 * max(waits) if waits and len(waits) == len(watch) else None,
    )
    elapsed_ns = host.elapsed_ns if host else 0
    if host is None or not elapsed_ns:
        yield Use("host-cpu")
        return
    yield Use(
        "host-cpu",
        100 * host.foreign_ns / (elapsed_ns * len(placement.sut_cpus)),
        None if host.steal_ns is None else 100 * host.steal_ns / elapsed_ns,
    )


def _waiting_percent(sut: Usage | None) -> float | None:
    if sut is None or sut.start_edges is None or sut.end_edges is None:
        return None
    start_ns, end_ns = sut.start_edges.wait_ns, sut.end_edges.wait_ns
    elapsed_ns = _elapsed_ns(sut)
    if start_ns is None or end_ns is None or not elapsed_ns:
        return None
    return 100 * max(0, end_ns - start_ns) / elapsed_ns


def _memory_percent(sut: Usage | None, placement: Placement) -> float | None:
    peak = sut.end.kernel_peak_bytes if sut else None
    return None if peak is None else 100 * peak / placement.caps.memory_bytes


def _memory_pressure(sut: Usage | None) -> float | None:
    if sut is None:
        return None
    start_ns, end_ns = sut.start.memory_pressure_ns, sut.end.memory_pressure_ns
    elapsed_ns = _elapsed_ns(sut)
    return (
        None
        if start_ns is None or end_ns is None or not elapsed_ns
        else 100 * (end_ns - start_ns) / elapsed_ns
    )


def _elapsed_ns(usage: Usage) -> int:
    return usage.end.at_ns - usage.start.at_ns


def _number(count: int | None) -> float | None:
    return None if count is None else float(count)
