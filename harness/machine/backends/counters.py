"""A party's counters: from its control group, or summed over its processes where it has none."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import psutil

from harness.ground.observations import Counters
from harness.machine.control_groups import Group
from harness.machine.hierarchies import Place, read_text


def group_counters(group: Group, at_ns: int, processes: int | None) -> Counters:
    """Return a control group's own counters; None for what this kernel does not offer."""
    memory = _memory(group.controlled_by("memory"))
    periods, throttled, throttled_ns = _throttling(group.controlled_by("cpu"))
    return Counters(
        at_ns=at_ns,
        cpu_ns=_cpu_ns(group),
        periods=periods,
        throttled_periods=throttled,
        throttled_ns=throttled_ns,
        anon_bytes=memory[0],
        shmem_bytes=memory[1],
        cache_bytes=memory[2],
        kernel_peak_bytes=_peak(group.controlled_by("memory")),
        oom_kills=oom_kills(group),
        processes=processes,
        cpu_pressure_ns=_pressure_ns(group.controlled_by("cpu"), "cpu"),
        memory_pressure_ns=_pressure_ns(group.controlled_by("memory"), "memory"),
    )


def oom_kills(group: Group) -> int | None:
    """Return how many processes the kernel has killed in the group for want of memory."""
    place = group.controlled_by("memory")
    if place is None:
        return None
    file = "memory.events" if place.version == 2 else "memory.oom_control"
    return _table(place.folder / file).get("oom_kill")


def process_counters(pids: Sequence[int], at_ns: int) -> Counters:
    """Return what the living processes have used; memory that a fork shares counts once for each of them.

    CPU time includes that of children that were waited for; that of others is lost when they end.
    """
    cpu_s, anon, shmem = 0.0, None, None
    seen = False
    for pid in pids:
        try:
            times = psutil.Process(pid).cpu_times()
        except psutil.Error:
            continue
        seen = True
        cpu_s += times.user + times.system
        cpu_s += getattr(times, "children_user", 0.0) + getattr(times, "children_system", 0.0)
        status = _status(pid)
        anon = _add(anon, status.get("RssAnon"))
        shmem = _add(shmem, status.get("RssShmem"))
    return Counters(
        at_ns=at_ns,
        cpu_ns=round(cpu_s * 1e9) if seen else None,
        anon_bytes=anon,
        shmem_bytes=shmem,
        processes=len(pids),
    )


def _cpu_ns(group: Group) -> int | None:
    place = group.controlled_by("cpuacct")
    if place is None:
        return None
    if place.version == 2:
        used_us = _table(place.folder / "cpu.stat").get("usage_usec")
        return None if used_us is None else used_us * 1000
    return _number(place.folder / "cpuacct.usage")


def _throttling(place: Place | None) -> tuple[int | None, int | None, int | None]:
    if place is None:
        return None, None, None
    stat = _table(place.folder / "cpu.stat")
    throttled_ns = stat.get("throttled_time")
    if throttled_ns is None and "throttled_usec" in stat:
        throttled_ns = stat["throttled_usec"] * 1000
    return stat.get("nr_periods"), stat.get("nr_throttled"), throttled_ns


def _memory(place: Place | None) -> tuple[int | None, int | None, int | None]:
    """Return anon, shmem, and page cache without shmem, which the kernel counts within it."""
    if place is None:
        return None, None, None
    stat = _table(place.folder / "memory.stat")
    if place.version == 2:
        anon, shmem, cache = stat.get("anon"), stat.get("shmem"), stat.get("file")
    else:  # `rss` is anon, huge pages included; `total_` adds what groups below have
        anon, shmem, cache = (stat.get(f"total_{name}", stat.get(name)) for name in ("rss", "shmem", "cache"))
    without = None if cache is None or shmem is None else max(0, cache - shmem)
    return anon, shmem, without


def _peak(place: Place | None) -> int | None:
    if place is None:
        return None
    return _number(place.folder / ("memory.peak" if place.version == 2 else "memory.max_usage_in_bytes"))


def _pressure_ns(place: Place | None, resource: str) -> int | None:
    """Return the first line's total, `some avg10=0.00 avg60=0.00 avg300=0.00 total=1234`, which is in us."""
    if place is None or place.version == 1:
        return None
    _, _, total = (
        (read_text(place.folder / f"{resource}.pressure") or "").partition("\n")[0].partition("total=")
    )
    return int(total) * 1000 if total.isdigit() else None


def _number(path: Path) -> int | None:
    text = (read_text(path) or "").strip()
    return int(text) if text.isdigit() else None


def _table(path: Path) -> dict[str, int]:
    pairs = (line.split() for line in (read_text(path) or "").splitlines())
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdigit()}


def _status(pid: int) -> dict[str, int]:
    """Return the sizes in /proc/<pid>/status, in bytes."""
    lines = (line.split() for line in (read_text(Path(f"/proc/{pid}/status")) or "").splitlines())
    return {f[0].rstrip(":"): int(f[1]) * 1024 for f in lines if len(f) == 3 and f[2] == "kB"}


def _add(total: int | None, more: int | None) -> int | None:
    return total if more is None else (total or 0) + more
