import json
import random
from dataclasses import replace
from pathlib import Path

import pytest
import synthetic
from synthetic import CLOSED

from harness.cli.main import run_command_line
from harness.judgement.comparison import METRICS, metrics_of
from harness.judgement.history import PastRun, Series, edges_of, history, of_one_kind
from harness.judgement.judge import judge
from harness.output import history_tables
from harness.records.run import StoredRun, StoredTrial
from harness.records.store import Results
from harness.records.summary_json import to_json

FLASK = synthetic.BASE_SPEEDS["flask-gunicorn"]
FASTAPI = synthetic.BASE_SPEEDS["fastapi-uvicorn"]
FINGERPRINT = {"cpu_model": "AMD EPYC", "cpus_logical": 2, "kernel": "6.1.0"}


def noise(count: int, seed: int, spread: float = 0.02) -> list[float]:
    """Return figures of runs that differ by chance alone."""
    chance = random.Random(seed)
    return [3500 * chance.lognormvariate(0, spread) for _ in range(count)]


@pytest.mark.parametrize("count", [6, 10, 20, 50])
def test_noise_is_seldom_called_a_change(count: int) -> None:
    """Of 400 series without a change at most 3 % show one, however long they are."""
    assert sum(bool(edges_of(noise(count, seed))) for seed in range(400)) <= 12


def test_a_change_is_found_where_it_was() -> None:
    """A fall by a tenth after ten of twenty runs is found in all series, in nearly all at its run."""
    found = []
    for seed in range(100):
        values = noise(20, seed)
        edges = edges_of(values[:10] + [0.9 * value for value in values[10:]])
        assert edges, seed
        found.append(min(edges, key=lambda edge: abs(edge - 10)))
    assert sum(edge == 10 for edge in found) >= 95


def test_several_changes_and_outliers() -> None:
    """There and back are two changes; one run far away, less than the floor, and five runs are none."""
    values = noise(30, 1)
    assert edges_of([*values[:10], *(1.2 * v for v in values[10:20]), *values[20:]]) == (10, 20)
    assert edges_of([*values[:10], 0.5 * values[10], *values[11:]]) == ()
    still = noise(20, 2, spread=0.0001)
    assert edges_of(still[:10] + [1.015 * value for value in still[10:]]) == ()
    assert edges_of([100.0, 100.0, 50.0, 50.0, 50.0]) == ()
    assert edges_of([100.0] * 3 + [50.0] * 3) == (3,)


def past(numbers: range, factors: dict[int, float] | None = None, suite: str = "standard") -> list[StoredRun]:
    """Return runs of two variants; Flask's speed changes by a factor, and its version, from some runs on."""
    runs, factor = [], 1.0
    for number in numbers:
        factor = (factors or {}).get(number, factor)
        drift = random.Random(number).lognormvariate(0, 0.01)
        speeds = {
            "fastapi-uvicorn": replace(FASTAPI, requests_per_s=FASTAPI.requests_per_s * drift),
            "flask-gunicorn": replace(FLASK, requests_per_s=FLASK.requests_per_s * drift * factor),
        }
        run = synthetic.run(speeds, ("hello",), blocks=2, drift=0.001, noise=0.005, seed=number)
        record = replace(run.record, fingerprint=FINGERPRINT, suite=suite)
        version = "3.1.3" if factor == 1 else "3.2.0"
        trials = tuple(versioned(one, version) for one in run.trials)
        run = replace(run, record=record, trials=trials)
        runs.append(synthetic.named(run, f"20261124-12{number:02d}00-{suite}"))
    return runs


def versioned(trial: StoredTrial, flask: str) -> StoredTrial:
    """Return a trial of some version of Flask."""
    return replace(trial, record=replace(trial.record, versions={"flask": flask}))


STEP = past(range(14), {8: 0.88})
LEVEL = past(range(14))


def looked_at(runs: list[StoredRun]) -> tuple[Series, ...]:
    """Return the history of these runs on every metric."""
    return history([PastRun(run, judge(run)) for run in runs], METRICS)


def test_a_planted_change_has_its_run_and_what_differed() -> None:
    """12 % fewer requests/s from the ninth run on are found there, and the version that changed with it."""
    series = {(one.variant, one.metric): one for one in looked_at(STEP)}
    assert set(series) == {
        (name, metric) for name in ("fastapi-uvicorn", "flask-gunicorn") for metric in metrics_of(CLOSED)
    }
    (step,) = series["flask-gunicorn", "requests_per_s"].steps
    assert (step.run, step.verdict) == (STEP[8].id, "slower")
    assert step.low is not None
    assert step.high is not None
    assert step.low < 0.88 < step.high
    assert step.after == pytest.approx(step.before * step.ratio)
    (differing,) = (one for one in step.differing if one.what == "flask-gunicorn: flask")
    assert (differing.base, differing.new) == ("3.1.3", "3.2.0")
    assert series["fastapi-uvicorn", "requests_per_s"].steps == ()
    assert len(series["flask-gunicorn", "requests_per_s"].points) == 14


