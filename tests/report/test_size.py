"""The report of a full run: all variants on all scenarios, ten blocks."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from browser import viewing
from full import TEN_THOUSAND, full_run

from harness.records.run import StoredRun

pytestmark = [pytest.mark.slow, pytest.mark.alone, pytest.mark.timeout(900)]

WRITE = """
import sys
from pathlib import Path
from harness.judgement.judge import reported_trials, summarise
from harness.output.report.page import write_report
from harness.records.store import Results
run = Results(Path(sys.argv[1])).find("latest")
trials = reported_trials(run)
write_report(run, summarise(run, trials), trials, Path(sys.argv[2]))
# ru_maxrss would be that of the process that started this one, if greater.
status = Path("/proc/self/status").read_text()
print(status.partition("VmHWM:")[2].split()[0])
"""


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> StoredRun:
    """Return a full run on the disk."""
    return full_run(tmp_path_factory.mktemp("full"))


@pytest.fixture(scope="module")
def built(full: StoredRun, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of its report, which takes less than 500 MB to build."""
    folder = tmp_path_factory.mktemp("report")
    command = (sys.executable, "-c", WRITE, str(full.folder.parent), str(folder))
    peak_kib = int(subprocess.run(command, check=True, timeout=600, stdout=subprocess.PIPE).stdout)
    assert peak_kib * 1024 < 500e6
    return folder


def test_the_page_stays_small(full: StoredRun, built: Path) -> None:
    """A page of two thousand trials takes less than 3 MB, with all of them in it."""
    page = (built / "index.html").read_bytes()
    assert len(full.trials) > 2000
    assert len(page) < 3e6
    assert page.count(b'"tip"') > len(full.trials)
    assert not list(built.glob("*.png"))  # nobody could read them


def test_ten_thousand_samples_are_drawn(built: Path) -> None:
    """A chart takes ten thousand points, more than a report ever draws, and the page complains of nothing."""
    with viewing(built / "index.html") as watched:
        drawn = watched.page.evaluate(TEN_THOUSAND)
        assert drawn
        assert watched.complaints == []
