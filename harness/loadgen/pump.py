"""One readiness queue for all users of a process, beside gevent's own socket layer.

Sockets are non-blocking and gevent does not know them. One epoll holds them all, edge-triggered and
registered once a connection; its own descriptor is the only one that gevent watches. When it is
ready, a batch of descriptors is taken and each waiting greenlet is switched to at once, from the hub:
it reads, checks, records and sends its next request before it parks again. The batch is small, so
that the hub's other duties (timers, heartbeats, the stall probe) are never late by much.
"""

from __future__ import annotations

import select
from collections.abc import Callable
from typing import Any, Protocol

import gevent
import gevent.monkey
from gevent.hub import get_hub
from greenlet import getcurrent, greenlet

_BATCH = 32
_SWEEP_S = 0.1

# The constants stay in `select` after gevent's patching; the class goes.
_epoll: Any = gevent.monkey.get_original("select", "epoll") if hasattr(select, "EPOLLET") else None


class Waiter(Protocol):
    """What waits on a descriptor: a connection."""

    deadline_ns: int
    """When waiting ends with a time-out, on CLOCK_MONOTONIC."""
    greenlet: Any
    timed_out: bool


class Pump:
    """Wakes greenlets whose sockets have something for them. Linux, by epoll."""

    def __init__(self, now_ns: Callable[[], int]) -> None:
        self._hub = get_hub()
        self._now_ns = now_ns
        self._waiting: dict[int, Waiter] = {}
        self._stirred: set[int] = set()
        self._epoll = _epoll()
        self._watcher = self._hub.loop.io(self._epoll.fileno(), 1)
        self._watcher.start(self._turn)
        self._sweeper = gevent.spawn(self._sweep)

    def add(self, descriptor: int) -> None:
        """Watch a new connection's descriptor until it is closed."""
        self._stirred.discard(descriptor)
        self._epoll.register(
            descriptor, select.EPOLLIN | select.EPOLLOUT | select.EPOLLRDHUP | select.EPOLLET
        )

    def forget(self, descriptor: int) -> None:
        """Stop watching a descriptor that is about to be closed."""
        self._stirred.discard(descriptor)
        try:
            self._epoll.unregister(descriptor)
        except OSError:
            pass  # the kernel dropped it already

    def stirred(self, descriptor: int) -> bool:
        """Tell, once, whether an event came while nobody waited: perhaps data that nobody asked for."""
        if descriptor in self._stirred:
            self._stirred.remove(descriptor)
            return True
        return False

    def wait(self, descriptor: int, waiter: Waiter) -> bool:
        """Park the current greenlet until the descriptor is ready; return False at its time-out."""
        waiter.greenlet = getcurrent()
        waiter.timed_out = False
        self._waiting[descriptor] = waiter
        try:
            greenlet.switch(self._hub)
        except BaseException:
            self._waiting.pop(descriptor, None)
            raise
        return not waiter.timed_out

    def _turn(self) -> None:
        take = self._waiting.pop
        for descriptor, _events in self._epoll.poll(0, _BATCH):
            waiter = take(descriptor, None)
            if waiter is None:
                self._stirred.add(descriptor)
            else:
                waiter.greenlet.switch()

    def _sweep(self) -> None:
        """Wake whoever has waited past its deadline; coarse, so that a request costs no timer."""
        while True:
            gevent.sleep(_SWEEP_S)
            now = self._now_ns()
            late = [d for d, waiter in self._waiting.items() if waiter.deadline_ns <= now]
            for descriptor in late:
                waiter = self._waiting.pop(descriptor, None)
                if waiter is not None:
                    waiter.timed_out = True
                    self._hub.loop.run_callback(waiter.greenlet.switch)
