"""Our control groups as files: how they are made, what is written to them, and how they end."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.ground.clock import Clock
from harness.machine.custody.journal import ControlGroup, Controllers, Evacuation, Journal
from harness.machine.hierarchies import Layout, Place, read_text

PREFIX = "webdyno-"
"""Every control group that we make carries this name; no other is ever ended or removed."""
PERIOD_US = 100_000
MAX_PROCESSES = 4096


@dataclass(frozen=True, slots=True)
class Group:
    """One party's control group: a folder in every hierarchy."""

    places: tuple[Place, ...]
    """The folders of the group itself."""

    @property
    def folders(self) -> tuple[Path, ...]:
        """Return the group's folder in every hierarchy."""
        return tuple(place.folder for place in self.places)

    def controlled_by(self, controller: str) -> Place | None:
        """Return where a controller's files are; None where the group lacks it."""
        return next((place for place in self.places if controller in place.controllers), None)


def prepare(layout: Layout, name: str, journal: Journal) -> None:
    """Make a layout's v2 folder ready for capped children; what changes is journalled first."""
    for place in layout.places:
        if place.evacuate:
            leaf = place.folder / name
            journal.note(Evacuation(str(place.folder), str(leaf)))
            leaf.mkdir(exist_ok=True)
            move_all(place.folder, leaf)
        if place.enable:
            journal.note(Controllers(str(place.folder), place.enable))
            write(place.folder / "cgroup.subtree_control", " ".join(f"+{name}" for name in place.enable))


def make(layout: Layout, name: str, journal: Journal, *, capped: bool) -> Group:
    """Make a group, journalled first; raises OSError where the kernel refuses.

    A group without caps stays out of v1's own `cpu` hierarchy: there it would share CPU as one task of
    many, and the kernel would refuse it a real-time priority.
    """
    places = tuple(
        Place(place.folder / name, place.version, place.controllers)
        for place in layout.places
        if capped or place.version == 2 or place.controllers != {"cpu"}
    )
    journal.note(ControlGroup(tuple(str(place.folder) for place in places)))
    for place in places:
        place.folder.mkdir()
    return Group(places)


def confine(group: Group, *, cpus: Sequence[int], quota_cpus: float | None, memory_bytes: int | None) -> None:
    """Write a group's caps, before any process joins it; raises OSError where the kernel refuses."""
    if place := group.controlled_by("cpuset"):
        _confine_cpuset(place, cpus)
    if place := group.controlled_by("pids"):
        write(place.folder / "pids.max", str(MAX_PROCESSES))
    place = group.controlled_by("cpu")
    if place and quota_cpus is not None:
        quota = round(quota_cpus * PERIOD_US)
        if place.version == 2:
            write(place.folder / "cpu.max", f"{quota} {PERIOD_US}")
        else:
            write(place.folder / "cpu.cfs_period_us", str(PERIOD_US))
            write(place.folder / "cpu.cfs_quota_us", str(quota))
    place = group.controlled_by("memory")
    if place and memory_bytes is not None:
        if place.version == 2:
            write(place.folder / "memory.max", str(memory_bytes))
            _write_if_there(place.folder / "memory.swap.max", "0")
        else:
            write(place.folder / "memory.limit_in_bytes", str(memory_bytes))
            _write_if_there(place.folder / "memory.memsw.limit_in_bytes", str(memory_bytes))


def caps_hold(group: Group, *, quota_cpus: float, memory_bytes: int) -> bool:
    """Return whether the kernel reports both caps as they were asked for."""
    cpu, memory = group.controlled_by("cpu"), group.controlled_by("memory")
    if cpu is None or memory is None:
        return False
    if cpu.version == 2:
        limit = (read_text(cpu.folder / "cpu.max") or "max").split()
    else:
        limit = [
            (read_text(cpu.folder / f"cpu.cfs_{part}_us") or "-1").strip() for part in ("quota", "period")
        ]
    file = "memory.max" if memory.version == 2 else "memory.limit_in_bytes"
    bytes_ = (read_text(memory.folder / file) or "max").strip()
    if len(limit) != 2 or not limit[0].isdigit() or not bytes_.isdigit():
        return False
    # The kernel rounds memory down to pages, and systemd rounds times to microseconds.
    return (
        abs(int(limit[0]) / int(limit[1]) - quota_cpus) < 0.001
        and memory_bytes - 65536 <= int(bytes_) <= memory_bytes
    )


