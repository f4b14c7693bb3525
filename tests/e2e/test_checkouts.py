"""Variants of a second checkout beside those of the first one, each with its own checkout's packages."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from parties import as_root
from running import ROOT, Ended, Home, copy_checkout

BASE, OTHER = "fastapi-uvicorn", "fastapi-uvicorn~other-checkout"
OURS, THEIRS = "There is nothing at this path", "The other checkout has nothing there"
TELLING = """
from locust import task

from harness.loadgen.client import Expect
from harness.loadgen.user import BenchUser

NEEDS = ()
ENDPOINTS = ("GET /json",)
DUE = Expect(404, lambda response: response.json()["message"] == {words!r})


class User(BenchUser):
    @task
    def ask(self) -> None:
        self.client.get("/nothing", expect=DUE)
"""
"""The contract asks for some message; which one is the domain's own affair."""
pytestmark = [as_root, pytest.mark.slow]


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """Return a copy of this checkout whose domain has other words, and a variant another setting."""
    folder = tmp_path / "Other checkout"
    copy_checkout(folder)
    changed = {
        folder / "apps/domain/problems.py": (OURS, THEIRS),
        folder / "apps" / BASE / "variant.toml": ("backlog = 4096", "backlog = 2048"),
    }
    for path, (old, new) in changed.items():
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))
    return folder


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """Return a project with one variant of ours, and two scenarios that take one checkout's answers each."""
    made = Home(tmp_path / "home")
    (made.folder / "apps" / BASE).symlink_to(ROOT / "apps" / BASE)
    made.scenarios({"ours": TELLING.format(words=OURS), "theirs": TELLING.format(words=THEIRS)})
    made.suite(variants=json.dumps([BASE, OTHER]), scenarios='["ours", "theirs"]', blocks="1")
    return made


@pytest.mark.timeout(600)
def test_both_are_rows_of_one_run(home: Home, other: Path) -> None:
    """Variants of one name are told apart by the checkout, and each answers by its own checkout's domain."""
    ended = home.do("run", "--suite", "tiny.toml", "--apps", str(other), "--yes", "--json")
    _each_answers_by_its_own(ended)
    rows = {cell["variant"]["label"]: cell["variant"] for cell in json.loads(ended.output)["cells"]}
    assert {label: (row["id"], row["settings"]["backlog"]) for label, row in rows.items()} == {
        BASE: (BASE, 4096),
        OTHER: (OTHER, 2048),
    }
    for kind in ("md", "csv"):
        assert home.do("report", "--format", kind).status == 0
    assert f"| {OTHER} |" in home.do("report", "--format", "md").output.replace("\\", "")
    (run,) = home.folders()
    for path in (run / "manifest.json", run / "summary.json"):
        path.unlink()
    for path in run.glob("trials/*/trial.json"):
        if json.loads(path.read_text())["cell"]["variant"] == OTHER:
            shutil.rmtree(path.parent)
    _each_answers_by_its_own(home.do("resume", "--yes", "--json"))


def _each_answers_by_its_own(ended: Ended) -> None:
    """See errors in exactly the cells whose scenario takes the other checkout's answer for right."""
    assert ended.status == 4, ended  # of two cells no trial is valid
    wrong = {
        (cell["variant"]["label"], cell["scenario"])
        for cell in json.loads(ended.output)["cells"]
        for finding in cell["findings"]
        if (finding["code"], finding["severity"]) == ("errors", "invalid")
    }
    assert wrong == {(BASE, "theirs"), (OTHER, "ours")}


def test_they_are_asked_about_and_held_to_the_contract(home: Home, other: Path) -> None:
    """Without `--yes` nothing of them is run; with it they are verified as what they are here."""
    asked = home.do("verify", OTHER, "--apps", str(other / "apps"))
    assert asked.status == 2, asked
    assert f"{OTHER} ({other}/apps/{BASE}) will run:" in asked.complaint
    ended = home.do("verify", BASE, OTHER, "--apps", str(other / "apps"), "--yes", "--json")
    assert ended.status == 0, ended
    assert list(json.loads(ended.output)) == [BASE, OTHER]
