"""The backend without a container engine: control groups by hand, else systemd scopes, else CPU affinity."""

from __future__ import annotations

import itertools
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from harness.ground.clock import Clock
from harness.ground.errors import EnvironmentUnfit
from harness.ground.model import Caps
from harness.ground.process import last_lines
from harness.machine import control_groups
from harness.machine.backends import scope
from harness.machine.backends.backend import Confinement, Party
from harness.machine.backends.launch import Held, unprivileged
from harness.machine.backends.parties import GroupParty, SessionParty
from harness.machine.control_groups import PREFIX, Group
from harness.machine.custody.identity import RUN_VARIABLE, identify
from harness.machine.custody.journal import Journal, Scope, Session
from harness.machine.hierarchies import Layout, find_layout

_MOST_WRITTEN = 32 << 20
"""Bytes of a file; half of the room on disk that a trial needs before it begins."""
_SCOPE_PATIENCE_S = 10.0


@dataclass(frozen=True, slots=True)
class Found:
    """What this machine offers for capping a party."""

    layout: Layout | str
    """Where groups can be made by hand, or why they can't."""
    scopes: bool
    """The user's systemd answers."""
    linux: bool


@dataclass(frozen=True, slots=True)
class Method:
    """How parties are confined here."""

    kind: Literal["by-hand", "scope", "affinity"]
    reason: str
    layout: Layout | None = None


def find(root: Path = Path("/")) -> Found:
    """Look at the machine; changes nothing."""
    return Found(find_layout(root), scope.scope_available(root), sys.platform == "linux")


def choose(found: Found) -> Method:
    """Return the best method that what was found allows."""
    if isinstance(found.layout, Layout):
        where = ", ".join(dict.fromkeys(str(place.folder) for place in found.layout.places))
        return Method("by-hand", f"{found.layout.name}, by hand under {where}", found.layout)
    if found.scopes:
        return Method("scope", f"systemd-run --user --scope, since {found.layout}")
    if found.linux:
        return Method("affinity", f"CPU affinity alone, caps not enforced, since {found.layout}")
    return Method("affinity", "no caps and no CPU affinity: this is no Linux")


def describe(root: Path = Path("/")) -> str:
    """Return which method is used here and why, in one line."""
    return choose(find(root)).reason


class CgroupBackend:
    """Parties in control groups of their own, wherever the machine allows it."""

    name = "cgroup"

    def __init__(
        self,
        run_id: str,
        journal: Journal,
        clock: Clock,
        root: Path = Path("/"),
        method: Method | None = None,
    ) -> None:
        """Choose the method, unless one is given; nothing is made before the first party starts."""
        self.method = choose(find(root)) if method is None else method
        self._run = run_id
        self._journal = journal
        self._clock = clock
        self._root = root
        self._numbers = itertools.count(1)
        self._parties: list[Party] = []
        self._prepared = False

    def start(self, confinement: Confinement) -> Party:
        """Start a party inside its caps; raises EnvironmentUnfit where that can't be done here."""
        start = {"by-hand": self._in_group, "scope": self._in_scope, "affinity": self._in_session}
        party = start[self.method.kind](confinement)
        self._parties.append(party)
        return party

    def close(self) -> None:
        """End every party that is left, at once, and remove its group; harmless when repeated."""
        while self._parties:
            self._parties[-1].stop(grace_s=0.5)
            self._parties.pop()

    def _in_group(self, confinement: Confinement) -> Party:
        assert self.method.layout is not None
        name, caps = self._name(confinement.party), confinement.caps
        group: Group | None = None
        held: Held | None = None
        try:
            self._prepare(self.method.layout)
            group = control_groups.make(self.method.layout, name, self._journal, capped=caps is not None)
            control_groups.confine(
                group,
                cpus=confinement.cpus,
                quota_cpus=None if caps is None else caps.cpus,
                memory_bytes=None if caps is None else caps.memory_bytes,
            )
            held = Held(
                confinement.command, _argv(confinement), confinement.command.env, _file_bytes(confinement)
            )
            control_groups.join(group, held.pid)
            held.bind(confinement.cpus)
        except BaseException as error:
            if held is not None:
                held.abandon()
            if group is not None:
                control_groups.end_groups([group.folders], self._clock, grace_s=0)
            if isinstance(error, OSError):
                raise _refused(confinement.party, error) from error
            raise
        return GroupParty(group, held.release(), self._clock, caps_enforced=_hold(group, caps))

    def _in_scope(self, confinement: Confinement) -> Party:
        unit = f"{self._name(confinement.party)}.scope"
        command, caps = confinement.command, confinement.caps
        self._journal.note(Scope(unit))
        argv = scope.scope_argv(unit, command.argv, confinement.cpus, caps, command.env)
        held = Held(command, argv, scope.scope_environment(command.env), _file_bytes(confinement))
        held.bind(confinement.cpus)  # for a manager without the cpuset controller
        child = held.release()
        deadline = self._clock.now_ns() + round(_SCOPE_PATIENCE_S * 1e9)
        while (group := scope.find_scope(self._root, held.pid, unit)) is None:
            if child.poll() is not None or self._clock.now_ns() > deadline:
                held.abandon()
                raise EnvironmentUnfit(
                    f"systemd gives {confinement.party} no scope", log=last_lines(command.log)
                )
            self._clock.sleep(0.005)
        return GroupParty(group, child, self._clock, caps_enforced=_hold(group, caps), scope=unit)

    def _in_session(self, confinement: Confinement) -> Party:
        # Of its own, or a party would be counted with every other that was started after it.
        mark = f"{self._run}:{self._name(confinement.party)}"
        environment = {**confinement.command.env, RUN_VARIABLE: mark}
        held = Held(confinement.command, _argv(confinement), environment, _file_bytes(confinement))
        try:
            leader = identify(held.pid)
            if leader is None:
                raise EnvironmentUnfit(f"{confinement.party} ended before it began")
            self._journal.note(Session(leader.pid, leader.start, leader.boot))
            held.bind(confinement.cpus)
        except BaseException:
            held.abandon()
            raise
        return SessionParty(leader, mark, held.release(), self._clock)

    def _prepare(self, layout: Layout) -> None:
        if not self._prepared:
            control_groups.prepare(layout, self._name("harness"), self._journal)
            self._prepared = True

    def _name(self, party: str) -> str:
        # Our pid, since a resumed run keeps its id; a number, since a party starts anew for every trial.
        plain = re.sub(r"[^a-z0-9-]+", "-", party.lower())
        return f"{PREFIX}{self._run}-{os.getpid()}-{next(self._numbers)}-{plain}"


def _argv(confinement: Confinement) -> tuple[str, ...]:
    if confinement.unprivileged and os.geteuid() == 0:
        return unprivileged(confinement.command.argv)
    return confinement.command.argv


def _file_bytes(confinement: Confinement) -> int | None:
    """Return the bound on each file that foreign code writes: one that logs each request fills no disk."""
    return confinement.file_bytes or (_MOST_WRITTEN if confinement.unprivileged else None)


def _hold(group: Group, caps: Caps | None) -> bool:
    return caps is None or control_groups.caps_hold(
        group, quota_cpus=caps.cpus, memory_bytes=caps.memory_bytes
    )


def _refused(party: str, error: OSError) -> EnvironmentUnfit:
    return EnvironmentUnfit(
        f"{party} can't be capped: {error.strerror}",
        where=str(error.filename or ""),
        remedy="what holds webdyno itself may have lower limits: ask for fewer CPUs or less memory",
    )
