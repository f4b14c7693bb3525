"""Looking at the parties of a trial: often and cheaply for the curves, exactly at the window's edges.

A sample falls due every 0.25 s from the window's start on, so that the edges are samples too. The
sampler records how late each was and what CPU time it took itself.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import psutil

from harness.ground.clock import Clock
from harness.ground.model import Placement
from harness.ground.observations import Counters, HostUsage, ProcessEdges, SamplerRecord, Usage
from harness.ground.schedstat import run_queue_wait_ns
from harness.machine import host
from harness.machine.backends.backend import Look, Party

PERIOD_S = 0.25
_PERIOD_NS = 250_000_000


@dataclass(frozen=True, slots=True)
class Sample:
    """One party at one moment; None for what could not be read."""

    at_s: float
    """Since the window's start."""
    party: str
    cpu_s: float | None
    """CPU time since the party began."""
    rss_bytes: int | None
    anon_bytes: int | None
    """Anonymous and shared memory."""
    threads: int | None
    switches: int | None
    """Context switches of the processes there now."""
    periods: int | None
    """Enforcement periods of the CPU quota since the party began."""
    throttled_periods: int | None
    """Of them, those in which the quota ran out."""
    late_ms: float


class Sampler:
    """Samples all parties over one window; `take_due` is to be called at least every few ms."""

    def __init__(self, parties: Mapping[str, Party], closely: str, clock: Clock) -> None:
        """Look at the processes of the party `closely`, the SUT, one by one."""
        self._parties = parties
        self._closely = closely
        self._clock = clock
        self._processes: dict[int, psutil.Process] = {}
        self._start_ns = 0
        self._end_ns = 0
        self._due_ns: int | None = None
        self._cpu_ns = 0
        self._late_max_ns = 0
        self.samples: list[Sample] = []
        self._edges: list[dict[str, tuple[Counters, ProcessEdges | None]]] = []
        self._hosts: list[host.HostLook | None] = []
        self._closely_pids: tuple[int, ...] = ()

    def watch(self, start_ns: int, end_ns: int) -> None:
        """Fix the window, on CLOCK_MONOTONIC."""
        self._start_ns, self._end_ns, self._due_ns = start_ns, end_ns, start_ns

    @property
    def due_ns(self) -> int | None:
        """When the next sample falls due; None before `watch` and after the last one."""
        return self._due_ns

    def take_due(self) -> None:
        """Take a sample if one is due."""
        due_ns = self._due_ns
        if due_ns is None or self._clock.now_ns() < due_ns:
            return
        cpu_ns = time.thread_time_ns()
        self._take(due_ns, edge=due_ns in (self._start_ns, self._end_ns))
        self._cpu_ns += time.thread_time_ns() - cpu_ns
        self._due_ns = self._next(due_ns)

    def usage(self) -> tuple[Usage, ...]:
        """Return what each party used between the edges; empty where one of the edges is missing."""
        if len(self._edges) < 2:
            return ()
        start, end = self._edges
        return tuple(
            Usage(party, start[party][0], end[party][0], start[party][1], end[party][1])
            for party in self._parties
        )

    def host(self, placement: Placement) -> HostUsage | None:
        """Return what others used between the edges; None where one is missing or can't be looked at."""
        if len(self._hosts) < 2:
            return None
        start, end = self._hosts
        watched = {*placement.sut_cpus, *placement.generator_cpus}
        return host.usage_between(start, end, self._closely_pids, placement.sut_cpus, watched)

    def record(self) -> SamplerRecord:
        """Return the sampler's own cost and lateness."""
        taken = len(self.samples) // max(1, len(self._parties))
        return SamplerRecord(taken, self._late_max_ns, self._cpu_ns)

    def _next(self, due_ns: int) -> int | None:
        """Return the next due time that is not over yet; the window's end is never left out."""
        if due_ns >= self._end_ns:
            return None
        behind = max(0, self._clock.now_ns() - due_ns) // _PERIOD_NS
        return min(due_ns + (behind + 1) * _PERIOD_NS, self._end_ns)

    def _take(self, due_ns: int, *, edge: bool) -> None:
        looks = {name: party.look() for name, party in self._parties.items()}
        if edge:
            self._edges.append(
                {name: (look.counters, self._edge(name, look)) for name, look in looks.items()}
            )
            self._hosts.append(host.look(self._clock.now_ns()))
            self._closely_pids = looks[self._closely].pids
        for name, look in looks.items():
            late_ns = look.counters.at_ns - due_ns
            self._late_max_ns = max(self._late_max_ns, late_ns)
            closely = name == self._closely
            rss, threads, switches = self._sum(look.pids) if closely else (None, None, None)
            self.samples.append(
                Sample(
                    at_s=(look.counters.at_ns - self._start_ns) / 1e9,
                    party=name,
                    cpu_s=None if look.counters.cpu_ns is None else look.counters.cpu_ns / 1e9,
                    rss_bytes=rss,
                    anon_bytes=resident_bytes(look.counters),
                    threads=threads,
                    switches=switches,
                    periods=look.counters.periods,
                    throttled_periods=look.counters.throttled_periods,
                    late_ms=late_ns / 1e6,
                )
            )

    def _sum(self, pids: Sequence[int]) -> tuple[int | None, int | None, int | None]:
        """Return RSS, threads and context switches, summed over processes."""
        rss = threads = switches = 0
        for pid in pids:
            try:
                process = self._process(pid)
                with process.oneshot():
                    rss += process.memory_info().rss
                    threads += process.num_threads()
                    counts = process.num_ctx_switches()
                switches += counts.voluntary + counts.involuntary
            except psutil.Error:
                continue  # ended between the look and now
        return (rss, threads, switches) if pids else (None, None, None)

    def _edge(self, name: str, look: Look) -> ProcessEdges | None:
        if name != self._closely:
            return None
        pss: int | None = 0
        descriptors: int | None = 0
        wait_ns: int | None = 0
        for pid in look.pids:
            try:
                process = self._process(pid)
                pss = _sum(pss, getattr(process.memory_full_info(), "pss", None))
                descriptors = _sum(descriptors, process.num_fds())
                wait_ns = _sum(wait_ns, run_queue_wait_ns(pid))
            except psutil.NoSuchProcess:
                continue
            except psutil.Error:
                pss = descriptors = None
        return ProcessEdges(pss, descriptors, wait_ns)

    def _process(self, pid: int) -> psutil.Process:
        found = self._processes.get(pid)
        if found is None:
            found = self._processes[pid] = psutil.Process(pid)
        return found


def _sum(total: int | None, more: int | None) -> int | None:
    """Add; what is unknown once stays unknown."""
    return None if total is None or more is None else total + more


def resident_bytes(counters: Counters) -> int | None:
    """Return anon + shmem, the headline of memory; None where either is unknown."""
    if counters.anon_bytes is None or counters.shmem_bytes is None:
        return None
    return counters.anon_bytes + counters.shmem_bytes
