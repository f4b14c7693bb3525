"""Which process is meant: a pid alone is recycled, a pid with its start time and boot is not."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import psutil

PROC = Path("/proc")
RUN_VARIABLE = "WEBDYNO_RUN"
"""The environment variable by which processes that no control group holds are found again.

It holds a run's id, or `<run>:<party>`, so that all of a run's processes are found, or one party's alone.
"""


@dataclass(frozen=True, slots=True)
class Identity:
    """One process, for ever."""

    pid: int
    start: str
    """When it started, in the system's own unit."""
    boot: str
    """The boot in which it ran."""


def boot_id() -> str:
    """Return what distinguishes this boot of the machine from all others."""
    try:
        return (PROC / "sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return f"{psutil.boot_time():.0f}"


def identify(pid: int | None = None) -> Identity | None:
    """Return a running process's identity, our own where no pid is given; None where it has ended."""
    pid = os.getpid() if pid is None else pid
    start = _start(pid)
    return None if start is None else Identity(pid, start, boot_id())


def is_running(identity: Identity) -> bool:
    """Return whether exactly this process still runs; a zombie does not."""
    return identify(identity.pid) == identity


def family(leader: Identity, mark: str) -> tuple[int, ...]:
    """Return the pids of a leader's session, their descendants, and what carries the mark.

    `mark` is a party's, `<run>:<party>`, or a run's id, which all of its parties carry. A process whose
    leader has ended is counted only where its environment has the mark, since the number of a session may
    have been given anew.
    """
    if not (PROC / "self/stat").exists():
        return _family_elsewhere(leader)
    table = {pid: stat for pid in _pids() if (stat := _stat(pid)) and stat.state not in "ZX"}
    lead = _stat(leader.pid)
    held = lead is not None and lead.start == leader.start
    marker = f"{RUN_VARIABLE}={mark}".encode()
    found = {
        pid
        for pid, stat in table.items()
        if int(stat.start) >= int(leader.start)
        and ((held and stat.session == leader.pid) or _carries(pid, marker))
    }
    while young := {pid for pid, stat in table.items() if stat.parent in found} - found:
        found |= young
    return tuple(sorted(found - {os.getpid()}))


@dataclass(frozen=True, slots=True)
class _Stat:
    state: str
    parent: int
    session: int
    start: str


def _stat(pid: int) -> _Stat | None:
    try:
        text = (PROC / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return None
    # The program's name may hold spaces and brackets: the last bracket ends it.
    fields = text.rpartition(")")[2].split()
    return _Stat(fields[0], int(fields[1]), int(fields[3]), fields[19])


def _start(pid: int) -> str | None:
    if (PROC / "self/stat").exists():
        stat = _stat(pid)
        return None if stat is None or stat.state in "ZX" else stat.start
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else f"{process.create_time():.2f}"
    except psutil.Error:
        return None


def _pids() -> tuple[int, ...]:
    return tuple(int(entry.name) for entry in PROC.iterdir() if entry.name.isdigit())


def _carries(pid: int, marker: bytes) -> bool:
    return any(one == marker or one.startswith(marker + b":") for one in _environment(pid))


def _environment(pid: int) -> tuple[bytes, ...]:
    try:
        return tuple((PROC / str(pid) / "environ").read_bytes().split(b"\0"))
    except OSError:  # ended meanwhile, or somebody else's
        return ()


def _family_elsewhere(leader: Identity) -> tuple[int, ...]:
    if not is_running(leader):
        return ()
    try:
        process = psutil.Process(leader.pid)
        return (leader.pid, *(child.pid for child in process.children(recursive=True)))
    except psutil.Error:
        return ()