def join(group: Group, pid: int) -> None:
    """Move a process into a group in every hierarchy; raises OSError where the kernel refuses."""
    for folder in group.folders:
        write(folder / "cgroup.procs", str(pid))


def members(folders: Sequence[Path]) -> tuple[int, ...]:
    """Return the pids in any of a group's folders; those of ended processes are not among them."""
    pids: set[int] = set()
    for folder in folders:
        pids.update(int(pid) for pid in (_read_all(folder / "cgroup.procs") or "").split())
    return tuple(sorted(pids))


def end_groups(
    groups: Sequence[tuple[Path, ...]], clock: Clock, *, grace_s: float, bound_s: float = 10.0
) -> tuple[str, ...]:
    """End every process of some groups and remove their folders; return those that could not be removed.

    SIGTERM to all, `grace_s` to obey, then SIGKILL until none is left. Groups that are gone already are
    fine. What does not carry our name is left alone.
    """
    ours = [tuple(f for f in group if f.name.startswith(PREFIX)) for group in groups]
    _signal(ours, signal.SIGTERM)
    deadline = clock.now_ns() + round(grace_s * 1e9)
    while _signal(ours, None) and clock.now_ns() < deadline:
        clock.sleep(0.02)
    deadline = clock.now_ns() + round(bound_s * 1e9)
    while True:
        for folder in (folder for group in ours for folder in group):
            # No member can fork any more, so that one more round of signals suffices.
            _write_if_there(folder / "pids.max", "0")
            _write_if_there(folder / "cgroup.kill", "1")
        busy = _signal(ours, signal.SIGKILL)
        left = [str(folder) for group in ours for folder in group if not _remove(folder)]
        if not left or clock.now_ns() >= deadline:
            return tuple(left)
        clock.sleep(0.01 if busy else 0.03)


def undo_evacuation(folder: Path, leaf: Path) -> bool:
    """Move a leaf's processes back to where they were and remove it."""
    if leaf.is_dir() and leaf.name.startswith(PREFIX):
        move_all(leaf, folder)
        return _remove(leaf)
    return True


def disable(folder: Path, names: Sequence[str]) -> None:
    """Take controllers from a folder's children again, but for those that others have come to use."""
    for name in names:
        try:
            write(folder / "cgroup.subtree_control", f"-{name}")
        except OSError:  # in use by another program's group, or gone: nothing of ours
            pass


def move_all(source: Path, target: Path) -> None:
    """Move every process from one v2 folder to another, those that are born meanwhile included."""
    for _ in range(100):
        pids = (_read_all(source / "cgroup.procs") or "").split()
        if not pids:
            return
        for pid in pids:
            try:
                write(target / "cgroup.procs", pid)
            except ProcessLookupError:
                pass


def write(path: Path, text: str) -> None:
    """Write a control file; raises OSError where the kernel refuses."""
    with open(path, "w") as file:
        file.write(text)


def _confine_cpuset(place: Place, cpus: Sequence[int]) -> None:
    # v1 lets no process into a cpuset without memory nodes; v2 inherits both where they are empty.
    wanted = ",".join(str(cpu) for cpu in cpus)
    if place.version == 1:
        parent = place.folder.parent
        for file in ("cpuset.mems", "cpuset.cpus"):
            write(place.folder / file, (read_text(parent / file) or "0").strip())
    if wanted:
        write(place.folder / "cpuset.cpus", wanted)


def _write_if_there(path: Path, text: str) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    except OSError:
        return
    try:
        os.write(descriptor, text.encode())
    except OSError:  # the cap is an extra that this kernel does not take
        pass
    finally:
        os.close(descriptor)


def _read_all(path: Path) -> str | None:
    try:
        return path.read_text()
    except OSError:
        return None


def _signal(groups: Sequence[tuple[Path, ...]], number: signal.Signals | None) -> bool:
    """Signal every member but ourselves; return whether there was any."""
    pids = [pid for group in groups for pid in members(group) if pid != os.getpid()]
    for pid in pids if number is not None else ():
        assert number is not None
        try:
            os.kill(pid, number)
        except (ProcessLookupError, PermissionError):
            pass
    return bool(pids)


def _remove(folder: Path) -> bool:
    try:
        folder.rmdir()
    except FileNotFoundError:
        pass
    except OSError:
        return False
    return True
