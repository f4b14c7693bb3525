"""The generator's watch on itself: whether it was fast enough to measure anything but itself.

Numbers only; judging them is for `harness.judgement.validity`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from itertools import pairwise

import gevent
from gevent.hub import get_hub

from harness.ground.observations import WatchWindow
from harness.ground.schedstat import run_queue_wait_ns

_PROBE_S = 0.05
_WINDOW_S = 5.0


def split_window(start_ns: int, end_ns: int) -> tuple[tuple[int, int], ...]:
    """Return the parts of a window, of equal length and about 5 s each."""
    parts = max(1, round((end_ns - start_ns) / (_WINDOW_S * 1e9)))
    edges = [start_ns + (end_ns - start_ns) * part // parts for part in range(parts + 1)]
    return tuple(pairwise(edges))


def nearest_rank(ordered: Sequence[int], percent: int) -> int:
    """Return the least of the values that at least so many per cent do not exceed."""
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]


class Watch:
    """Watches this process over a window; `run` is a greenlet's body."""

    def __init__(self, start_ns: int, end_ns: int) -> None:
        self._parts = split_window(start_ns, end_ns)
        self.windows: list[WatchWindow] = []

    def run(self) -> None:
        """Wait for the window, then fill `windows` one by one."""
        gevent.sleep(max(0, (self._parts[0][0] - time.monotonic_ns()) / 1e9))
        for _planned_start, end_ns in self._parts:
            self.windows.append(self._observe(end_ns))

    def _observe(self, until_ns: int) -> WatchWindow:
        pid = os.getpid()
        start_ns, cpu_ns, wait_ns = time.monotonic_ns(), time.process_time_ns(), run_queue_wait_ns(pid)
        late_ns: list[int] = []
        now_ns = start_ns
        while not late_ns or now_ns < until_ns:  # once at least, after a stall of the whole part too
            nap_s = min(_PROBE_S, max(0, until_ns - now_ns) / 1e9)
            due_ns = now_ns + int(nap_s * 1e9)
            get_hub().loop.update_now()  # else the nap is counted from the hub's last turn
            gevent.sleep(nap_s)
            now_ns = time.monotonic_ns()
            late_ns.append(max(0, now_ns - due_ns))
        late_ns.sort()
        elapsed_ns = now_ns - start_ns
        waited_ns = run_queue_wait_ns(pid)
        return WatchWindow(
            process=0,
            start_ns=start_ns,
            end_ns=now_ns,
            cpu_share=(time.process_time_ns() - cpu_ns) / elapsed_ns,
            wait_share=None if wait_ns is None or waited_ns is None else (waited_ns - wait_ns) / elapsed_ns,
            stall_max_ns=late_ns[-1],
            hub_p50_ns=nearest_rank(late_ns, 50),
            hub_p99_ns=nearest_rank(late_ns, 99),
        )
