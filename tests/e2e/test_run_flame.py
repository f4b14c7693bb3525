"""Flame graphs: drawn where they are asked for, of what a variant does, and outside of every figure."""

from __future__ import annotations

import re
import shutil
import signal
from pathlib import Path

import pytest
from parties import as_root, until
from running import ROOT, Home

pytestmark = [as_root, pytest.mark.slow, pytest.mark.timeout(300)]
SMALL = ("--users", "20", "--seconds", "2", "--warmup", "0", "--backend", "cgroup")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """Return a project with a variant in Python and one that says it is in another language."""
    made = Home(tmp_path / "home")
    for name in ("flask-gunicorn", "other-language"):
        shutil.copytree(ROOT / "apps/flask-gunicorn", made.folder / "apps" / name)
    manifest = made.folder / "apps/other-language/variant.toml"
    manifest.write_text(manifest.read_text().replace('"Python"', '"Cobra"'))
    made.suite(variants='["flask-gunicorn", "other-language"]', blocks="1")
    return made


def test_a_flame_graph_shows_what_a_variant_does(home: Home) -> None:
    """It has the functions that answer, is linked from the report, and adds no trial; nothing is left."""
    ended = home.do("run", "--suite", "tiny.toml", "--flame", *SMALL)
    assert ended.status in (0, 4), ended  # on a busy machine the generator may find itself too slow
    (run,) = home.folders()
    (graph,) = run.glob("flames/*.svg")
    assert "wsgi_app (flask/app.py" in graph.read_text()
    assert len(home.trials()) == 2
    page = (home.folder / "reports" / run.name / "index.html").read_text()
    (link,) = re.findall(r'href="(flames/\d+\.svg)">flask-gunicorn<', page)
    assert (home.folder / "reports" / run.name / link).read_bytes() == graph.read_bytes()
    assert home.do("show", run.name).status == 0  # the graphs are under the seal
    graph.write_text("another")
    assert home.do("show", run.name).status == 1
    assert home.processes() == []


def test_a_run_that_was_ended_draws_what_is_missing(home: Home) -> None:
    """A kill while a graph is drawn costs that graph alone: `resume` draws it, and measures nothing again."""
    with home.start("run", "--suite", "tiny.toml", "--flame", *SMALL) as first:
        first.await_said("drawing the flame graph")
        before = home.trials()
        first.signal(signal.SIGKILL)
        first.child.wait()
        assert until(lambda: not home.left({first.child.pid}), bound_s=15)
    (run,) = home.folders()
    assert list(run.glob("flames/*.svg")) == []
    ended = home.do("resume", "latest")
    assert ended.status in (0, 4), ended
    assert len(list(run.glob("flames/*.svg"))) == 1
    assert home.trials() == before
