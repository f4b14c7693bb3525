"""What others used of the CPUs that a trial stands on: other processes, and other virtual machines.

Summed over processes. What is left when the SUT's own time is taken from a CPU's busy time would count the
kernel's work on the SUT's packets as somebody else's.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.ground.observations import HostUsage

_TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
_KERNEL_THREAD = 0x00200000
"""PF_KTHREAD of the kernel's <linux/sched.h>."""
_FLAGS, _USER, _SYSTEM, _STARTED = 6, 11, 12, 19
"""Fields of /proc/<pid>/stat, counted from the state, which follows the name in brackets."""
_STEAL = 8


@dataclass(frozen=True, slots=True)
class HostLook:
    """The machine at one moment."""

    at_ns: int
    used_ns: Mapping[tuple[int, int], int]
    """CPU time of each process, kernel threads left out, by pid and start time."""
    steal_ns: Mapping[int, int]
    """By CPU: time in which the hypervisor ran something else."""
    listen_overflows: int | None
    """Since this network namespace began."""


def look(at_ns: int, root: Path = Path("/")) -> HostLook | None:
    """Look at all processes and CPUs; None where there is no /proc to look at."""
    try:
        lines = (root / "proc/stat").read_text().splitlines()
        folders = [path for path in (root / "proc").iterdir() if path.name.isdigit()]
    except OSError:
        return None
    used: dict[tuple[int, int], int] = {}
    for folder in folders:
        fields = _fields(folder / "stat")
        if fields is not None and not int(fields[_FLAGS]) & _KERNEL_THREAD:
            ticks = int(fields[_USER]) + int(fields[_SYSTEM])
            used[int(folder.name), int(fields[_STARTED])] = ticks * _TICK_NS
    steal = dict(_steal(line) for line in lines if _is_cpu(line))
    return HostLook(at_ns, used, steal, _listen_overflows(root / "proc/net/netstat"))


def usage_between(
    start: HostLook | None,
    end: HostLook | None,
    sut_pids: Collection[int],
    sut_cpus: Collection[int],
    watched_cpus: Collection[int],
    root: Path = Path("/"),
) -> HostUsage | None:
    """Return what others used between two looks; None where there was nothing to look at.

    A process counts whole if it may run on one of the SUT's CPUs, so the figure is an upper bound where it
    may run elsewhere, too. One that ended in between, or began and ended, is not seen.
    """
    if start is None or end is None:
        return None
    elsewhere = set(sut_pids)
    spent = {key: used - start.used_ns.get(key, 0) for key, used in end.used_ns.items()}
    foreign = {
        pid: ns
        for (pid, _), ns in spent.items()
        if ns > 0 and pid not in elsewhere and _may_use(pid, sut_cpus)
    }
    greatest = max(foreign, key=lambda pid: foreign[pid], default=None)
    stolen = [
        end.steal_ns[cpu] - start.steal_ns[cpu]
        for cpu in watched_cpus
        if cpu in end.steal_ns and cpu in start.steal_ns
    ]
    return HostUsage(
        elapsed_ns=end.at_ns - start.at_ns,
        foreign_ns=sum(foreign.values()),
        foreign_most=None if greatest is None else _name(greatest, root),
        listen_overflows=None
        if start.listen_overflows is None or end.listen_overflows is None
        else end.listen_overflows - start.listen_overflows,
        steal_ns=max(stolen, default=None),
    )


def _fields(path: Path) -> list[str] | None:
    try:
        return path.read_text(errors="replace").rpartition(")")[2].split()
    except OSError:  # it has ended
        return None


def _is_cpu(line: str) -> bool:
    return line.startswith("cpu") and line[3].isdigit()


def _steal(line: str) -> tuple[int, int]:
    fields = line.split()
    return int(fields[0][3:]), int(fields[_STEAL]) * _TICK_NS if len(fields) > _STEAL else 0


def _listen_overflows(path: Path) -> int | None:
    """Return the counter of /proc/net/netstat, whose lines come in pairs: names, then values."""
    try:
        lines = [line.split() for line in path.read_text().splitlines()]
    except OSError:
        return None
    for names, values in zip(lines[::2], lines[1::2], strict=False):
        if "ListenOverflows" in names:
            return int(values[names.index("ListenOverflows")])
    return None


def _may_use(pid: int, cpus: Collection[int]) -> bool:
    try:
        return not os.sched_getaffinity(pid).isdisjoint(cpus)
    except OSError:
        return False


def _name(pid: int, root: Path) -> str | None:
    try:
        return (root / f"proc/{pid}/comm").read_text(errors="replace").strip()
    except OSError:
        return None
