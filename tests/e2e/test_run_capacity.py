"""Real searches for a capacity: one that is known, one that is never there, one that nobody can tell."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from parties import as_root
from running import ROOT, Home
from test_rules import busy

pytestmark = [as_root, pytest.mark.slow, pytest.mark.alone]
SUITE = """
title = "How much within 150 ms."
variants = {variants}
scenarios = ["hello"]
blocks = 1
window_s = 3
warmup_s = 0.5
[[load]]
profile = "capacity"
users = 200
arrivals = "constant"
slo_ms = {slo_ms}
"""
KNOWN_PER_S = 250.0
"""What `queueing` serves: one request after the other, of 4 ms each."""
RULES_BROKEN = {"slo-never-met": "slow", "capacity-beyond": "null-uvloop"}
RULES_BROKEN_BY_MACHINE = {"capacity-unclear": "invalid"}


def cells_of(home: Home) -> dict[str, Any]:
    """Return the summary's cells by variant."""
    (folder,) = home.folders()
    cells = json.loads((folder / "summary.json").read_text())["cells"]
    return {cell["variant"]["id"]: cell for cell in cells}


@pytest.mark.timeout(600)
def test_a_known_capacity_is_found_and_one_that_is_not_there_is_given_up(tmp_path: Path) -> None:
    """Within 5 %; what never meets the bound ends with a finding after few trials.

    Another virtual machine may take of the server's CPU: then it really serves less.
    """
    home = Home(tmp_path)
    variants = '["queueing", "slow"]'
    (home.folder / "tiny.toml").write_text(SUITE.format(variants=variants, slo_ms=150))
    with home.run() as command:
        ended = command.end(bound_s=500)
    assert ended.status == 4, ended  # no valid trial of `slow`
    cells = cells_of(home)
    (folder,) = home.folders()
    hosts = [json.loads(path.read_bytes())["host"] for path in folder.glob("trials/*/trial.json")]
    stolen = max((one["steal_ns"] or 0) / one["elapsed_ns"] for one in hosts if one)
    found = cells["queueing"]["requests_per_s"]["value"]
    assert KNOWN_PER_S * (0.95 - 2 * stolen) <= found <= KNOWN_PER_S * 1.05, (found, stolen)
    assert cells["queueing"]["response_ms"]["p99"]["value"] <= 150
    findings = cells["slow"]["findings"]
    assert "slo-never-met" in {found["code"] for found in findings}, findings
    stages = json.loads((folder / "run.json").read_text())["stages"]
    asked = [trial["cell"]["variant"] for stage in stages for trial in stage["trials"]]
    assert asked.count("slow") <= 9
    assert "p99 <= 150 ms" in ended.output
    assert home.left(set()) == []


@pytest.mark.timeout(300)
def test_what_always_keeps_the_bound_ends_at_what_can_be_asked_for(tmp_path: Path) -> None:
    """The null SUT outruns the generator: after few trials its capacity is told as at least a rate."""
    home = Home(tmp_path)
    shutil.copytree(ROOT / "apps/null-uvloop", home.folder / "apps/null-uvloop")
    (home.folder / "tiny.toml").write_text(SUITE.format(variants='["null-uvloop"]', slo_ms=2000))
    with home.run() as command:
        ended = command.end(bound_s=250)
    assert ended.status == 0, ended
    cell = cells_of(home)["null-uvloop"]
    assert "capacity-beyond" in {found["code"] for found in cell["findings"]}, cell["findings"]
    (folder,) = home.folders()
    stages = json.loads((folder / "run.json").read_text())["stages"]
    asked = [trial["cell"]["load"]["rate_per_s"] for stage in stages for trial in stage["trials"]]
    assert cell["requests_per_s"]["value"] in asked
    assert len(asked) <= 9
    assert home.left(set()) == []


def test_a_busy_generator_makes_it_unclear(tmp_path: Path) -> None:
    """Where the generator has no CPU to itself the search gives up, and says what was in the way."""
    home = Home(tmp_path)
    (home.folder / "tiny.toml").write_text(SUITE.format(variants='["plain"]', slo_ms=150))
    with busy(1, "first"), home.run() as command:
        ended = command.end(bound_s=120)
    assert ended.status == 4, ended
    found = {one["code"]: one["severity"] for one in cells_of(home)["plain"]["findings"]}
    assert {code: found.get(code) for code in RULES_BROKEN_BY_MACHINE} == RULES_BROKEN_BY_MACHINE, found
