"""Caps through the user's own systemd, where no control group is ours to write."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.ground.model import Caps
from harness.machine.control_groups import MAX_PROCESSES, Group
from harness.machine.hierarchies import Place, folder_of, memberships, mounts

_MANAGER_VARIABLES = ("XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS")


def scope_available(root: Path) -> bool:
    """Return whether the user's systemd answers, on a machine whose caps are cgroup v2's."""
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    return (
        shutil.which("systemd-run") is not None
        and runtime is not None
        and (root / runtime.lstrip("/") / "systemd/private").exists()
        and any(mount.version == 2 for mount in mounts(root))
        and not any(mount.version == 1 and mount.controllers & {"cpu", "memory"} for mount in mounts(root))
    )


def scope_argv(
    unit: str, argv: Sequence[str], cpus: Sequence[int], caps: Caps | None, environment: Mapping[str, str]
) -> tuple[str, ...]:
    """Return the argument list that runs a program in a scope; the caps are systemd's to set."""
    properties = [
        f"TasksMax={MAX_PROCESSES}",
        "TimeoutStopSec=3s",
        "CPUAccounting=yes",
        "MemoryAccounting=yes",
    ]
    if cpus:
        properties.append(f"AllowedCPUs={','.join(map(str, cpus))}")
    if caps is not None:
        properties += [
            f"CPUQuota={caps.cpus * 100:g}%",
            "CPUQuotaPeriodSec=100ms",
            f"MemoryMax={caps.memory_bytes}",
            "MemorySwapMax=0",
        ]
    # systemd-run finds its manager by the environment, of which the program gets only what is its own.
    foreign = [name for name in _MANAGER_VARIABLES if name not in environment]
    unset = ["env", *(word for name in foreign for word in ("-u", name))] if foreign else []
    return (
        "systemd-run",
        "--user",
        "--scope",
        "--quiet",
        "--collect",
        f"--unit={unit}",
        *(word for text in properties for word in ("-p", text)),
        "--",
        *unset,
        *argv,
    )


def scope_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return a program's environment with what systemd-run itself needs."""
    manager = {name: os.environ[name] for name in _MANAGER_VARIABLES if name in os.environ}
    return {**manager, **environment}


def find_scope(root: Path, pid: int, unit: str) -> Group | None:
    """Return the control group of a scope once its first process has entered it."""
    mount = next((mount for mount in mounts(root) if mount.version == 2), None)
    folder = None if mount is None else folder_of(mount, memberships(root, pid))
    if folder is None or folder.name != unit:
        return None
    return Group((Place(folder, 2, frozenset({"cpu", "cpuacct", "memory", "cpuset", "pids"})),))
