"""What `new-variant` and `new-scenario` write runs at once, in a user's own folder beside the project."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
from parties import as_root
from running import ROOT, Ended, Home, was_measured

pytestmark = [as_root, pytest.mark.slow]


def next_steps(ended: Ended) -> list[list[str]]:
    """Return the commands that were printed as the next steps."""
    assert ended.status == 0, ended
    return [shlex.split(line)[1:] for line in ended.output.splitlines() if line.startswith("  webdyno ")]


def test_a_new_variant_keeps_the_contract_at_once(tmp_path: Path) -> None:
    """The template passes `verify` as it is written, by the printed command, in a user's own folder."""
    home = Home(tmp_path / "home")
    verify, serve, run = next_steps(home.do("new-variant", "mine", "--apps", str(tmp_path / "my apps")))
    assert [serve[0], run[0]] == ["serve", "run"]
    ended = home.do(*verify, "--yes", "--json")
    assert ended.status == 0, ended
    cases = json.loads(ended.output)["mine"]
    assert sum(case["passed"] is True for case in cases) > 10
    assert not [case for case in cases if case["passed"] is False]


@pytest.mark.timeout(600)
def test_a_new_variant_like_another_is_measured_beside_it(tmp_path: Path) -> None:
    """A copy outside of the project runs as its model does; both have rows, and so has a new scenario."""
    home = Home(tmp_path / "home")
    (home.folder / "apps/flask-gunicorn").symlink_to(ROOT / "apps/flask-gunicorn")
    home.scenarios({})
    made = home.do("new-variant", "mine", "--like", "flask-gunicorn", "--apps", str(tmp_path / "apps"))
    next_steps(made)
    next_steps(home.do("new-scenario", "greetings"))
    home.suite(variants='["flask-gunicorn", "mine"]', scenarios='["greetings"]', blocks="1")
    ended = home.do("run", "--suite", "tiny.toml", "--apps", str(tmp_path / "apps"), "--yes", "--json")
    assert was_measured(home, ended), ended
    cells = json.loads(ended.output)["cells"]
    assert sorted((cell["variant"]["id"], cell["scenario"]) for cell in cells) == [
        ("flask-gunicorn", "greetings"),
        ("mine", "greetings"),
    ]
