"""How long processes have waited for a CPU, as the kernel's scheduler counts it."""

from __future__ import annotations

from pathlib import Path


def run_queue_wait_ns(pid: int, proc: Path = Path("/proc")) -> int | None:
    """Return the time that a process's threads have waited for a CPU (schedstat's second field).

    None where the kernel keeps no such statistics.
    """
    try:
        return sum(_wait_ns(thread / "schedstat") for thread in (proc / str(pid) / "task").iterdir())
    except (OSError, IndexError, ValueError):
        return None


def _wait_ns(schedstat: Path) -> int:
    return int(schedstat.read_text().split()[1])
