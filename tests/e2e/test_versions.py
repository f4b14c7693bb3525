"""One variant in several versions and settings: really installed, measured, and told apart everywhere."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from parties import as_root
from running import ROOT, Home

BASE = "flask-gunicorn"
OLDER, FEWER, OTHER = f"{BASE}@flask==3.1.0", f"{BASE}[threads=4]", f"{BASE}@python3.12"
NAMES = (BASE, OLDER, FEWER, OTHER)
TELLING = """
import platform, sys
import flask
from importlib.metadata import version
print("runs:", version("flask"), platform.python_version(), sys.argv[sys.argv.index("--threads") + 1])
"""
pytestmark = [as_root, pytest.mark.slow]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """Return a project with a variant that tells in its log what it runs on."""
    made = Home(tmp_path)
    tmp_path.chmod(0o755)
    folder = tmp_path / "apps" / BASE
    shutil.copytree(ROOT / "apps" / BASE, folder, ignore=shutil.ignore_patterns("__pycache__"))
    with open(folder / "app.py", "a", encoding="utf-8") as app:
        app.write(TELLING)
    made.suite(variants=json.dumps([BASE]), blocks="1")
    return made


@pytest.mark.alone
@pytest.mark.timeout(600)
def test_each_row_is_what_it_says(home: Home) -> None:
    """Rows of one run differ in what their labels say, in their processes and in all that is told of them."""
    names = [word for name in NAMES for word in ("--variant", name)]
    with home.start("run", "--suite", "tiny.toml", *names, "--json") as command:
        ended = command.end(bound_s=400)
    assert ended.output, ended.complaint  # the status is 4 where the machine is too busy to measure
    document = json.loads(ended.output)
    rows = {cell["variant"]["label"]: cell["variant"] for cell in document["cells"]}
    assert set(rows) == set(NAMES)
    assert {row["id"] for row in rows.values()} == {BASE}
    (run,) = home.folders()
    trials = [path.parent for path in run.glob("trials/*/trial.json")]
    records = {json.loads((path / "trial.json").read_text())["cell"]["variant"]: path for path in trials}
    default = _runs(records[BASE])
    assert _runs(records[OLDER]) == ("3.1.0", *default[1:])
    assert _runs(records[FEWER]) == (*default[:2], "4")
    assert _runs(records[OTHER])[1].startswith("3.12.")
    for name, row in rows.items():
        flask, python, threads = _runs(records[name])
        told = row["versions"]["flask"], row["versions"]["python"], str(row["settings"]["threads"])
        assert told == (flask, python, threads)
    pairs = {(one["base"], one["contender"]) for one in document["comparisons"]}
    assert len(pairs) == len(NAMES) * (len(NAMES) - 1) / 2
    shown = home.do("show")
    assert all(name in shown.output for name in NAMES)
    markdown = home.do("report", "--format", "md").output
    assert all(f"| {name} |" in markdown.replace("\\", "") for name in NAMES)
    _goes_on(home, run)


def _runs(trial: Path) -> tuple[str, ...]:
    """Return what the SUT itself said that it runs on: Flask, Python, threads."""
    lines = (trial / "sut.log").read_text().splitlines()
    return tuple(next(line for line in lines if line.startswith("runs:")).split()[1:])


def _goes_on(home: Home, run: Path) -> None:
    """Resume the run with one trial missing; then see it refused for a version that it was not begun with."""
    for name in ("manifest.json", "summary.json"):
        (run / name).unlink()
    records = sorted(run.glob("trials/*/trial.json"))
    (gone,) = (path.parent for path in records if json.loads(path.read_text())["cell"]["variant"] == OLDER)
    told = _runs(gone)
    shutil.rmtree(gone)
    ended = home.do("resume")
    assert ended.status in (0, 4), ended.complaint
    assert _runs(gone) == told
    for name in ("manifest.json", "summary.json"):
        (run / name).unlink()
    shutil.rmtree(gone)
    plan = run / "run.json"
    plan.write_text(plan.read_text().replace('"flask==3.1.0"', '"flask==3.1.1"'))
    refused = home.do("resume")
    assert refused.status == 2
    assert "has changed since the run began" in refused.complaint


@pytest.mark.parametrize(
    ("command", "name", "status", "says"),
    [
        ("run", f"{BASE}[thread=4]", 2, "did you mean threads?"),
        ("run", f"{BASE}@flsk==3.1.0", 2, "did you mean flask?"),
        ("run", f"{BASE}@flask==99.0.1", 4, "there is no version of flask==99.0.1"),
        ("run", f"{BASE}@python3.99", 3, "there is no Python 3.99 here"),
        ("run", f"{BASE}@flask@git+file:///nowhere@main", 4, "git can't read the repository"),
        ("run", f"{BASE}[cpus=64]", 2, "64 CPUs are wanted, and 1 is the cap of the run"),
        ("serve", f"{BASE}[cpus=64]", 2, "64 CPUs are wanted, and 1 is the cap of the run"),
        ("verify", f"{BASE}[cpus=0]", 2, "0 CPUs are no cap"),
        ("verify", f"{BASE}[threads=0x]", 2, "threads is a number"),
        ("serve", f"{BASE}@flask", 2, "write it as in"),
    ],
)
def test_a_wish_that_can_not_be_met(home: Home, command: str, name: str, status: int, says: str) -> None:
    """One message, its exit code, and nothing is begun or left."""
    arguments = ("--suite", "tiny.toml", "--variant", name) if command == "run" else (name,)
    ended = home.do(command, *arguments)
    assert (ended.status, says in ended.complaint) == (status, True), ended.complaint
    assert home.folders() == []
