"""A scenario of somebody's whose own code fails: the run says what, where and how often."""

from pathlib import Path

import pytest
from parties import as_root
from running import Home

pytestmark = [as_root, pytest.mark.slow]
SCENARIO = '''"""Greets, and errs now and then."""

from locust import task

from harness.loadgen.user import BenchUser

NEEDS = ()
ENDPOINTS = ("GET /json",)


class Errs(BenchUser):
    """Asks for the greeting, and mistakes its answer."""

    @task(10)
    def hello(self) -> None:
        """Ask once."""
        self.client.get("/json")

    @task
    def wrong(self) -> None:
        """Read what is not there."""
        self.client.get("/json").json()["greeting"]
'''
RULES_BROKEN = {"scenario-mistakes": "KeyError: 'greeting'"}
"""What is told of it."""


def test_a_mistake_is_a_finding_of_the_run(tmp_path: Path) -> None:
    """The trial is invalid, and the finding in the terminal and in the summary has words, place and count."""
    home = Home(tmp_path / "home")
    home.scenarios({"errs": SCENARIO})
    home.suite(scenarios='["errs"]', blocks="1")
    with home.run() as command:
        ended = command.end()
    assert ended.status == 4, ended
    line = 1 + SCENARIO.splitlines().index('        self.client.get("/json").json()["greeting"]')
    ((code, words),) = RULES_BROKEN.items()
    assert code in ended.output, ended.output
    told = f"{words} (scenarios/errs.py:{line} in wrong)"
    assert told in " ".join(ended.output.split()), ended.output
