"""Which CPUs the SUT, the load generator and the backing services get, and what the SUT may use."""

from __future__ import annotations

import math
import os
from pathlib import Path

import psutil

from harness.ground.errors import UsageError
from harness.ground.model import Caps, Placement
from harness.ground.units import format_size
from harness.machine.hierarchies import cpu_quota

GIB = 1 << 30
_LEAST_MEMORY = 64 << 20
_MOST_OF_EACH = 4
"""More CPUs than the article's four make a measurement of something else; they stay with the system."""


def usable_cpus(root: Path = Path("/")) -> tuple[int, ...]:
    """Return the CPUs that this process may use: its affinity, cut to what its own quota pays for."""
    try:
        cpus = tuple(sorted(os.sched_getaffinity(0)))
    except AttributeError:  # macOS
        cpus = tuple(range(os.cpu_count() or 1))
    quota = cpu_quota(root)
    return cpus if quota is None else cpus[: max(1, math.floor(quota + 0.001))]


def memory_here() -> int:
    """Return the machine's memory in bytes."""
    return int(psutil.virtual_memory().total)


def place(
    cpus: tuple[int, ...],
    *,
    cpus_wanted: float | None,
    memory_wanted: int | None,
    memory_bytes: int | None = None,
) -> Placement:
    """Return who runs where: SUT first, then generator, then services, whole CPUs each.

    `cpus` are those that may be used, `memory_bytes` what the machine has. Where there are too few CPUs
    services share the generator's, then all share. Raises UsageError for a wish that can't be met.
    """
    here = tuple(sorted(set(cpus)))
    cap = _default_cap(len(here)) if cpus_wanted is None else _checked_cap(cpus_wanted, len(here))
    memory = _memory(math.ceil(cap), memory_wanted, memory_bytes)
    sut = here[: math.ceil(cap)]
    rest = here[len(sut) :]
    caps = Caps(cpus=cap, memory_bytes=memory)
    if not rest:
        last = here[-1:]
        return Placement(sut, last, last, caps, overlap=True)
    if len(rest) == 1:
        return Placement(sut, rest, rest, caps, overlap=True)
    generators = min(_MOST_OF_EACH, math.ceil(len(rest) / 2))
    services = rest[generators : generators + _MOST_OF_EACH]
    return Placement(sut, rest[:generators], services, caps, overlap=False)


def _default_cap(count: int) -> float:
    """Return half of the CPUs for the SUT: one of two or three, four of eight and more."""
    return float(max(1, min(_MOST_OF_EACH, count // 2)))


def _checked_cap(wanted: float, count: int) -> float:
    if not math.isfinite(wanted) or wanted < 0.01:
        raise UsageError(f"{wanted:g} CPUs are no cap", where="--cpus", remedy="0.01 is the kernel's least")
    if wanted > count:
        raise UsageError(
            f"{wanted:g} CPUs are wanted, and {count} may be used here",
            where="--cpus",
            remedy=f"ask for {count} at most, and for fewer to keep the generator apart",
        )
    return float(wanted)


def _memory(sut_cpus: int, wanted: int | None, here: int | None) -> int:
    if wanted is None:
        default = GIB if sut_cpus == 1 else 2 * GIB * min(sut_cpus, _MOST_OF_EACH)
        return default if here is None else max(_LEAST_MEMORY, min(default, here // 2))
    if wanted < _LEAST_MEMORY:
        raise UsageError(
            f"{format_size(wanted)} is too little for any variant",
            where="--memory",
            remedy="64m is the least",
        )
    if here is not None and wanted > here:
        raise UsageError(
            f"{format_size(wanted)} is wanted, and the machine has {format_size(here)}", where="--memory"
        )
    return wanted
