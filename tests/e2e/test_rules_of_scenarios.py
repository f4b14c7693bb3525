"""Rules that a scenario breaks, or the end of the load generator: real runs, and one that is clean."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from parties import as_root, kill
from running import ROOT, Home, codes

from harness.judgement.rules import BY_CODE

pytestmark = [as_root, pytest.mark.slow, pytest.mark.alone]
SCENARIO = '''"""Greets, in its own way."""

import time

from locust import task

from harness.loadgen.user import BenchUser

NEEDS = ()
ENDPOINTS = ("GET /json",)


def busy(seconds: float) -> None:
    """Use the processor for so long."""
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


class Mine(BenchUser):
    """Asks for the greeting."""

    @task
    def hello(self) -> None:
        """Ask once."""
        {first}
        self.client.get("/json")
'''
RULES_BROKEN_BY_SCENARIOS = {
    "generator-stall": "busy(0.15) if self.number == 0 else None",
    "generator-ceiling": "busy(0.0003)",
    "littles-law": "time.sleep(0.01)  # neither waiting nor thinking: nobody counts it",
    "count-mismatch": 'self.client._connection._socket.send(b"\\r\\n")  # servers pass it over',
}
"""What a task does before its request, by the rule that this breaks."""
RULES_BROKEN_BY_KILLING = {"worker-lost": "invalid", "trial-failed": "invalid"}


def test_scenarios_that_mislead_are_found(tmp_path: Path) -> None:
    """Each of them breaks its rule in a run of all of them; the plain greeting breaks none of these.

    Where something else is in its way it may, but not in each of four tries.
    """
    home = Home(tmp_path / "home")
    (home.folder / "apps" / "null-uvloop").symlink_to(ROOT / "apps" / "null-uvloop")  # for the ceiling
    names = {code: code.replace("-", "_") for code in RULES_BROKEN_BY_SCENARIOS}
    home.scenarios(
        {names[code]: SCENARIO.format(first=first) for code, first in RULES_BROKEN_BY_SCENARIOS.items()}
    )
    home.suite(blocks="1", scenarios=json.dumps(["hello", *names.values()]))
    with home.run("--json") as command:
        ended = command.end(bound_s=150)
    found = codes(ended, by="scenario")
    for code, name in names.items():
        assert found[name].get(code) == BY_CODE[code].severity, (name, found[name])
    again = (greeting_alone(tmp_path / str(number)) for number in range(3))
    tries = (found["hello"], *again)
    assert any(
        not set(RULES_BROKEN_BY_SCENARIOS) & one.keys() and "invalid" not in one.values() for one in tries
    ), found["hello"]


def greeting_alone(folder: Path) -> Mapping[str, str]:
    """Return what the plain greeting breaks in a run of its own."""
    home = Home(folder)
    home.suite(blocks="1")
    with home.run("--json") as command:
        return codes(command.end(), by="scenario")["hello"]


def test_a_generator_that_is_killed_is_told(tmp_path: Path) -> None:
    """The trial in which the load generator is killed has no window and says why; others are valid."""
    home = Home(tmp_path / "home")
    home.suite(window_s="2", blocks="4")
    with home.run("--json") as command:
        command.await_load()
        kill(home.generators())
        ended = command.end()
    found = codes(ended)["plain"]
    assert {code: found.get(code) for code in RULES_BROKEN_BY_KILLING} == RULES_BROKEN_BY_KILLING, found
    (cell,) = json.loads(ended.output)["cells"]
    assert cell["trials"] == 4
    assert 1 <= cell["valid_trials"] < 4
    (first,) = home.results.glob("*/trials/001/trial.json")
    assert json.loads(first.read_bytes())["failure"]
