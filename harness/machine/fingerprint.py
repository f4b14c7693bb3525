"""What a run was measured on, so that results of differing machines are not compared in silence."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

import harness
from harness.ground import process
from harness.ground.errors import EnvironmentUnfit
from harness.machine import interpreters
from harness.machine.idling import can_stay_awake

PROJECT = Path(harness.__file__).resolve().parent.parent

VARIABLES = (
    "LANG",
    "LC_ALL",
    "MALLOC_ARENA_MAX",
    "MALLOC_TRIM_THRESHOLD_",
    "OMP_NUM_THREADS",
    "PYTHONDONTWRITEBYTECODE",
    "PYTHONHASHSEED",
    "PYTHONMALLOC",
    "PYTHONOPTIMIZE",
    "PYTHONUNBUFFERED",
    "TZ",
)
"""The only environment variables that are stored: none of them can hold a secret."""


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """A machine and what runs the harness on it; None where something is unknown."""

    cpu_model: str | None
    architecture: str | None
    cpus_logical: int | None
    cpus_physical: int | None
    cpus_usable: int | None
    """Those that this process may run on."""
    memory_bytes: int | None
    kernel: str | None
    system: str | None
    """The operating system and its version."""
    virtualisation: str | None
    """Such as `kvm` or `docker`; `none` for bare metal."""
    cgroup: str | None
    """`v1`, `v2` or `hybrid`."""
    governor: str | None
    """The frequency governors of all CPUs, comma-separated."""
    turbo: bool | None
    """Whether a CPU may clock past its nominal frequency."""
    cpus_awake: bool | None
    """Whether trials keep CPUs from sleeping; see `idling`."""
    clock_source: str | None
    python: str | None
    """The harness's own interpreter and its version."""
    python_optimised: bool | None
    harness: str
    """The version of webdyno."""
    commit: str | None
    """The project's git commit."""
    dirty: bool | None
    """Whether files differed from that commit."""
    load_average: tuple[float, float, float] | None
    """Over 1, 5 and 15 minutes, when the fingerprint was taken."""
    variables: Mapping[str, str]
    """Of the environment, those of `VARIABLES` that are set."""


def fingerprint(
    root: Path = Path("/"),
    project: Path = PROJECT,
    environment: Mapping[str, str] = os.environ,
) -> Fingerprint:
    """Take the fingerprint; asks only, changes nothing, and takes a fraction of a second."""
    own = interpreters.describe(sys.executable)
    commit, dirty = _commit(project)
    return Fingerprint(
        cpu_model=_cpu_model(root),
        architecture=platform.machine() or None,
        cpus_logical=psutil.cpu_count(),
        cpus_physical=psutil.cpu_count(logical=False),
        cpus_usable=_usable(),
        memory_bytes=psutil.virtual_memory().total,
        kernel=platform.release() or None,
        system=_system(),
        virtualisation=_virtualisation(root),
        cgroup=_cgroup(root),
        governor=_governor(root),
        turbo=_turbo(root),
        cpus_awake=can_stay_awake(root),
        clock_source=_line(root / "sys/devices/system/clocksource/clocksource0/current_clocksource"),
        python=f"{platform.python_implementation()} {platform.python_version()}",
        python_optimised=None if own is None else own.optimised,
        harness=harness.__version__,
        commit=commit,
        dirty=dirty,
        load_average=_load_average(),
        variables={name: environment[name] for name in VARIABLES if name in environment},
    )


def _line(path: Path) -> str | None:
    """Return a one-line file's content; None where it can't be read or is empty."""
    try:
        return path.read_text(errors="replace").strip() or None
    except OSError:
        return None


def _answer(*argv: str) -> str | None:
    """Return what a small program prints; None where it is missing or fails."""
    if shutil.which(argv[0]) is None:
        return None
    try:
        done = process.run(argv, timeout_s=10)
    except EnvironmentUnfit:
        return None
    return done.output.strip() if done.exit == 0 else None


def _cpu_model(root: Path) -> str | None:
    fields: dict[str, str] = {}
    for line in (_line(root / "proc/cpuinfo") or "").splitlines():
        name, _, value = line.partition(":")
        fields.setdefault(name.strip().lower(), value.strip())
    if "model name" in fields:
        return fields["model name"]
    if "cpu part" in fields:  # ARM names its makers and parts by number
        return f"ARM implementer {fields.get('cpu implementer')} part {fields['cpu part']}"
    return _answer("sysctl", "-n", "machdep.cpu.brand_string") or platform.processor() or None


def _usable() -> int | None:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS
        return os.cpu_count()


def _system() -> str | None:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME")
    except OSError:
        return " ".join(word for word in (platform.system(), platform.mac_ver()[0]) if word) or None


def _virtualisation(root: Path) -> str | None:
    # Exits with 1 and still answers where there is none, hence not `_answer`.
    if root == Path("/") and shutil.which("systemd-detect-virt"):
        try:
            found = process.run(("systemd-detect-virt",), timeout_s=10).output.strip()
        except EnvironmentUnfit:
            found = ""
        if found:
            return found
    if (root / ".dockerenv").exists():
        return "docker"
    if " hypervisor" in (_line(root / "proc/cpuinfo") or ""):
        return _line(root / "sys/class/dmi/id/product_name") or "hypervisor"
    return None


def _cgroup(root: Path) -> str | None:
    groups = root / "sys/fs/cgroup"
    if (groups / "cgroup.controllers").exists():
        return "v2"
    if (groups / "unified" / "cgroup.controllers").exists() or (groups / "unified" / "cgroup.procs").exists():
        return "hybrid"
    return "v1" if (groups / "cpu").is_dir() or (groups / "memory").is_dir() else None


def _governor(root: Path) -> str | None:
    files = sorted((root / "sys/devices/system/cpu").glob("cpu[0-9]*/cpufreq/scaling_governor"))
    found = {governor for file in files if (governor := _line(file)) is not None}
    return ", ".join(sorted(found)) or None


def _turbo(root: Path) -> bool | None:
    no_turbo = _line(root / "sys/devices/system/cpu/intel_pstate/no_turbo")
    if no_turbo is not None:
        return no_turbo == "0"
    boost = _line(root / "sys/devices/system/cpu/cpufreq/boost")
    return None if boost is None else boost == "1"


def _load_average() -> tuple[float, float, float] | None:
    try:
        return os.getloadavg()
    except OSError:
        return None


def _commit(project: Path) -> tuple[str | None, bool | None]:
    """Return the commit and whether files differ; both None where the project is no checkout of its own."""
    top = _answer("git", "-C", str(project), "rev-parse", "--show-toplevel")
    if top is None or Path(top).resolve() != project.resolve():
        return None, None
    commit = _answer("git", "-C", str(project), "rev-parse", "HEAD")
    status = _answer("git", "-C", str(project), "status", "--porcelain")
    return commit, None if status is None else bool(status)
