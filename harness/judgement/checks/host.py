"""The rules about what else runs on the machine."""

from __future__ import annotations

from harness.ground.model import Finding, Placement
from harness.ground.observations import TrialRecord
from harness.judgement.rules import broken, unchecked


def processes(record: TrialRecord, placement: Placement) -> Finding | None:
    """`host-noise`: the figure is what other processes used, in % of the SUT's CPUs; an upper bound."""
    host = record.host
    if host is None or not host.elapsed_ns:
        return unchecked("host-noise", "other processes can't be looked at here")
    percent = 100 * host.foreign_ns / (host.elapsed_ns * len(placement.sut_cpus))
    if percent <= 5:
        return None
    reason = f"most of it by {host.foreign_most or 'an unknown process'}"
    return broken("host-noise", percent, threshold="<= 5 % of the SUT's CPUs", reason=reason)


def steal(record: TrialRecord) -> Finding | None:
    """`host-noise`: the figure is the stolen time of the CPU that lost most, in %."""
    host = record.host
    if host is None or host.steal_ns is None or not host.elapsed_ns:
        return unchecked("host-noise", "stolen time can't be read here")
    percent = 100 * host.steal_ns / host.elapsed_ns
    return broken("host-noise", percent, threshold="<= 1 % stolen") if percent > 1 else None