def test_runs_without_a_change_show_none() -> None:
    """The same runs without the planted change have no step on any metric."""
    assert [one.steps for one in looked_at(LEVEL)] == [()] * 2 * len(metrics_of(CLOSED))


def test_other_suites_machines_and_unsealed_runs_stand_apart() -> None:
    """Each is left out with its reason."""
    newest = LEVEL[-1]
    strange = dict(FINGERPRINT, cpu_model="Xeon")
    others = [
        replace(LEVEL[0], record=replace(LEVEL[0].record, suite="smoke")),
        replace(LEVEL[1], record=replace(LEVEL[1].record, fingerprint=strange)),
        replace(LEVEL[2], state="incomplete"),
        newest,
    ]
    kept, left = of_one_kind(newest, others)
    assert kept == [newest]
    assert [one.why for one in left] == [
        "is of the suite smoke",
        "machine: cpu_model: Xeon, not AMD EPYC",
        "is not complete",
    ]


def test_a_course_goes_from_the_least_to_the_greatest() -> None:
    """The lowest bar is the least value; equal values are a line; only the newest are shown."""
    assert history_tables.course([1.0, 8.0, 4.5]) in ("▁█▄", "▁█▅")
    assert history_tables.course([5.0] * 3) == "▄▄▄"
    assert len(history_tables.course(noise(100, 1))) == 40


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write runs with a planted change, one of another suite, and one that is damaged."""
    folder = tmp_path_factory.mktemp("history") / "results"
    for run in (*STEP, *past(range(20, 21), suite="smoke")):
        synthetic.on_disk(run, folder, {"summary.json": to_json(judge(run))})
    damaged = folder / STEP[2].id / "run.json"
    damaged.write_text(damaged.read_text()[:100])
    return folder


def test_the_command_shows_the_change(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Terminal, Markdown and JSON tell the same change, the version beside it, and what is left out."""
    words = ["history", STEP[-1].id, "--metric", "requests_per_s", "--results", str(results)]
    assert run_command_line(words) == 0
    shown = capsys.readouterr().out
    told = " ".join(shown.split())
    assert f"changed with {STEP[8].id}: " in told
    assert "flask-gunicorn: flask: 3.1.3 → 3.2.0" in told
    assert f"left out: {STEP[2].id} (" in told
    assert "smoke" not in shown  # it came after the run that was named
    assert run_command_line([*words, "--markdown"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("# From run to run\n")
    (row,) = [line for line in text.splitlines() if line.startswith("| flask-gunicorn")]
    assert STEP[8].id in row
    assert "| slower |" in row
    assert run_command_line([*words, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["runs"] == [run.id for run in STEP if run.id != STEP[2].id]
    steps = {one["variant"]: [step["run"] for step in one["steps"]] for one in document["series"]}
    assert steps == {"fastapi-uvicorn": [], "flask-gunicorn": [STEP[8].id]}


@pytest.mark.parametrize(
    ("was", "now", "why"),
    [
        ('"schema": 1', '"schema": 1 ', "changed since it was sealed: summary.json"),
        ('"value": ', '"value": 1e999, "was": ', "1e999 is no figure"),
        (LEVEL[0].id, LEVEL[1].id, f"its summary is of the run '{LEVEL[1].id}'"),
        ("standard", "\udcff", "its summary can't be read"),
    ],
)
def test_a_summary_that_can_not_be_the_runs_own_is_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], was: str, now: str, why: str
) -> None:
    """One that was changed, of another run, or with figures that are none: told, and no part of the row."""
    text = to_json(judge(LEVEL[0]))
    changed = text.replace(was, now, 1)
    assert changed != text
    resealed = "sealed" not in why  # whoever changes a summary may write a new manifest too
    run = synthetic.on_disk(LEVEL[0], tmp_path, {} if resealed else {"summary.json": text})
    (run.folder / "summary.json").write_bytes(changed.encode(errors="surrogateescape"))
    if resealed:
        Results(tmp_path).seal(run.id, {})
    synthetic.on_disk(LEVEL[1], tmp_path, {"summary.json": to_json(judge(LEVEL[1]))})
    assert run_command_line(["history", "--results", str(tmp_path), "--json"]) == 0
    document = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert document["runs"] == [LEVEL[1].id]
    (left,) = document["left_out"]
    assert why in left["why"]


def test_few_runs_show_no_change(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The newest run, of another suite, is alone in its history, which says how many are needed."""
    assert run_command_line(["history", "--results", str(results)]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "too few runs" in shown
    assert "1 runs show no change of level; 6 are needed" in shown
    assert "(is of the suite standard)" in shown


def test_a_metric_that_there_is_not(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An unknown metric is refused with the nearest one."""
    assert run_command_line(["history", "--metric", "request_per_s", "--results", str(results)]) == 2
    assert "did you mean requests_per_s?" in capsys.readouterr().err
