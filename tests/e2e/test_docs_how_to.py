"""The how-tos are true: whoever does what they say, in order, has a variant, or a scenario, that runs."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import synthetic
from documentation import blocks, documented, text_of
from generators import serving
from parties import as_root
from running import ROOT, Home
from synthetic import on_disk

HOW_TO = "docs/how-to/add-a-variant.md"
SCENARIO = "docs/how-to/add-a-scenario.md"
ELSEWHERE = "docs/how-to/measure-elsewhere.md"
FILES = {"toml": "variant.toml", "text": "requirements.txt", "python": "app.py"}
"""What each block of the how-to is, by its language."""


@as_root
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_how_to_makes_a_variant(tmp_path: Path) -> None:
    """Its commands and files, in their order, end with a variant that keeps every rule that it has to."""
    home = Home(tmp_path / "home")
    shutil.copytree(ROOT / "apps/flask-gunicorn", home.folder / "apps/flask-gunicorn")
    write, verify, run = (shlex.split(command)[1:] for command in documented(HOW_TO))
    assert home.do(*write).status == 0
    folder = home.folder / "apps/my-bottle"
    for language, name in FILES.items():
        (text,) = blocks(text_of(HOW_TO), language)
        (folder / name).write_text(text)
    ended = home.do(*verify)
    assert ended.status == 0, ended
    home.suite(variants='["flask-gunicorn", "my-bottle"]', blocks="1", scenarios='["hello", "history"]')
    assert run[:3] == ["run", "--suite", "smoke"]
    measured = home.do("run", "--suite", "tiny.toml", *run[5:])
    assert measured.status in (0, 4), measured  # on a busy machine the generator may find itself too slow
    assert len(home.trials()) == 4


def test_the_how_tos_count_their_lines() -> None:
    """The lines that they say a variant and a scenario take are those of their blocks."""
    text = text_of(HOW_TO)
    counted = [len(blocks(text, language)[0].splitlines()) for language in FILES]
    found = re.search(r"3 files of (\d+), (\d+) and (\d+) lines", " ".join(text.split()))
    assert found
    assert list(map(int, found.groups())) == counted
    text = text_of(SCENARIO)
    app, scenario = (len(block.splitlines()) for block in blocks(text, "python"))
    (cases,) = (len(block.splitlines()) for block in blocks(text, "json"))
    assert f"3 files of {app}, {cases} and {scenario} lines" in text


def pasted(text: str, folder: Path, *names: str) -> None:
    """Put the blocks of the how-to into these files, each of which the text names just before its block."""
    for name in names:
        found = re.search(
            r"^```\w+\n(.*?)^```$", text.partition(f"`mine/{name}`")[2], re.MULTILINE | re.DOTALL
        )
        assert found, name
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(found[1])


@as_root
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_how_to_makes_a_scenario(tmp_path: Path) -> None:
    """From nothing to an own operation with its cases, measured beside a greeting; `resume` finds it."""
    home = Home(tmp_path / "home")
    shutil.copytree(ROOT / "apps/flask-gunicorn", home.folder / "apps/flask-gunicorn")
    text, mine = text_of(SCENARIO), home.folder / "mine"
    new_variant, new_scenario, verify, run, show = (shlex.split(line)[1:] for line in documented(SCENARIO))
    assert home.do(*new_variant).status == 0
    pasted(text, mine, "flask-shop/app.py", "scenarios/shop.json")
    manifest = mine / "flask-shop/variant.toml"
    line, suite = blocks(text, "toml")
    manifest.write_text(manifest.read_text().replace("[settings]", f"{line}\n[settings]"))
    assert home.do(*new_scenario).status == 0
    pasted(text, mine, "scenarios/shop.py")

    kept = home.do(*verify, "--yes", "--json")
    assert kept.status == 0, kept
    passed = {case["name"] for case in json.loads(kept.output)["flask-shop"] if case["passed"]}
    assert {"shop: an item", "shop: there is no item 1001", "json: greets"} <= passed

    for key, value in (("blocks", 1), ("window_s", 1), ("users", 20)):
        suite = re.sub(rf"^{key} = .*$", f"{key} = {value}", suite, flags=re.MULTILINE)
    (mine / "shop.toml").write_text(suite)
    refused = home.do(*run)
    assert (refused.status, home.folders()) == (2, []), refused
    assert f"shop ({mine}/scenarios/shop.py) will run as you do" in refused.complaint
    measured = home.do(*run, "--yes")
    assert measured.status in (0, 4), measured  # on a busy machine the generator may find itself too slow
    (folder,) = home.folders()
    cells = {
        (cell["variant"]["label"], cell["scenario"])
        for cell in json.loads((folder / "summary.json").read_bytes())["cells"]
    }
    shops = ("flask-shop", "flask-shop[threads=4]")
    assert cells == {("flask-gunicorn", "hello"), *((name, on) for name in shops for on in ("hello", "shop"))}
    assert re.search("flask-gunicorn +not implemented", home.do(*show).output)

    for name in ("manifest.json", "summary.json"):
        (folder / name).unlink()
    shutil.rmtree(folder / "trials/001")
    refused = home.do("resume")
    assert (refused.status, len(home.trials())) == (2, 4), refused
    assert f"{mine}/scenarios/shop.py" in refused.complaint
    resumed = home.do("resume", "--yes")
    assert resumed.status in (0, 4), resumed
    assert len(home.trials()) == 5


@pytest.mark.slow
def test_a_copied_run_is_read_and_a_server_elsewhere_driven(tmp_path: Path) -> None:
    """What was measured on another machine is listed and reported here; plain Locust drives a scenario."""
    home = Home(tmp_path / "home")
    run = on_disk(synthetic.run(blocks=2), home.folder / "lab")
    _, _, listing, report, locust = (shlex.split(line) for line in documented(ELSEWHERE))
    assert run.id in home.do(*listing[1:]).output
    ended = home.do(*report[1:])
    assert ended.status == 0, ended
    assert run.id in (home.folder / "reports/lab/index.html").read_text()

    assert locust[-2:] == ["--run-time", "30s"]
    with serving(tmp_path, "plateaus") as base_url:
        command = [one.replace("http://lab:8000", base_url) for one in locust[1:-1]]
        done = subprocess.run(
            (sys.executable, "-m", "locust", *command, "1s", "--json"),
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert done.returncode == 0, done
    (row,) = json.loads(done.stdout)
    assert (row["name"], row["num_failures"]) == ("GET /json", 0)
    assert row["num_requests"] > 100, row
