"""Each rule against a real variant, or a real machine, that breaks it."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from parties import as_root
from running import APPS, ROOT, Home, codes

from harness.judgement.rules import BY_CODE
from harness.records.manifest import find_scenarios, load_variant
from harness.records.plan import lay_out, load_suite

pytestmark = [as_root, pytest.mark.slow, pytest.mark.alone]
BUSY = """
import os, sys, time
os.sched_setaffinity(0, {int(sys.argv[1])})
if sys.argv[2] == "first":  # of all: the generator itself is no ordinary process
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(50))
while True:
    end = time.monotonic() + 0.02
    while time.monotonic() < end:
        pass
    time.sleep(0.02)
"""
RULES_BROKEN_BY_VARIANTS = {
    "trial-failed": "crashing",
    "sut-crashed": "crashing",
    "sut-restarted": "restarting",
    "oom-killed": "hoarding",
    "errors": "lying",
    "starved-users": "starving",
    "connection-churn": "dropping",
    "window-short": "slow",
    "few-blocks": "plain",
}
"""The variants of `apps/` that break each rule."""
FOR_ALL = {"few-blocks", "overlap", "slow-interpreter", "host-noise"}
"""What the run, or the machine, breaks."""
RULES_BROKEN_BY_MACHINE = {"unsteady": "warning", "host-noise": "warning", "generator-busy": "invalid"}
RULES_BROKEN_BY_SYSTEM = {"overlap": "note", "caps-not-enforced": "warning"}
WITHOUT_GROUPS = ("unshare", "--mount", "sh", "-c", 'mount -t tmpfs none /sys/fs/cgroup && exec "$@"', "sh")
ON_ONE_CPU = ("taskset", "--cpu-list", "0")
RULES_BROKEN_BY_DRIFT = {"aa-differs": 1, "unstable": 2}
"""How many orders the twins stand in, over five blocks of a machine that gets slower and slower."""
AGEING = """
framework = "asyncio"
server = "asyncio"
interface = "sockets"
concurrency = "1 process"
start = ["python", "{server}", "--port", "{{port}}", "--starts", "{starts}"]
"""


@contextmanager
def busy(cpu: int, turn: str = "fair") -> Iterator[None]:
    """Use half of a CPU by a process that belongs to nobody's trial; `first` is before all others."""
    with subprocess.Popen((sys.executable, "-c", BUSY, str(cpu), turn)) as child:
        try:
            yield
        finally:
            child.kill()


def plain_alone(folder: Path) -> set[str]:
    """Return what the variant without a fault breaks in a run of its own."""
    home = Home(folder)
    home.suite(blocks="1")
    with home.run("--memory", "64m", "--json") as command:
        return set(codes(command.end())["plain"])


def test_faults_of_variants_are_named_and_the_run_goes_on(tmp_path: Path) -> None:
    """Each fault breaks its rules; the variant without one breaks none of them, nor any other.

    Where something else is in its way it may, but not in each of four tries.
    """
    home = Home(tmp_path / "home")
    variants = sorted(set(RULES_BROKEN_BY_VARIANTS.values()))
    home.suite(blocks="1", variants=json.dumps(variants))
    with home.run("--memory", "64m", "--json") as command:
        ended = command.end(bound_s=280)
    assert ended.status == 4, ended
    found = codes(ended)
    for code, variant in RULES_BROKEN_BY_VARIANTS.items():
        assert code in found[variant], (variant, found[variant])
        due = BY_CODE[code].severity
        assert found[variant][code] == due, (variant, found[variant])
    again = (plain_alone(tmp_path / str(number)) for number in range(3))
    assert any(one <= FOR_ALL for one in (found["plain"].keys(), *again)), found["plain"]
    assert len(home.trials()) == len(variants)


def test_a_machine_that_is_not_quiet_and_a_level_that_changes(tmp_path: Path) -> None:
    """Others on the SUT's CPU, others on the generator's, and a SUT that gets slower within the window."""
    home = Home(tmp_path / "home")
    home.suite(blocks="1", variants='["shifting"]', window_s="6")
    with busy(0), busy(1, "first"), home.run("--json") as command:
        ended = command.end()
    found = codes(ended)["shifting"]
    assert {code: found.get(code) for code in RULES_BROKEN_BY_MACHINE} == RULES_BROKEN_BY_MACHINE, found


def test_a_system_that_can_give_little(tmp_path: Path) -> None:
    """Where there is one CPU and no control groups, all share it, without caps, and both are told."""
    home = Home(tmp_path / "home")
    home.suite(blocks="1")
    with home.run("--json", prefix=(*ON_ONE_CPU, *WITHOUT_GROUPS)) as command:
        found = codes(command.end())["plain"]
    assert {code: found.get(code) for code in RULES_BROKEN_BY_SYSTEM} == RULES_BROKEN_BY_SYSTEM, found


@pytest.mark.parametrize("code", RULES_BROKEN_BY_DRIFT)
def test_a_drift_is_told_by_twins(tmp_path: Path, code: str) -> None:
    """A machine that gets slower makes twins differ where one always comes first, and unstable where not."""
    home = Home(tmp_path / "home")
    (home.folder / "apps" / "ageing").mkdir()
    starts = home.folder / "starts"
    starts.touch()
    starts.chmod(0o666)
    text = AGEING.format(server=APPS / "server.py", starts=starts)
    (home.folder / "apps" / "ageing" / "variant.toml").write_text(text)
    suite = home.suite(blocks="5", variants='["ageing"]', window_s="2")
    suite.write_text(suite.read_text().replace("[[load]]", 'aa = ["hello"]\n[[load]]'))
    with home.run("--json", "--seed", str(seed_of(suite, RULES_BROKEN_BY_DRIFT[code]))) as command:
        ended = command.end()
    found = codes(ended)["ageing"]
    assert set(RULES_BROKEN_BY_DRIFT) & found.keys() == {code}, found


def seed_of(suite: Path, orders: int) -> int:
    """Return a seed that puts the twins of a suite's one variant in so many orders."""
    parsed = load_suite(suite)
    variants = {name: load_variant(suite.parent / "apps" / name) for name in parsed.variants}
    for seed in itertools.count():
        trials = lay_out(parsed, variants, find_scenarios(ROOT / "scenarios"), seed).trials
        first = [one.cell.replica for one, _ in zip(trials[::2], trials[1::2], strict=True)]
        if len(set(first)) == orders:
            return seed
    raise AssertionError("unreachable")
