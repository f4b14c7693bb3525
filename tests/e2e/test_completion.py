"""A real bash completes what somebody types, and is never disturbed."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from harness.cli.completing import SHELLS

COMPLETED = """
eval "$SCRIPT"
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
_webdyno_completion webdyno
printf '%s\\n' "${COMPREPLY[@]}"
"""
OLDER, NEWER = "20261124-041638-standard", "20261130-090000-smoke"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a project in which no file is what it should be: names alone are right."""
    for name in (
        "apps/flask-one/variant.toml",
        "apps/flask-two/variant.toml",
        "apps/flask-$(touch hit)/variant.toml",
        "apps/flask-\x1b[31m\nplain,flask-forged/variant.toml",
        "apps/domain/model.py",
        "mine/flask-own/variant.toml",
        "mine/scenarios/hand.py",
        "scenarios/hello.py",
        "scenarios/_hidden.py",
        "scenarios/h; touch hit.py",
        "scenarios/suites/smoke.toml",
        f"results/{OLDER}/run.json",
        f"results/{NEWER}/run.json",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("is = not [ right", encoding="utf-8")
    return tmp_path


@cache
def script_for(shell: str) -> str:
    """Return what `webdyno completion` prints; nothing else may be said."""
    command = [sys.executable, "-m", "harness", "completion", shell]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout


def completed(project: Path, *words: str) -> list[str]:
    """Return what bash offers in place of the last word; nothing else may be said."""
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "SCRIPT": script_for("bash"),
    }
    done = subprocess.run(
        ["bash", "-c", COMPLETED, "bash", "webdyno", *words],
        cwd=project,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (("re",), ["resume", "report"]),
        (("--ver",), ["--version"]),
        (("run", "--sc"), ["--scenario"]),
        (("run", "--variant", "fl"), ["flask-one", "flask-two"]),
        (("run", "--apps", "mine", "--variant", "fl"), ["flask-one", "flask-two", "flask-own"]),
        (("run", "--scenario", "h"), ["hello"]),
        (("run", "--apps", "mine", "--scenario", "h"), ["hello", "hand"]),
        (("run", "--suite", ""), ["smoke"]),
        (("run", "--backend", "d"), ["docker"]),
        (("serve", "--apps", "mine", "flask-o"), ["flask-one", "flask-own"]),
        (("verify", "flask-one", "flask-t"), ["flask-two"]),
        (("new-variant", "x", "--like", "flask-t"), ["flask-two"]),
        (("show", ""), ["latest", NEWER, OLDER]),
        (("compare", OLDER, "20261130"), [NEWER]),
        (("completion", "z"), ["zsh"]),
    ],
    ids=" ".join,
)
def test_bash_completes(project: Path, words: tuple[str, ...], offered: list[str]) -> None:
    """Commands, flags and the names of what there is are offered, though nothing here can be read."""
    assert completed(project, *words) == offered


@pytest.mark.slow
def test_what_is_wrong_is_not_told_to_a_prompt(project: Path) -> None:
    """A command that there is not is an error elsewhere, and completes to nothing, silently."""
    assert completed(project, "nosuch", "--x") == []


def test_each_shell_has_its_script() -> None:
    """The script asks `webdyno` in its shell's own form."""
    for shell in SHELLS:
        assert f"_WEBDYNO_COMPLETE={shell}_complete" in script_for(shell)


def test_an_unknown_shell_is_a_usage_error() -> None:
    """It ends with 2, and says which there are."""
    command = [sys.executable, "-m", "harness", "completion", "csh"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert all(f"'{shell}'" in done.stderr for shell in SHELLS)
    assert done.stderr.count("\n") == 1


def test_completing_loads_nothing_that_takes_long() -> None:
    """The commands whose names complete are loaded without what computes, draws or judges."""
    modules = ("measuring", "serving", "reading", "claiming", "comparing", "looking_back", "scaffolding")
    loaded = "import sys; print(*sorted({'scipy', 'pandas', 'matplotlib', 'pyarrow'} & set(sys.modules)))"
    code = f"import {', '.join(f'harness.cli.{name}' for name in modules)}; {loaded}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
