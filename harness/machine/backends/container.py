"""A party in a container: the engine starts and ends it, and the kernel's own counters are read as ever."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.ground.clock import Clock
from harness.ground.observations import Counters
from harness.machine.backends.backend import Look
from harness.machine.backends.counters import group_counters
from harness.machine.control_groups import Group, members
from harness.machine.engine import Engine, answering

if TYPE_CHECKING:
    from docker.models.containers import Container

_SIGNALLED = 128
"""An exit status above it tells, as in a shell, which signal ended the program."""


class ContainerParty:
    """A started container, which nothing that it starts can escape."""

    def __init__(
        self,
        engine: Engine,
        container: Container,
        group: Group,
        clock: Clock,
        log: Path,
        *,
        caps_enforced: bool,
    ) -> None:
        """Take over a started container; its group is empty where it has ended already."""
        self.group = group
        self.caps_enforced = caps_enforced
        self._engine = engine
        self._container = container
        self._clock = clock
        self._log = log
        # Those below are the engine's own, and there by now: the program may make none.
        self._folders = tuple(Path(one) for top in group.folders[:1] for one, _, _ in os.walk(top))
        self._main: int = container.attrs["State"]["Pid"]
        self._seen: Counters | None = None
        self._last: Look | None = None

    def look(self) -> Look:
        """Return the processes and the kernel's own counters; the engine is asked only once all have ended.

        The engine removes the group of an ended container: its counters are those that were seen last.
        """
        if self._last is not None:
            return self._last
        at_ns = self._clock.now_ns()
        pids = members(self._folders)
        counters = group_counters(self.group, at_ns, len(pids))
        if self._main not in pids or self._main not in members(self._folders):  # it may have ended meanwhile
            return self._ended(at_ns)
        self._seen = counters
        return Look(counters, pids, None)

    def stop(self, grace_s: float = 5.0) -> int | None:
        """End every process, keep the log, and remove the container; return the first one's exit status."""
        if self._last is not None:
            return self._last.exit
        before = self.look()
        with answering(self._engine.address):
            self._container.stop(timeout=round(grace_s))
            after = self._ended(self._clock.now_ns())
            self._keep_log()
            self._container.remove(force=True, v=True)
        self._last = Look(replace(after.counters, at_ns=before.counters.at_ns), (), after.exit)
        return self._last.exit

    def _ended(self, at_ns: int) -> Look:
        """Ask the engine how it ended; None for an exit status where it has not quite."""
        with answering(self._engine.address):
            self._container.reload()
        state: dict[str, Any] = self._container.attrs["State"]
        seen = self._seen or Counters(
            at_ns=at_ns, cpu_ns=None, anon_bytes=None, shmem_bytes=None, processes=0
        )
        if state.get("OOMKilled"):
            seen = replace(seen, oom_kills=max(1, seen.oom_kills or 0))
        if state["Running"]:
            return Look(seen, (), None)
        status: int = state["ExitCode"]
        exit_ = _SIGNALLED - status if 0 < status - _SIGNALLED <= signal.SIGRTMAX else status
        return Look(replace(seen, at_ns=at_ns, processes=0), (), exit_)

    def _keep_log(self) -> None:
        with open(self._log, "ab") as file:
            file.writelines(self._container.logs(stream=True, follow=False))
