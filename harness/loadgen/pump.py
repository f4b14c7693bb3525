"""One readiness queue for all users of a process, beside gevent's own socket layer.

Sockets are non-blocking and gevent does not know them. One epoll holds them all, edge-triggered and
registered once a connection; its own descriptor is the only one that gevent watches. When it is ready,
a batch of events is taken and the first waiting greenlet is switched to: it reads, checks, records, sends
its next request, parks, and so hands on to the next of the batch; the last one hands back to the hub. A
turn ends after `_SLICE_NS`, however long the users' checks take; what is left of the batch waits for the
hub's next round, so that timers, heartbeats and the stall probe are never late by much.

Where there is no epoll (macOS), gevent's own watchers take its place: slower, the same otherwise.
"""

from __future__ import annotations

import select
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

import gevent.monkey
from gevent.hub import get_hub
from greenlet import getcurrent, greenlet

IN, OUT, ERR, HUP, RDHUP = 0x1, 0x4, 0x8, 0x10, 0x2000
"""What may be said of a descriptor, in the values of Linux."""
READABLE = IN | ERR | HUP | RDHUP
ENDED = ERR | HUP | RDHUP
_EXPIRED = 1 << 40

_BATCH = 64
_SLICE_NS = 4_000_000
_SWEEP_S = 0.1
_READ, _WRITE = 1, 2  # libev's

# The constants stay in `select` after gevent's patching; the class goes.
_epoll: Any = gevent.monkey.get_original("select", "epoll") if hasattr(select, "EPOLLET") else None


class Waiter(Protocol):
    """What waits on a descriptor: a connection."""

    descriptor: int
    events: int
    """What was said of the descriptor and not yet used; the pump adds, the connection takes away."""
    parked: Any
    """The greenlet that waits; None where nobody does."""
    blocked: bool
    """Whether it waits for room to send, too."""
    deadline_ns: int
    """When waiting ends with a time-out, on the pump's clock."""


class Source(Protocol):
    """Where a pump learns what is ready."""

    def add(self, waiter: Waiter) -> None:
        """Begin to watch a descriptor."""

    def arm(self, waiter: Waiter) -> None:
        """Prepare for a wait that begins."""

    def remove(self, waiter: Waiter) -> None:
        """Stop watching a descriptor that is about to be closed."""

    def close(self) -> None:
        """Release what the source holds."""


class Pump:
    """Wakes greenlets whose sockets have something for them; one per process."""

    def __init__(
        self, now_ns: Callable[[], int], source: Callable[[Pump, Any], Source] | None = None
    ) -> None:
        """`source` is made with the pump and gevent's loop; by default the best that there is here."""
        self._hub = get_hub()
        self._loop = loop = self._hub.loop
        self._round = -1.0
        self._now_ns = now_ns
        self._waiters: dict[int, Waiter] = {}
        self._queue: deque[tuple[Waiter, int]] = deque()
        self._again = loop.timer(0)
        self._slice_end_ns = 0
        self._source = (source or default_source())(self, loop)
        self.blind = not isinstance(self._source, EpollSource)
        """Whether nothing is said of a descriptor while nobody waits on it."""
        self._arm = self._source.arm if self.blind else None
        self._sweeper = loop.timer(_SWEEP_S, _SWEEP_S, ref=False)
        self._sweeper.start(self._sweep)

    def add(self, waiter: Waiter) -> None:
        """Watch a new connection's descriptor until it is forgotten."""
        self._waiters[waiter.descriptor] = waiter
        self._source.add(waiter)

    def forget(self, waiter: Waiter) -> None:
        """Stop watching a descriptor that is about to be closed; its number may be another's next."""
        if self._waiters.pop(waiter.descriptor, None) is not None:
            self._source.remove(waiter)

    def wait(self, waiter: Waiter) -> None:
        """Park the current greenlet until there is news, perhaps of no use; the caller looks and loops.

        Whoever is next in the batch runs at once: a way by the hub would cost a second switch.

        Raises TimeoutError at the waiter's deadline, and whatever the greenlet is killed with.
        """
        waiter.parked = getcurrent()
        if self._arm is not None:
            self._arm(waiter)
        try:
            greenlet.switch(self._next())
        finally:
            waiter.parked = None
        if waiter.events & _EXPIRED:
            waiter.events &= ~_EXPIRED
            if self._now_ns() >= waiter.deadline_ns:
                raise TimeoutError

    def breathe(self, waiter: Waiter) -> None:
        """Let others run where the current greenlet has had its slice; for one that never has to wait."""
        if self._now_ns() >= self._slice_end_ns:
            self.post(waiter, 0)
            self.wait(waiter)

    def post(self, waiter: Waiter, events: int) -> None:
        """Deliver events in a turn of their own."""
        self._queue.append((waiter, events))
        if not self._again.active:
            self._again.start(self._run)

    def turn(self, events: list[tuple[int, int]]) -> None:
        """Deliver a batch of (descriptor, events) at once.

        Descriptors are looked up before anyone runs: one that is closed and used again meanwhile is
        another connection, which the old one's events do not concern.
        """
        find = self._waiters.get
        for descriptor, happened in events:
            waiter = find(descriptor)
            if waiter is not None:
                self._queue.append((waiter, happened))
        self._run()

    @property
    def waiting(self) -> int:
        """How many waiters are parked."""
        return sum(1 for waiter in self._waiters.values() if waiter.parked is not None)

    @property
    def busy(self) -> bool:
        """Whether events of an earlier batch are still to be delivered."""
        return bool(self._queue)

    def close(self) -> None:
        """Stop; nothing may be waiting any more."""
        self._queue.clear()
        for watcher in (self._again, self._sweeper):
            watcher.stop()
            watcher.close()
        self._source.close()

    def _run(self) -> None:
        this_round = self._loop.now()  # the loop's clock stands still for a round: one slice a round
        if this_round != self._round:
            self._round, self._slice_end_ns = this_round, self._now_ns() + _SLICE_NS
        try:
            while (chosen := self._next()) is not self._hub:
                chosen.switch()
        finally:
            if self._queue and not self._again.active:
                self._again.start(self._run)

    def _next(self) -> Any:
        """Deliver events up to one that wakes someone; return whom, or the hub as batch or slice is over."""
        queue = self._queue
        while queue and self._now_ns() < self._slice_end_ns:
            waiter, happened = queue.popleft()
            waiter.events |= happened
            if waiter.parked is not None:
                return waiter.parked
        return self._hub

    def _sweep(self) -> None:
        """Wake whoever has waited past its deadline; coarse, so that a request costs no timer."""
        now_ns = self._now_ns()
        for waiter in self._waiters.values():
            if waiter.parked is not None and waiter.deadline_ns <= now_ns:
                self.post(waiter, _EXPIRED)


