"""The tutorial is true: whoever does what it says, in order, gets what it shows."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import get_args

import pytest
from documentation import documented, keys, rows, section
from parties import as_root
from running import ROOT, Home

from harness.ground import model
from harness.judgement.rules import BY_CODE

TUTORIAL = "docs/tutorial.md"
REPORT = "docs/how-to/read-the-report.md"
SMALL = ("--users", "100", "--blocks", "1", "--seconds", "1", "--warmup", "0", "--backend", "cgroup")


def parts_of_the_page() -> list[str]:
    """Return the headings of a report."""
    page = (ROOT / "harness/output/report/page.html").read_text()
    return re.findall(r"<h2>(.*?)</h2>", page)


def shown(pattern: str, output: str) -> bool:
    """Tell whether the output has a line as the tutorial shows it, whatever its numbers."""
    found = re.sub(r"\d+", r"\\d+", re.escape(pattern)).replace("…", ".*").replace("<run>", r"\S+")
    return re.search(re.sub(r"(\\ )+", " +", found), output) is not None


@as_root
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_tutorial_leads_to_a_comparison(tmp_path: Path) -> None:
    """Its commands, in their order and on a small scale, say what it shows and end with two runs compared."""
    home = Home(tmp_path / "home")
    for name in ("fastapi-uvicorn", "flask-gunicorn", "django-gunicorn", "null-uvloop"):
        shutil.copytree(ROOT / "apps" / name, home.folder / "apps" / name)
    smoke, path, run, show, report, listing, compare = documented(TUTORIAL)
    assert path.startswith("export PATH=")
    dry = (*shlex.split(smoke), "--dry-run", "--no-print-directory")
    told = subprocess.run(dry, cwd=ROOT, capture_output=True, text=True, check=True)
    first = home.do(*shlex.split(told.stdout.splitlines()[-1])[1:], "--scenario", "hello", *SMALL)
    assert first.status in (0, 4), first  # on a busy machine the generator may find itself too slow
    for words in keys(section(TUTORIAL, "## 1. See that it works here (four minutes)")):
        assert shown(words, first.output) or words in ("warning:", "note:"), (words, first.output)
    assert re.search(r"variant +requests/s +vs slowest +rank +limiter +valid trials", first.output)

    second = home.do(*shlex.split(run)[1:], *SMALL)
    assert second.status in (0, 4), second
    assert "(twin)" in second.output
    base, latest = home.folders()
    (page,) = home.folder.glob(f"reports/{latest.name}/index.html")
    open_ended = r"<h1[^>]*>(No (verdict|answer): |[^<]*there is no valid other)"
    assert re.search(open_ended, page.read_text())  # likewise

    (users,) = {cell["load"]["users"] for cell in json.loads(home.do(*shlex.split(show)[1:]).output)["cells"]}
    assert users == 100
    markdown = home.do(*shlex.split(report)[1:]).output
    assert markdown.startswith("**")
    assert "\n## hello (closed, 100 users)\n" in markdown
    listed = home.do(*shlex.split(listing)[1:]).output
    assert base.name in listed
    assert latest.name in listed
    compared = home.do("compare", base.name, *shlex.split(compare)[3:])
    assert compared.status == 0, compared
    assert "New over base" in compared.output


def test_the_parts_of_the_report_are_told() -> None:
    """The tutorial and the how-to name the parts of the page, all of them, in order."""
    told = [row[0] for row in rows(section(REPORT, "## In which order"))]
    assert told == ["the sentence at the top", *parts_of_the_page()]
    bold = re.findall(
        r"^\d\. \*\*(.+?)\*\*", section(TUTORIAL, "## 2. Look at the report (two minutes)"), re.MULTILINE
    )
    assert bold == ["The sentence at the top", *parts_of_the_page()]


def test_every_verdict_limiter_and_severity_is_told() -> None:
    """The how-to has what a verdict, a limiter and a severity can be, and its findings are rules."""
    assert keys(section(REPORT, "## Verdicts and ranks")) == [*get_args(model.Verdict), "null"]
    assert set(keys(section(REPORT, "## What limited it"))) == set(get_args(model.Limiter))
    severities, findings = section(REPORT, "## Findings").split("These come up first")
    assert keys(severities) == list(get_args(model.Severity))
    assert set(keys(findings)) <= set(BY_CODE)
