"""Every documented command is run as it is written, or there is a reason why not."""

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
from pathlib import Path

import httpx
import pytest
import served
from documentation import (
    DOCUMENTS,
    ROOT,
    blocks,
    command_names,
    command_of,
    commands,
    keys,
    listed_after,
    text_of,
)

from harness.judgement.judge import judge
from harness.records.project import Project
from harness.records.store import Results
from harness.records.wishes import base_of

NOT_RUN = {
    "make bench": "takes a quarter of an hour; CI of a release runs it",
    "make test": "is what runs this test",
    "make check": "runs beside the tests",
    '.venv/bin/pytest -q -m "not slow" tests/unit': "is a part of what runs this test",
    "webdyno run --variant flask-gunicorn --variant django-gunicorn --scenario history --blocks 10 "
    "--cpus 0.5": "takes minutes; its flags are checked, and a shorter run is run",
    "webdyno run --suite smoke --scenario hello --variant my-flask": "is the run above with another variant",
    "webdyno run --variant flask-gunicorn --variant 'flask-gunicorn@flask==3.1.0' --blocks 10": "takes "
    "minutes; one block of it is run",
    "webdyno run --variant fastapi-uvicorn --variant fastapi-uvicorn~other-checkout "
    "--apps ../other-checkout": "test_checkouts.py runs these two, with a clone",
    "pip install path/to/webdyno": "is what made the environment of this test",
    "locust -f locustfile.py -H http://127.0.0.1:8000": "test_locust.py runs it on a server of its own",
    "VARIANT=flask-gunicorn docker compose up --build": "test_compose.py runs it",
    "curl http://127.0.0.1:8000/healthz": "likewise",
    "VARIANT=flask-gunicorn docker compose down --volumes": "likewise",
    "VARIANT=flask-gunicorn docker compose --profile locust up --build --detach "
    "--scale locust-worker=2": "likewise",
    "VARIANT=flask-gunicorn docker compose --profile locust logs --follow locust-master": "likewise",
    "VARIANT=flask-gunicorn docker compose --profile locust down --volumes": "likewise",
    "VARIANT=flask-gunicorn docker compose --profile observability up --build --detach": "needs images "
    "of a registry; test_observability.py runs what is in them, test_compose.py what is not",
    "VARIANT=flask-gunicorn docker compose --profile observability down --volumes": "likewise",
    "webdyno new-variant my-bottle --like flask-gunicorn": "test_docs_how_to.py runs it",
    "webdyno verify my-bottle": "likewise",
    "webdyno run --suite smoke --scenario hello --variant flask-gunicorn --variant my-bottle": "likewise",
    "webdyno new-variant flask-shop --like flask-gunicorn --apps mine": "likewise",
    "webdyno new-scenario shop --apps mine": "likewise",
    "webdyno verify flask-shop --apps mine": "likewise",
    "webdyno run --suite mine/shop.toml --apps mine": "likewise",
    "ssh -t lab 'cd webdyno && make .venv/ready && .venv/bin/webdyno doctor && make bench'": "needs another "
    "machine",
    "scp -r lab:webdyno/results lab": "likewise",
    "webdyno list --results lab": "test_docs_how_to.py runs it",
    "webdyno report latest --results lab --out reports/lab": "likewise",
    "locust -f scenarios/hello.py -H http://lab:8000 --headless --users 100 --spawn-rate 100 "
    "--run-time 30s": "likewise, for a second, on a server of its own",
    "webdyno calibrate": "takes half a minute; each run calibrates",
    "make bench SUITE=smoke": "test_docs_tutorial.py runs what it runs",
    'export PATH="$PWD/.venv/bin:$PATH"': "each of these tests has webdyno on its path",
    "webdyno run --scenario hello --variant flask-gunicorn --variant 'flask-gunicorn[workers=2]' "
    "--seconds 6": "test_docs_tutorial.py runs it",
}
"""Documented commands that no test runs, with the reason."""
NOT_HERE = ("my-flask", "my-bottle", "fastapi-uvicorn~other-checkout")
"""Variants that the user has made, or has elsewhere."""


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
    if context.params.get("suite") not in (None, "mine/shop.toml"):
        project.suite(context.params["suite"])
    for variant in context.params.get("variant", ()):
        assert base_of(variant) in project.variants() or variant in NOT_HERE
    for scenario in context.params.get("scenario", ()):
        assert scenario in project.scenarios()


@pytest.mark.parametrize("document", DOCUMENTS, ids=str)
def test_commands_in_prose_exist(document: Path) -> None:
    """Where the prose says `webdyno something`, there is such a command."""
    for name in re.findall(r"`webdyno ([a-z-]+)", text_of(str(document))):
        assert name in command_names(), name


@pytest.fixture(scope="module")
def checkout() -> Iterator[Path]:
    """Return a copy of what a user has, in a folder that every uid can reach."""
    folder = Path(tempfile.mkdtemp(prefix="webdyno-docs-"))
    folder.chmod(0o755)
    for name in ("apps", "claims", "scenarios"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    (wiki,) = blocks(text_of("docs/claims.md"), "toml")
    (folder / "wiki.toml").write_text(wiki, encoding="utf-8")
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
        timeout=400,
    )
    busy = done.returncode == 4 and spoiled_by_others(checkout)
    assert done.returncode == 0 or busy, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def spoiled_by_others(checkout: Path) -> bool:
    """Tell whether nothing but want of CPU made the latest run's trials invalid."""
    run = Results(checkout / "results").find("latest")
    findings = [finding for cell in judge(run).cells for finding in cell.findings]
    codes = {finding.code for finding in findings if finding.severity == "invalid"}
    return codes <= {"generator-busy", "generator-stall", "littles-law", "starved-users"}


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
@pytest.mark.timeout(900)
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
            assert list(run.trials[0].series()) == listed_after("`series.parquet`:")
            assert list(run.trials[0].samples()) == listed_after("`samples.parquet`:")
            reports = {path.name for path in (checkout / "reports" / run.id).iterdir()}
            due = set(keys(text_of("reports/README.md")))
            summary = judge(run)
            drawn = any(cell.valid_trials for cell in summary.cells)
            due = {name for name in due if summary.scaling or not name.startswith("scaling")}
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
        assert child.wait(served.PATIENCE_S) == 0
    finally:
        child.kill()
        child.wait()
    assert not served.healthy(url)
