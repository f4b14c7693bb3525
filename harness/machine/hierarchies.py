"""Where control groups may be made: which hierarchies are mounted, and which folders are ours to write.

Knows cgroup v1 (controllers mounted together or apart), v2, and both at once. Every path is taken
beneath a root, so that a recorded tree can stand in for the machine.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

_NEEDED = frozenset({"cpu", "memory"})
_V1_WANTED = frozenset({"cpu", "cpuacct", "memory", "cpuset", "pids"})
_V2_WANTED = ("cpu", "memory", "cpuset", "pids")


@dataclass(frozen=True, slots=True)
class Mount:
    """One mounted hierarchy."""

    point: Path
    root: str
    """Which part of the hierarchy is mounted here; not `/` in many containers."""
    version: Literal[1, 2]
    controllers: frozenset[str]
    """What it was mounted with; always empty for v2."""


@dataclass(frozen=True, slots=True)
class Place:
    """A folder in which our groups are made, and what one made there controls."""

    folder: Path
    version: Literal[1, 2]
    controllers: frozenset[str]
    enable: tuple[str, ...] = ()
    """Controllers that must first be enabled for the folder's children."""
    evacuate: bool = False
    """Its processes must first move to a leaf: v2 allows no processes beside capped children."""


@dataclass(frozen=True, slots=True)
class Layout:
    """All hierarchies together."""

    places: tuple[Place, ...]

    @property
    def name(self) -> str:
        """Return which of the three kinds of tree this is."""
        versions = {place.version for place in self.places}
        if len(versions) > 1:
            return "cgroup v1 and v2 (hybrid)"
        return f"cgroup v{versions.pop()}"


def read_text(path: Path) -> str | None:
    """Return a small file's text; None where the kernel offers none."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return os.read(descriptor, 65536).decode()
    except OSError:
        return None
    finally:
        os.close(descriptor)


def mounts(root: Path) -> tuple[Mount, ...]:
    """Return the mounted hierarchies, in the order of /proc/self/mountinfo; none where there is no Linux."""
    found = []
    # Not `read_text`: in a container this file may be long.
    try:
        lines = (root / "proc/self/mountinfo").read_text().splitlines()
    except OSError:
        lines = []
    for line in lines:
        left, _, right = line.partition(" - ")
        kind, _, options = right.partition(" ")
        if kind not in ("cgroup", "cgroup2"):
            continue
        fields = left.split()
        names = frozenset(options.split()[-1].split(",")) & _V1_WANTED
        version: Literal[1, 2] = 2 if kind == "cgroup2" else 1
        found.append(
            Mount(root / fields[4].lstrip("/"), fields[3], version, names if version == 1 else frozenset())
        )
    return tuple(found)


def memberships(root: Path, pid: int | str = "self") -> dict[str, str]:
    """Return a process's path in each hierarchy: by controller for v1, under `` for v2."""
    paths = {}
    for line in (read_text(root / f"proc/{pid}/cgroup") or "").splitlines():
        _, controllers, path = line.split(":", 2)
        paths.update(dict.fromkeys(controllers.split(","), path))
    return paths


def folder_of(mount: Mount, paths: dict[str, str]) -> Path | None:
    """Return the folder of a process's group in a mount; None where it can't be seen there."""
    keys = mount.controllers or {""}
    path = next((paths[key] for key in sorted(keys) if key in paths), None)
    if path is None or ".." in path.split("/"):  # outside of what our namespace shows
        return None
    if mount.root != "/":  # a bind mount or an old container: paths begin above what is mounted
        if not (path + "/").startswith(mount.root.rstrip("/") + "/"):
            return mount.point
        path = path[len(mount.root.rstrip("/")) :]
    return mount.point / path.lstrip("/")


