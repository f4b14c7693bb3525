"""The documentation is true: its commands run, its links lead somewhere, its tables are the code's."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args

import click
import httpx
import pytest
import served

from harness.cli.main import cli
from harness.ground import errors, model
from harness.ground.model import Caps
from harness.ground.observations import TrialRecord
from harness.judgement.judge import judge
from harness.judgement.rules import BY_CODE, RULES
from harness.machine.services.catalogue import STARTERS
from harness.machine.services.postgres_cluster import _SETTINGS
from harness.output import plots, tables
from harness.records import loads, manifest, plan
from harness.records.project import Project
from harness.records.store import Results, RunRecord

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted(
    path.relative_to(ROOT)
    for pattern in ("*.md", "docs/*.md", "results/README.md", "reports/README.md", "apps/**/README.md")
    for path in ROOT.glob(pattern)
)
NOT_RUN = {
    "make bench": "takes a quarter of an hour; CI of a release runs it",
    "make test": "is what runs this test",
    "make check": "runs beside the tests",
    '.venv/bin/pytest -q -m "not slow" tests/unit': "is a part of what runs this test",
    "webdyno run --variant flask-gunicorn --variant django-gunicorn --scenario history --blocks 10 "
    "--cpus 0.5": "takes minutes; its flags are checked, and a shorter run is run",
    "webdyno run --suite smoke --scenario hello --variant my-flask": "is the run above with another variant",
    "pip install path/to/webdyno": "is what made the environment of this test",
    "locust -f locustfile.py -H http://127.0.0.1:8000": "test_locust.py runs it on a server of its own",
    "webdyno calibrate": "takes half a minute; each run calibrates",
}
"""Documented commands that no test runs, with the reason."""


def text_of(document: str) -> str:
    """Return a document's text."""
    return (ROOT / document).read_text(encoding="utf-8")


def prose_of(text: str) -> str:
    """Return a text without its code blocks."""
    return re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)


def blocks(text: str, language: str) -> list[str]:
    """Return the code blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def documented(document: Path | str) -> list[str]:
    """Return the commands of a document's `sh` blocks, comments and repetitions left out."""
    lines = [line for block in blocks(text_of(str(document)), "sh") for line in block.splitlines()]
    commands = (re.sub(r"\s+#.*$", "", line).strip() for line in lines)
    return list(dict.fromkeys(command for command in commands if command and not command.startswith("#")))


def commands() -> list[str]:
    """Return the commands of all documents in the order in which they are read."""
    order = [Path("README.md"), *(path for path in DOCUMENTS if path != Path("README.md"))]
    return list(dict.fromkeys(command for path in order for command in documented(path)))


def command_names() -> list[str]:
    """Return the names of webdyno's commands."""
    return cli.list_commands(click.Context(cli))


def command_of(name: str) -> click.Command:
    """Return a command of webdyno by its name."""
    found = cli.get_command(click.Context(cli), name)
    assert found is not None, f"there is no command {name}"
    return found


def section(document: str, heading: str) -> str:
    """Return the text between a heading and the next one of its level or above."""
    level = heading.partition(" ")[0]
    found = re.search(
        rf"^{re.escape(heading)}\n(.*?)(?=^#{{1,{len(level)}}} |\Z)",
        prose_of(text_of(document)),
        re.MULTILINE | re.DOTALL,
    )
    assert found, f"{document} has no {heading!r}"
    return found[1]


def rows(text: str) -> list[list[str]]:
    """Return the body rows of all tables in a text."""
    found = []
    for table in re.findall(r"(?:^\|.*\|\n)+", text, re.MULTILINE):
        for line in table.splitlines()[2:]:
            cells = re.split(r"(?<!\\)\|", line.strip().strip("|"))
            found.append([cell.strip() for cell in cells])
    return found


def keys(text: str) -> list[str]:
    """Return what stands in backticks in the first column of the tables in a text."""
    return [key for row in rows(text) for key in re.findall(r"`([^`]+)`", row[0])]


