"""Wakes users at moments fixed in advance, to within fractions of a millisecond.

gevent's own timers go through epoll's time-out, whole milliseconds; a timerfd is a descriptor like any
other and fires when it is due.
"""

from __future__ import annotations

import ctypes
import heapq
import itertools
import os
import sys
import time
from typing import Any

import gevent
from gevent.hub import get_hub
from greenlet import getcurrent, greenlet

_BATCH = 32
_CLOCK_MONOTONIC = 1
_TFD_TIMER_ABSTIME = 1


class _Timespec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class _Itimerspec(ctypes.Structure):
    _fields_ = (("interval", _Timespec), ("value", _Timespec))


class Alarm:
    """All the sleepers of one process."""

    def __init__(self) -> None:
        self._hub = get_hub()
        self._sleepers: list[tuple[int, int, Any]] = []
        self._order = itertools.count()
        self._descriptor = _timerfd()
        if self._descriptor is not None:
            self._watcher = self._hub.loop.io(self._descriptor, 1)
            self._watcher.start(self._ring)

    @property
    def precise(self) -> bool:
        """Tell whether this system has timerfd; without it, wake-ups are late by up to 1 ms or so."""
        return self._descriptor is not None

    def wait_until(self, due_ns: int) -> None:
        """Park the current greenlet until a moment on CLOCK_MONOTONIC; return at once if it is over."""
        now_ns = time.monotonic_ns()
        if due_ns <= now_ns:
            return
        if self._descriptor is None:
            gevent.sleep((due_ns - now_ns) / 1e9)
            return
        entry = (due_ns, next(self._order), getcurrent())
        heapq.heappush(self._sleepers, entry)
        if self._sleepers[0] is entry:
            self._set(due_ns)
        try:
            greenlet.switch(self._hub)
        except BaseException:
            self._sleepers.remove(entry)
            heapq.heapify(self._sleepers)
            raise

    def _ring(self) -> None:
        assert self._descriptor is not None
        try:
            os.read(self._descriptor, 8)
        except BlockingIOError:
            return  # set anew after it had fired
        sleepers, now_ns = self._sleepers, time.monotonic_ns
        for _ in range(_BATCH):
            if not sleepers or sleepers[0][0] > now_ns():
                break
            heapq.heappop(sleepers)[2].switch()
        if sleepers:
            self._set(sleepers[0][0])

    def _set(self, due_ns: int) -> None:
        """Arm the timer; a moment that is over makes it fire at once."""
        value = _Timespec(due_ns // 1_000_000_000, due_ns % 1_000_000_000)
        _libc().timerfd_settime(
            self._descriptor, _TFD_TIMER_ABSTIME, ctypes.byref(_Itimerspec(_Timespec(0, 0), value)), None
        )


def _libc() -> Any:
    return ctypes.CDLL(None, use_errno=True)


def _timerfd() -> int | None:
    if sys.platform != "linux":
        return None
    try:
        descriptor: int = _libc().timerfd_create(_CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, AttributeError):
        return None
    return descriptor if descriptor >= 0 else None