def places_of(root: Path, pid: int, mark: str) -> tuple[Place, ...]:
    """Return the folders of the control group that is named by a mark and holds a process.

    The mark is a container's id: a pid of another machine, or a recycled one, has another group. The process
    itself may be further below, as crun has it: what counts, and is capped, is the container's group.
    """
    paths, places = memberships(root, pid), []
    for mount in mounts(root):
        own = folder_of(mount, paths)
        ancestors = () if own is None else (*reversed(own.parents), own)
        folder = next((one for one in ancestors if mark in one.name), None)
        if folder is None or not folder.is_dir():
            continue
        if mount.version == 2:
            have = _names(folder / "cgroup.controllers")
            places.append(Place(folder, 2, have | _accounting(have)))
        elif mount.controllers:
            places.append(Place(folder, 1, mount.controllers))
    return tuple(places)


def find_layout(root: Path) -> Layout | str:
    """Return where groups with CPU and memory caps can be made by hand; else why they can't."""
    paths = memberships(root)
    places: list[Place] = []
    taken: set[str] = set()
    for mount in (mount for mount in mounts(root) if mount.version == 1):
        folder = folder_of(mount, paths)
        if folder is not None and mount.controllers - taken and _writable(folder):
            places.append(Place(folder, 1, mount.controllers))
            taken |= mount.controllers
    for mount in (mount for mount in mounts(root) if mount.version == 2):
        folder = folder_of(mount, paths)
        place = None if folder is None else _unified_place(mount, folder, frozenset(taken))
        if place is not None:
            places.append(place)
            taken |= place.controllers
            break
    missing = sorted(_NEEDED - taken)
    if not places or missing:
        return _why_not(root, missing)
    return Layout(tuple(places))


def cpu_quota(root: Path) -> float | None:
    """Return the CPUs that the quotas of our own group and its ancestors leave us; None for no quota."""
    paths, quotas = memberships(root), []
    for mount in mounts(root):
        folder = folder_of(mount, paths)
        while folder is not None and folder.is_relative_to(mount.point):
            unified = (read_text(folder / "cpu.max") or "").split()
            apart = [(read_text(folder / f"cpu.cfs_{part}_us") or "").strip() for part in ("quota", "period")]
            for quota, period in (pair for pair in (unified, apart) if len(pair) == 2):
                if quota.isdigit() and period.isdigit():
                    quotas.append(int(quota) / int(period))
            folder = folder.parent
    return min(quotas, default=None)


def _unified_place(mount: Mount, own: Path, taken: frozenset[str]) -> Place | None:
    """Return where v2 groups go: for control, or without controllers only for killing at one stroke."""
    wanted = tuple(name for name in _V2_WANTED if name not in taken)
    needed = _NEEDED - taken
    ancestors = [own, *own.parents]
    candidates = [f for f in ancestors[: ancestors.index(mount.point) + 1] if _writable(f)]
    for folder in candidates:
        enabled = _names(folder / "cgroup.subtree_control")
        missing = needed - enabled
        is_root = not (folder / "cgroup.type").exists()
        if not missing or (is_root and missing <= _names(folder / "cgroup.controllers")):
            have = frozenset(wanted) & (enabled | missing)
            return Place(folder, 2, have | _accounting(have), tuple(sorted(missing)))
    if candidates and candidates[0] == own and needed <= (available := _names(own / "cgroup.controllers")):
        have = frozenset(wanted) & available
        enable = tuple(name for name in wanted if name in have)
        return Place(own, 2, have | _accounting(have), enable, evacuate=True)
    return None


def _accounting(have: frozenset[str]) -> frozenset[str]:
    return frozenset({"cpuacct"}) if "cpu" in have else frozenset()


def _names(path: Path) -> frozenset[str]:
    return frozenset((read_text(path) or "").split())


def _writable(folder: Path) -> bool:
    return os.access(folder, os.W_OK | os.X_OK) and os.access(folder / "cgroup.procs", os.W_OK)


def _why_not(root: Path, missing: list[str]) -> str:
    if not mounts(root):
        return "there are no control groups here"
    return f"no writable control group has the controllers {' and '.join(missing) or 'cpu and memory'}"
