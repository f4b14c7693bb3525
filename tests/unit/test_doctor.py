from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from harness.ground.clock import SystemClock
from harness.lifecycle.doctor import examine, judge
from harness.machine.probes import Machine, busy_processes

GOOD = Machine(
    python=(3, 11),
    optimised=True,
    dont_write_bytecode=False,
    cpus=2,
    cpus_awake=True,
    memory_bytes=4 << 30,
    descriptors=4096,
    rooms=(("/results", 8 << 30),),
    method="cgroup v2, by hand",
    caps_enforced=True,
    port=True,
    postgres="18.6 from the wheel",
    valkey="9.1.2 from the wheel",
    engine="version 20.10.24 at unix:///var/run/docker.sock",
    no_engine="",
    root=True,
    setpriv=True,
    load=0.1,
    busy=(),
)


def test_a_good_machine_has_nothing_to_complain_of() -> None:
    """Every probe of a fit machine is ok, and each has a figure and a remedy all the same."""
    complaints = judge(GOOD, users=1000)
    assert all(one.ok for one in complaints)
    assert all(one.figure and one.remedy for one in complaints)
    assert len({one.subject for one in complaints}) == len(complaints)


@pytest.mark.parametrize(
    ("subject", "machine", "vital"),
    [
        ("Python", replace(GOOD, python=(3, 10)), True),
        ("open files", replace(GOOD, descriptors=1255), True),
        ("room in /results", replace(GOOD, rooms=(("/results", 1 << 30),)), True),
        ("ports of 127.0.0.1", replace(GOOD, port=False), True),
        ("PostgreSQL", replace(GOOD, postgres=""), False),
        ("Valkey", replace(GOOD, valkey=""), False),
        ("unprivileged variants", replace(GOOD, setpriv=False), True),
        ("CPU and memory caps", replace(GOOD, caps_enforced=False), False),
        ("CPUs", replace(GOOD, cpus=1), False),
        ("sleep of CPUs", replace(GOOD, cpus_awake=False), False),
        ("memory", replace(GOOD, memory_bytes=1 << 30), False),
        ("interpreter", replace(GOOD, optimised=False), False),
        ("bytecode", replace(GOOD, dont_write_bytecode=True), False),
        ("load average", replace(GOOD, load=1.5), False),
        ("other processes", replace(GOOD, busy=(("cc1 (7)", 0.5),)), False),
    ],
)
def test_each_weakness_is_complained_of(subject: str, machine: Machine, vital: bool) -> None:
    """One weakness makes exactly its own probe fail, and it is vital where a run can't be made."""
    failed = [one for one in judge(machine, users=1000) if one.ok is False]
    assert [one.subject for one in failed] == [subject]
    assert failed[0].vital is vital


def test_what_is_unknown_is_neither_good_nor_bad() -> None:
    """None stays None; no limit is enough; an ordinary user needs no setpriv."""
    unknown = replace(GOOD, optimised=None, load=None, rooms=(("/results", None),))
    found = {one.subject: one.ok for one in judge(unknown, users=1000)}
    assert found["interpreter"] is found["load average"] is found["room in /results"] is None
    without = {one.subject: one for one in judge(replace(GOOD, engine="", no_engine="none"), users=1000)}
    assert (without["container engine"].ok, without["container engine"].figure) == (None, "none")
    assert all(
        one.ok for one in judge(replace(GOOD, descriptors=None, root=False, setpriv=False), users=10**6)
    )


def test_this_machine_is_examined() -> None:
    """The real probes answer on the machine at hand, and those for a run are met where tests run."""
    found = {one.subject: one for one in examine(results=Path("results/none/yet"))}
    assert found["Python"].ok
    assert found["ports of 127.0.0.1"].ok
    assert any(subject.startswith("room in ") and one.ok is not None for subject, one in found.items())


def test_a_busy_process_is_named() -> None:
    """A process that spins beside us is seen, with its share of all CPUs."""
    spinner = subprocess.Popen(
        [sys.executable, "-c", "print(flush=True)\nwhile True: pass"], stdout=subprocess.PIPE
    )
    try:
        assert spinner.stdout is not None
        spinner.stdout.readline()
        busy = dict(busy_processes(SystemClock(), share=0.0))  # however many others spin as well
        assert any(f"({spinner.pid})" in name for name in busy)
    finally:
        spinner.kill()
        spinner.communicate()
