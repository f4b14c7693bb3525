"""Where a variant's time goes: one trial more of a cell, which enters no figure, with py-spy beside it.

Each look of py-spy halts the interpreter for a moment, so what is looked into is never what is measured.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from harness.ground import process
from harness.ground.model import PlannedTrial
from harness.lifecycle.bench import Bench
from harness.lifecycle.steps import Preparing, Tell
from harness.lifecycle.trial import measure
from harness.machine.backends.backend import Party
from harness.machine.installer import dying_with_us
from harness.records.disk import writing
from harness.records.run import StoredRun
from harness.records.store import Results

_PY_SPY = Path(sysconfig.get_path("scripts"), "py-spy")
_LOOKS_PER_S = 100
_DRAWING_S = 30.0
"""How long py-spy may take to draw."""


def draw(bench: Bench, results: Results, run: StoredRun, tell: Tell) -> None:
    """Draw the flame graphs that are due; one that can't be drawn is told, and no reason to end the run."""
    for trial in run.flames_due:
        name = f"{trial.cell.scenario} · {trial.cell.variant}"
        tell(Preparing(f"drawing the flame graph of {name}"))
        scratch = results.scratch(run.id)
        try:
            with writing(scratch):
                why_not = _draw(bench, results, trial, scratch)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        if why_not:
            tell(Preparing(f"no flame graph of {name}: {why_not}"))


def _draw(bench: Bench, results: Results, trial: PlannedTrial, scratch: Path) -> str:
    """Return why there is no graph; empty where there is one."""
    graph, log = scratch / "flame.svg", scratch / "py-spy.log"
    record = measure(bench, trial, scratch, lambda _step: None, beside=lambda sut: _spying(sut, graph, log))
    if record.failure:
        return record.failure.partition("\n")[0]
    if not graph.is_file():
        return process.last_lines(log, 1) or "py-spy saw nothing"
    results.keep_flame(bench.job.run, trial.number, graph)
    return ""


@contextmanager
def _spying(sut: Party, graph: Path, log: Path) -> Iterator[None]:
    """Have py-spy look into a party until the block ends, then draw what it saw."""
    first = first_of(sut.look().pids)
    argv = (
        *dying_with_us(), str(_PY_SPY), "record", "--pid", str(first), "--subprocesses",
        "--rate", str(_LOOKS_PER_S), "--format", "flamegraph", "--output", str(graph),
    )  # fmt: skip
    with open(log, "wb") as said:
        spy = subprocess.Popen(argv, cwd="/", stdin=subprocess.DEVNULL, stdout=said, stderr=said)
    try:
        yield
    finally:
        spy.send_signal(signal.SIGINT)
        try:
            spy.wait(_DRAWING_S)
        except subprocess.TimeoutExpired:
            spy.kill()
            spy.wait()


def first_of(pids: tuple[int, ...]) -> int | None:
    """Return the process that began the others: the one whose parent is none of them."""
    for pid in pids:
        try:
            if psutil.Process(pid).ppid() not in pids:
                return pid
        except psutil.NoSuchProcess:
            continue
    return None
