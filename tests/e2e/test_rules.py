"""Each rule against a real variant, or a real machine, that breaks it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from parties import as_root
from running import Ended, Home

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
FAULTS = {
    "hoarding": "oom-killed",
    "lying": "errors",
    "crashing": "sut-crashed",
    "starving": "starved-users",
    "restarting": "sut-restarted",
    "dropping": "connection-churn",
}
"""The variants of `apps/` by the rule that each is to break."""


@contextmanager
def busy(cpu: int, turn: str = "fair") -> Iterator[None]:
    """Use half of a CPU by a process that belongs to nobody's trial; `first` is before all others."""
    with subprocess.Popen((sys.executable, "-c", BUSY, str(cpu), turn)) as child:
        try:
            yield
        finally:
            child.kill()


def codes(ended: Ended) -> Mapping[str, Mapping[str, str]]:
    """Return the severity of each finding that was checked, by variant and code."""
    cells: list[dict[str, Any]] = json.loads(ended.output)["cells"]
    return {
        cell["variant"]["id"]: {
            finding["code"]: finding["severity"]
            for finding in reversed(cell["findings"])  # the severest first: it wins
            if not finding["remedy"].startswith("not checked")
        }
        for cell in cells
    }


def test_faults_of_variants_are_named_and_the_run_goes_on(tmp_path: Path) -> None:
    """Each fault breaks its rule; the variant without one breaks none that makes a trial invalid."""
    home = Home(tmp_path / "home")
    home.suite(blocks="1", variants=json.dumps([*FAULTS, "plain"]))
    with home.run("--memory", "64m", "--json") as command:
        ended = command.end(bound_s=120)
    assert ended.status == 4, ended
    found = codes(ended)
    for variant, code in FAULTS.items():
        assert code in found[variant], (variant, found[variant])
        assert "invalid" in found[variant].values(), (variant, found[variant])
    assert "invalid" not in found["plain"].values(), found["plain"]
    assert not {"connection-churn", "sut-restarted"} & found["plain"].keys()
    assert len(home.trials()) == len(FAULTS) + 1


def test_a_machine_that_is_not_quiet_and_a_level_that_changes(tmp_path: Path) -> None:
    """Others on the SUT's CPU, others on the generator's, and a SUT that gets slower within the window."""
    home = Home(tmp_path / "home")
    home.suite(blocks="1", variants='["shifting"]', window_s="6")
    with busy(0), busy(1, "first"), home.run("--json") as command:
        ended = command.end()
    found = codes(ended)["shifting"]
    assert found["unsteady"] == "warning"
    assert found["host-noise"] == "warning"
    assert found["generator-busy"] == "invalid"
