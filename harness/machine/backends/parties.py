"""Started parties: one that a control group holds, and one that only its session holds together."""

from __future__ import annotations

import subprocess
from pathlib import Path

from harness.ground.clock import Clock
from harness.ground.errors import EnvironmentUnfit
from harness.machine.backends.backend import Look
from harness.machine.backends.counters import group_counters, process_counters
from harness.machine.control_groups import Group, end_groups, members
from harness.machine.custody.collector import end_family, end_scope
from harness.machine.custody.identity import Identity, family


class GroupParty:
    """A party in a control group, from which nothing that it starts can escape."""

    def __init__(
        self,
        group: Group,
        child: subprocess.Popen[bytes],
        clock: Clock,
        *,
        caps_enforced: bool,
        scope: str | None = None,
    ) -> None:
        """Take over a started process; `scope` names the systemd unit that the group belongs to."""
        self.group = group
        self.caps_enforced = caps_enforced
        self._child = child
        self._clock = clock
        self._scope = scope
        self._last: Look | None = None

    def look(self) -> Look:
        """Return the processes and the kernel's own counters; cheap enough for 4 Hz.

        After `stop` the counters are those of its beginning: the group itself is gone.
        """
        if self._last is not None:
            return self._last
        at_ns = self._clock.now_ns()
        pids = members(self.group.folders[:1])
        return Look(group_counters(self.group, at_ns, len(pids)), pids, self._child.poll())

    def stop(self, grace_s: float = 5.0) -> int | None:
        """End every process and remove the group; return the first process's exit status.

        Raises EnvironmentUnfit where a process survives even SIGKILL.
        """
        if self._last is None:
            self._last = self.look()
        folders: tuple[Path, ...] = self.group.folders
        left = end_groups([folders], self._clock, grace_s=grace_s)
        if self._scope is not None:
            end_scope(self._scope)
        if left:
            raise EnvironmentUnfit(
                f"{', '.join(left)} can't be removed", remedy="`webdyno clean` tries again"
            )
        exit_ = _reap(self._child)
        self._last = Look(self._last.counters, (), exit_)
        return exit_


class SessionParty:
    """A party that is bound to CPUs and has no caps; its processes are found by session and descent."""

    caps_enforced = False

    def __init__(self, leader: Identity, mark: str, child: subprocess.Popen[bytes], clock: Clock) -> None:
        """Take over a started process that leads a session of its own; `mark` is in its environment."""
        self._leader = leader
        self._mark = mark
        self._child = child
        self._clock = clock
        self._last: Look | None = None

    def look(self) -> Look:
        """Return the processes and the sum of their counters; after `stop` those of its beginning."""
        if self._last is not None:
            return self._last
        at_ns = self._clock.now_ns()
        exit_ = self._child.poll()
        pids = family(self._leader, self._mark)
        return Look(process_counters(pids, at_ns), pids, exit_)

    def stop(self, grace_s: float = 5.0) -> int | None:
        """End every process that can be found; return the first one's exit status."""
        if self._last is None:
            self._last = self.look()
        left = end_family(self._leader, self._mark, self._clock, grace_s=grace_s)
        if left:
            raise EnvironmentUnfit(f"{', '.join(left)} does not end")
        exit_ = _reap(self._child)
        self._last = Look(self._last.counters, (), exit_)
        return exit_


def _reap(child: subprocess.Popen[bytes]) -> int | None:
    try:
        return child.wait(5.0)
    except subprocess.TimeoutExpired:  # in the kernel, on its way out
        return None
