import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from harness.ground.clock import SystemClock
from harness.ground.observations import Counters
from harness.machine.backends.backend import Look
from harness.machine.sampling import PERIOD_S, Sampler

S = 1_000_000_000


class FakeClock:
    """A clock that goes on when it is told to."""

    def __init__(self) -> None:
        self.at_ns = 0

    def now_ns(self) -> int:
        """Return the time that it was set to."""
        return self.at_ns

    def sleep(self, seconds: float) -> None:
        """Go on by that much."""
        self.at_ns += round(seconds * 1e9)

    def utc(self) -> datetime:
        """Return a fixed day."""
        return datetime(2026, 11, 24, tzinfo=UTC)


@dataclass
class FakeParty:
    """A party that uses half a CPU and is looked at by a clock."""

    clock: FakeClock | SystemClock
    pids: tuple[int, ...] = ()
    caps_enforced: bool = True
    looks: list[int] = field(default_factory=list)

    def look(self) -> Look:
        """Return counters that follow from the time alone."""
        now = self.clock.now_ns()
        self.looks.append(now)
        return Look(Counters(now, cpu_ns=now // 2, anon_bytes=7, shmem_bytes=1, oom_kills=0), self.pids, None)

    def stop(self, grace_s: float = 5.0) -> int | None:
        """Do nothing."""
        return int(grace_s * 0)


def sampled(step_s: Callable[[float], float], window_s: float = 2.0) -> tuple[Sampler, FakeParty, FakeClock]:
    """Sample a window that begins at second 1; `step_s` says how long each turn takes at a time."""
    clock = FakeClock()
    party = FakeParty(clock)
    sampler = Sampler({"sut": party}, "sut", clock)
    sampler.take_due()
    assert not party.looks  # nothing is due before the window is known
    sampler.watch(S, S + round(window_s * 1e9))
    while sampler.due_ns is not None:
        sampler.take_due()
        clock.sleep(step_s(clock.at_ns / 1e9))
    return sampler, party, clock


def test_edges_are_taken_at_the_windows_start_and_end() -> None:
    """With a quick loop a sample falls on each quarter second, the first and last exactly on the edges."""
    sampler, party, _ = sampled(lambda _: 0.001)
    assert party.looks == [S + round(n * PERIOD_S * S) for n in range(9)]
    (usage,) = sampler.usage()
    assert (usage.start.at_ns, usage.end.at_ns) == (S, 3 * S)
    assert usage.end.cpu_ns == usage.start.cpu_ns + S if usage.start.cpu_ns else False
    assert sampler.record().late_max_ns == 0


def test_an_end_that_is_no_multiple_is_an_edge_all_the_same() -> None:
    """The window's end is sampled when it comes, whatever the period says."""
    sampler, party, _ = sampled(lambda _: 0.001, window_s=1.1)
    assert party.looks[-1] == S + 1_100_000_000
    assert sampler.usage()[0].end.at_ns == party.looks[-1]


def test_late_samples_are_left_out_and_not_bunched() -> None:
    """A loop that was held up for 0.8 s takes one late sample and goes on in step; the lateness is kept."""
    sampler, party, _ = sampled(lambda at: 0.8 if 1.25 <= at < 1.26 else 0.01)
    gaps = [b - a for a, b in zip(party.looks, party.looks[1:], strict=False)]
    assert min(gaps) > 0.1 * S  # no two samples at once to catch up
    assert len(sampler.samples) < 9
    late = sampler.record().late_max_ns
    assert late == pytest.approx(0.55 * S, abs=0.02 * S)  # due at 1.5 s, taken at about 2.05 s
    assert max(sample.late_ms for sample in sampler.samples) == late / 1e6
    assert sampler.usage()[0].end.at_ns == pytest.approx(3 * S, abs=0.02 * S)


def test_a_missing_edge_leaves_no_usage() -> None:
    """Without both edges there is no usage: a headline is never made of half a window."""
    clock = FakeClock()
    sampler = Sampler({"sut": FakeParty(clock)}, "sut", clock)
    sampler.watch(S, 2 * S)
    clock.at_ns = S
    sampler.take_due()
    assert sampler.usage() == ()


def test_psutil_part_of_the_4_hz_sampler() -> None:
    """RSS, threads and context switches come from the SUT's processes one by one, by psutil, each time."""
    clock = FakeClock()
    clock.at_ns = S
    sampler = Sampler(
        {"sut": FakeParty(clock, (os.getpid(),)), "generator": FakeParty(clock, (os.getpid(),))}, "sut", clock
    )
    sampler.watch(S, 2 * S)
    sampler.take_due()
    halt = threading.Event()
    thread = threading.Thread(target=halt.wait)
    thread.start()
    clock.at_ns = 2 * S
    sampler.take_due()
    halt.set()
    thread.join()
    first, last = (sample for sample in sampler.samples if sample.party == "sut")
    assert first.rss_bytes is not None
    assert first.rss_bytes > 1 << 20
    assert first.switches
    assert first.threads
    assert last.threads == first.threads + 1
    assert all(s.rss_bytes is None for s in sampler.samples if s.party == "generator")
    assert sampler.record().cpu_ns > 0


def test_edge_counters_of_psutil() -> None:
    """PSS and descriptors are read at the two edges, of the SUT alone."""
    clock = FakeClock()
    clock.at_ns = S
    sampler = Sampler(
        {"sut": FakeParty(clock, (os.getpid(),)), "generator": FakeParty(clock, (os.getpid(),))}, "sut", clock
    )
    sampler.watch(S, 2 * S)
    sampler.take_due()
    with open(os.devnull) as _one, open(os.devnull) as _two:
        clock.at_ns = 2 * S
        while sampler.due_ns is not None:  # a late one first, then the edge
            sampler.take_due()
    usage = {one.party: one for one in sampler.usage()}
    start, end = usage["sut"].start_edges, usage["sut"].end_edges
    assert start is not None
    assert end is not None
    assert start.pss_bytes
    assert start.descriptors is not None
    assert end.descriptors == start.descriptors + 2
    assert usage["generator"].start_edges is None


def test_a_process_that_has_ended_is_left_out() -> None:
    """A pid that is gone when its turn comes spoils neither the sample nor the others."""
    clock = FakeClock()
    clock.at_ns = S
    sampler = Sampler({"sut": FakeParty(clock, (os.getpid(), 4_000_000))}, "sut", clock)
    sampler.watch(S, 2 * S)
    sampler.take_due()
    assert sampler.samples[0].rss_bytes