def anchors(text: str) -> set[str]:
    """Return the anchors that headings get."""
    headings = re.findall(r"^#+ (.+)$", prose_of(text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=str)
def test_links_lead_somewhere(document: Path) -> None:
    """Every link inside the project names a file, and a heading in it, that are there."""
    prose = prose_of(text_of(str(document)))
    for target in re.findall(r"\]\(([^)\s]+)\)", prose):
        if target.startswith("https://"):
            continue
        name, _, anchor = target.partition("#")
        path = (ROOT / document.parent / name).resolve() if name else ROOT / document
        assert path.exists(), target
        assert not anchor or anchor in anchors(path.read_text(encoding="utf-8")), target


def test_every_command_is_run_or_excused() -> None:
    """Every documented command is run by a test or has a reason, and no reason outlives its command."""
    found = commands()
    assert set(NOT_RUN) <= set(found)
    for command in found:
        program = shlex.split(command)[0]
        assert command in NOT_RUN or program in ("webdyno", "cp"), command
        if program == "make":
            assert re.search(rf"^{shlex.split(command)[1]}:", text_of("Makefile"), re.MULTILINE), command


@pytest.mark.parametrize("command", [one for one in commands() if one.startswith("webdyno ")])
def test_every_flag_of_a_command_exists(command: str) -> None:
    """A documented command line is one that webdyno takes, and names what there is."""
    _, name, *arguments = shlex.split(command)
    context = command_of(name).make_context(name, arguments)
    project = Project(ROOT)
    if "suite" in context.params:
        project.suite(context.params["suite"])
    for variant in context.params.get("variant", ()):
        assert variant in project.variants() or variant == "my-flask"
    for scenario in context.params.get("scenario", ()):
        assert scenario in project.scenarios()


@pytest.mark.parametrize("document", DOCUMENTS, ids=str)
def test_commands_in_prose_exist(document: Path) -> None:
    """Where the prose says `webdyno something`, there is such a command."""
    for name in re.findall(r"`webdyno ([a-z-]+)", text_of(str(document))):
        assert name in command_names(), name


def test_reference_lists_every_flag() -> None:
    """The reference has a section for each command, with exactly the flags that its help shows."""
    headings = re.findall(r"^### webdyno ([a-z-]+)$", text_of("docs/reference.md"), re.MULTILINE)
    assert sorted(headings) == sorted(command_names())
    for name in command_names():
        shown = command_of(name).get_help(click.Context(command_of(name), info_name=name))
        due = set(re.findall(r"^  (--[a-z-]+)", shown, re.MULTILINE)) - {"--help"}
        assert set(keys(section("docs/reference.md", f"### webdyno {name}"))) == due, name


def test_reference_lists_every_key() -> None:
    """The tables of keys are those that the readers of the files take."""
    assert set(keys(section("docs/reference.md", "## variant.toml"))) == set(manifest._Manifest.model_fields)
    suite = {*plan._Suite.model_fields, *(f"load.{key}" for key in loads.LoadKeys.model_fields)}
    suite |= {f"sweep.{key}" for key in plan._Sweep.model_fields}
    assert set(keys(section("docs/reference.md", "## Suites"))) == suite
    prose = section("docs/reference.md", "## variant.toml")
    assert all(f"`{{{name}}}`" in prose for name in manifest.PLACEHOLDERS)
    assert keys(section("docs/reference.md", "## Scenarios")) == ["NEEDS", "ENDPOINTS"]
    assert keys(section("docs/reference.md", "## Services")) == list(STARTERS)


def test_reference_lists_every_field_of_the_records() -> None:
    """The fields of `run.json` and `trial.json` are listed, all of them, in order."""
    for name, record in (("run.json", RunRecord), ("trial.json", TrialRecord)):
        assert listed_after(f"`{name}`:") == [field.name for field in fields(record)]


def listed_after(words: str) -> list[str]:
    """Return what stands in backticks in the paragraph of the results folder that begins with some words."""
    text = section("docs/reference.md", "## The results folder")
    (paragraph,) = [part for part in text.split("\n\n") if part.strip().startswith(words)]
    return re.findall(r"`([a-z_0-9]+)`", paragraph.strip().removeprefix(words))


def test_example_files_are_taken(tmp_path: Path) -> None:
    """The example of a suite and that of a scenario are read without a complaint."""
    (suite,) = blocks(text_of("docs/reference.md"), "toml")
    (tmp_path / "mine.toml").write_text(suite)
    assert len(plan.load_suite(tmp_path / "mine.toml").loads) == 3
    (scenario,) = blocks(text_of("docs/reference.md"), "python")
    (tmp_path / "mine.py").write_text(scenario)
    assert manifest.find_scenarios(tmp_path)["mine"].endpoints == ("GET /json",)


def test_reference_lists_every_variable() -> None:
    """The environment variables are those that the code knows."""
    code = [*(ROOT / "harness").rglob("*.py"), *(ROOT / "apps").rglob("*.py")]
    known = {name for path in code for name in re.findall(r"\bWEBDYNO_[A-Z0-9_]+\b", path.read_text())}
    assert set(keys(section("docs/reference.md", "## Environment variables"))) == known


def test_exit_codes() -> None:
    """The exit codes are those of the errors."""
    kinds = (
        errors.GateFailed,
        errors.UsageError,
        errors.EnvironmentUnfit,
        errors.VariantFailed,
        errors.Interrupted,
    )
    due = [0, *(kind.exit_code for kind in kinds)]
    assert [int(row[0]) for row in rows(section("docs/reference.md", "## Exit codes"))] == due
    (line,) = re.findall(r"^\*\*Exit codes\.\*\*(.*?)\n\n", text_of("README.md"), re.MULTILINE | re.DOTALL)
    assert [int(code) for code in re.findall(r"(?:^|· )\s*(\d+) ", line)] == due


def test_the_example_of_a_summary_is_a_real_one() -> None:
    """The explained example is a part of the golden summary, and no key of a cell is left unexplained."""
    text = section_with_code("docs/reference.md", "<!-- example -->")
    example = json.loads(blocks(text, "json")[0])
    golden = json.loads(text_of("tests/golden/summary.json"))
    assert contains(golden, example), "the example differs from tests/golden/summary.json"
    explained = {*example["cells"][0], *keys(section("docs/reference.md", "## summary.json"))}
    assert set(golden["cells"][0]) <= explained
    assert set(golden["comparisons"][0]) == set(example["comparisons"][0])
    for key in ("cpu", "memory_mib"):
        (row,) = [row for row in rows(text) if row[0] == f"`{key}`"]
        assert set(re.findall(r"`(\w+)`", row[1])) == set(golden["cells"][0][key])


def section_with_code(document: str, mark: str) -> str:
    """Return what follows a mark."""
    return text_of(document).partition(mark)[2]


def contains(whole: Any, part: Any) -> bool:  # noqa: ANN401 - any JSON
    """Tell whether a part is in a whole: keys may be missing from objects, and items from lists."""
    if isinstance(part, dict):
        return isinstance(whole, dict) and all(
            key in whole and contains(whole[key], value) for key, value in part.items()
        )
    if isinstance(part, list):
        return isinstance(whole, list) and all(any(contains(w, p) for w in whole) for p in part)
    return bool(whole == part)


def test_the_table_of_rules_is_the_codes() -> None:
    """The method's table has every rule, in order, with the code's own words, and a source for each."""
    table = re.search(r"<!-- rules -->\n(.*?)<!-- /rules -->", text_of("docs/method.md"), re.DOTALL)
    assert table
    written = rows(table[1])
    due = [[f"`{rule.code}`", rule.severity, rule.rule, rule.threshold] for rule in RULES]
    assert [row[:4] for row in written] == due
    assert all(len(row) == 5 and row[4] for row in written)


def test_what_is_not_checked_is_not_checked() -> None:
    """No rule of the code stands among those that are not there yet."""
    named = re.findall(r"`([a-z-]+)`", section("docs/method.md", "### Not checked yet"))
    assert named
    assert not set(named) & set(BY_CODE)


def test_glossary_words_have_their_home() -> None:
    """Every word's home is a file that has the name; and the words of the model are there."""
    entries = [row for row in rows(text_of("docs/glossary.md")) if len(row) == 3]
    assert len(entries) > 30
    for word, _, home in entries:
        path, *found = re.findall(r"`([^`]+)`", home)
        assert (ROOT / path).is_file(), word
        assert all(re.search(rf"\b{name}\b", text_of(path)) for name in found), word
    text = text_of("docs/glossary.md")
    assert set(get_args(model.Limiter)) == set(keys(section("docs/glossary.md", "## Limiters")))
    for value in (*get_args(model.Verdict), *get_args(model.Severity)):
        assert f"`{value}`" in text, value


def test_architecture_names_every_package() -> None:
    """The architecture's table has every package of the harness."""
    packages = {path.parent.name for path in (ROOT / "harness").glob("*/__init__.py")}
    assert set(keys(section("docs/architecture.md", "## The packages of `harness/`"))) == packages


def test_fairness_states_the_settings() -> None:
    """The table of servers' settings is that of the variants' files, and every value reaches the server."""
    variants = Project(ROOT).variants()
    table = rows(section("docs/fairness.md", "## Servers"))
    for column, name in enumerate(served.VARIANTS, 1):
        written = {row[0].strip("`"): row[column].strip("`") for row in table if row[column] != "–"}
        variant = variants[name]
        assert written == {key: str(value) for key, value in variant.settings.items()}
        command = manifest.start_command(variant, host="h", port=1, caps=Caps(2, 1 << 30), settings={})
        assert all(value.replace("{cpus}", "2") in command for value in written.values())


def test_fairness_states_postgresqls_settings() -> None:
    """Each setting of PostgreSQL in the documentation is one that the server is started with."""
    (block,) = blocks(text_of("docs/fairness.md"), "ini")
    assert all(line in _SETTINGS.splitlines() for line in block.splitlines())


def test_reports_list_their_files() -> None:
    """The files of a report are listed with their names."""
    listed = set(keys(text_of("reports/README.md")))
    made = {"index.html", "tables.md", "summary.json"}
    made |= {f"{kind}.csv" for kind in tables.TITLES} | {f"{name}.png" for name in plots.NAMES}
    assert listed == made


@pytest.fixture(scope="module")
def checkout() -> Iterator[Path]:
    """Return a copy of what a user has, in a folder that every uid can reach."""
    folder = Path(tempfile.mkdtemp(prefix="webdyno-docs-"))
    folder.chmod(0o755)
    for name in ("apps", "scenarios"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    yield folder
    shutil.rmtree(folder)


def environment(checkout: Path) -> dict[str, str]:
    """Return the user's environment: webdyno on the path, and a lock that is not the machine's."""
    return {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "WEBDYNO_LOCK": str(checkout / "lock"),
        "WEBDYNO_STATE": str(checkout / "state"),
    }


def call(command: str, checkout: Path) -> str:
    """Run a documented command and return its standard output; it must end with 0.

    On a machine that is busy with something else a run may find its own generator too slow: it says so and
    ends with 4, as documented.
    """
    done = subprocess.run(
        command,
        shell=True,
        cwd=checkout,
        env=environment(checkout),
        capture_output=True,
        text=True,
        timeout=120,
    )
    busy = done.returncode == 4 and spoiled_by_others(checkout)
    assert done.returncode == 0 or busy, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def spoiled_by_others(checkout: Path) -> bool:
    """Tell whether nothing but the generator's own want of CPU made the latest run's trials invalid."""
    run = Results(checkout / "results").find("latest")
    findings = [finding for cell in judge(run).cells for finding in cell.findings]
    codes = {finding.code for finding in findings if finding.severity == "invalid"}
    return codes <= {"generator-busy", "generator-stall", "littles-law"}


def interrupt(checkout: Path) -> None:
    """Put the latest run into the state that an interruption leaves: not sealed, its trial missing."""
    run = Results(checkout / "results").find("latest")
    for name in ("manifest.json", "summary.json"):
        (run.folder / name).unlink()
    shutil.rmtree(run.trials[0].folder)


def files_of(run: Path) -> set[str]:
    """Return the files of a run, trials' numbers replaced as in the documentation."""
    paths = (str(path.relative_to(run)) for path in run.rglob("*") if path.is_file())
    return {re.sub(r"trials/\d+/", "trials/<nnn>/", name) for name in paths}


@pytest.mark.slow
def test_every_command_does_what_it_says(checkout: Path) -> None:
    """Every documented command ends with 0, in the order in which it is read, and leaves what is listed."""
    listed = set(keys(text_of("results/README.md")))
    for command in commands():
        if command in NOT_RUN:
            continue
        if " serve " in command:
            served_until_interrupted(command, checkout)
            continue
        if " compare " in command:
            compared(command, checkout)
            continue
        if " resume " in command:
            interrupt(checkout)
        output = call(command, checkout)
        assert command.startswith(("cp ", "webdyno clean")) or output, command
        if "--json" in command or "--format json" in command:
            json.loads(output)
        if command.startswith(("webdyno run", "webdyno resume")):
            run = Results(checkout / "results").find("latest")
            assert run.state == "sealed"
            assert files_of(run.folder) == listed
            assert list(run.trials[0].series().columns) == listed_after("`series.parquet`:")
            assert list(run.trials[0].samples().columns) == listed_after("`samples.parquet`:")
            reports = {path.name for path in (checkout / "reports" / run.id).iterdir()}
            due = set(keys(text_of("reports/README.md")))
            drawn = any(cell.valid_trials for cell in judge(run).cells)
            assert reports == (due if drawn else {name for name in due if not name.endswith(".png")})
    assert not list((checkout / "state").glob("*"))


def compared(command: str, checkout: Path) -> None:
    """Compare the only run here with itself: the words are understood, and two runs asked for."""
    line = re.sub(r"compare \S+", "compare latest", command)
    done = subprocess.run(shlex.split(line), cwd=checkout, env=environment(checkout), capture_output=True)
    assert done.returncode == 2
    assert b"is both runs" in done.stderr, done


def served_until_interrupted(command: str, checkout: Path) -> None:
    """Serve on a free port in place of the documented one, ask once, interrupt; nothing may be left."""
    port = served.free_port()
    line = re.sub(r"--port \d+", f"--port {port}", command)
    log = checkout / "serve.log"
    with open(log, "wb") as out:
        child = subprocess.Popen(
            shlex.split(line),
            cwd=checkout,
            env=environment(checkout),
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        served.wait_until(lambda: served.healthy(url), child, log)
        assert httpx.get(f"{url}/json").json() == {"message": "Hello, World!"}
        served.wait_until(lambda: b"Ctrl-C ends it" in log.read_bytes(), child, log)
        child.send_signal(signal.SIGINT)
        assert child.wait(30) == 0
    finally:
        child.kill()
        child.wait()
    assert not served.healthy(url)
