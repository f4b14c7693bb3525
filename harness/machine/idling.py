"""CPUs kept from sleeping while a trial goes on.

At part load a CPU falls asleep between requests. What waking costs depends on the depth of its sleep, on its
clock, and on a virtual machine on the hypervisor and whom else it serves; it was 11 to 25 % of a request's
CPU time (docs/method.md#sleep). The kernel offers a way to ask for no sleep, which it withdraws by itself
when whoever asked is gone, however it went:
https://docs.kernel.org/power/pm_qos_interface.html
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

DEVICE = "dev/cpu_dma_latency"
_NO_LATENCY = struct.pack("=i", 0)
"""How many microseconds a CPU may take to wake, as the device reads it: none."""


def can_stay_awake(root: Path = Path("/")) -> bool | None:
    """Tell whether we may keep CPUs awake here; None where no device tells, as outside Linux."""
    try:
        os.close(_open(root))
    except FileNotFoundError:
        return None
    except OSError:  # an ordinary user
        return False
    return True


@contextmanager
def kept_awake(root: Path = Path("/")) -> Iterator[None]:
    """Keep all CPUs from sleeping, where that is permitted."""
    try:
        device = _open(root)
    except OSError:
        yield
        return
    try:
        os.write(device, _NO_LATENCY)
        yield
    finally:
        os.close(device)


def _open(root: Path) -> int:
    return os.open(root / DEVICE, os.O_WRONLY | os.O_CLOEXEC)
