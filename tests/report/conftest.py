"""Reports on disk, as a user opens them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from browser import chromium
from pages import Written

from harness.judgement.judge import judge, reported_trials
from harness.output import tables
from harness.output.report.page import page
from harness.records.run import StoredRun


@pytest.fixture
def written(tmp_path: Path) -> Written:
    """Return what writes a run's page and returns its path."""

    def write(run: StoredRun) -> Path:
        path = tmp_path / "index.html"
        summary = judge(run)
        path.write_text(page(run, summary, reported_trials(run), tables.build(summary)), encoding="utf-8")
        return path

    return write


@pytest.fixture(scope="session")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return axe-core's script, of the version and checksum that are pinned beside this file."""
    chromium()  # or the test is left out, and npm with it
    folder = tmp_path_factory.mktemp("axe")
    for path in (Path(__file__).parent / "axe").iterdir():
        shutil.copy(path, folder)
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=240)
    return (folder / "node_modules/axe-core/axe.min.js").read_text()