class EpollSource:
    """Linux: one edge-triggered epoll for all descriptors."""

    def __init__(self, pump: Pump, loop: Any) -> None:
        self._pump = pump
        self._epoll = _epoll()
        self._watcher = loop.io(self._epoll.fileno(), _READ)
        self._watcher.start(self._ready)

    def add(self, waiter: Waiter) -> None:
        """Register once, for everything."""
        self._epoll.register(waiter.descriptor, IN | OUT | RDHUP | select.EPOLLET)

    def arm(self, waiter: Waiter) -> None:
        """Nothing to do: the registration stands."""

    def remove(self, waiter: Waiter) -> None:
        """Take the registration back."""
        try:
            self._epoll.unregister(waiter.descriptor)
        except OSError:
            pass  # the kernel dropped it already

    def close(self) -> None:
        """Close the epoll."""
        self._watcher.stop()
        self._watcher.close()
        self._epoll.close()

    def _ready(self) -> None:
        if not self._pump.busy:  # else the rest of the last batch comes first, by its timer
            self._pump.turn(self._epoll.poll(0, _BATCH))


class WatcherSource:
    """Anywhere: a watcher of gevent's for each wait. It says nothing between two waits."""

    def __init__(self, pump: Pump, loop: Any) -> None:
        self._pump = pump
        self._loop = loop
        self._watchers: dict[int, Any] = {}

    def add(self, waiter: Waiter) -> None:
        """Nothing to do before a wait."""

    def arm(self, waiter: Waiter) -> None:
        """Watch until the first event; a watcher that an earlier, killed wait left is replaced."""
        self.remove(waiter)
        watcher = self._loop.io(waiter.descriptor, _READ | _WRITE if waiter.blocked else _READ)
        self._watchers[waiter.descriptor] = watcher
        watcher.start(self._ready, waiter, pass_events=True)

    def remove(self, waiter: Waiter) -> None:
        """Stop watching."""
        watcher = self._watchers.pop(waiter.descriptor, None)
        if watcher is not None:
            watcher.stop()
            watcher.close()

    def close(self) -> None:
        """Nothing is left once all waiters are forgotten."""

    def _ready(self, happened: int, waiter: Waiter) -> None:
        self.remove(waiter)
        self._pump.post(waiter, (IN if happened & _READ else 0) | (OUT if happened & _WRITE else 0))


def default_source() -> Callable[[Pump, Any], Source]:
    """Return the best source of this system."""
    return WatcherSource if _epoll is None else EpollSource
