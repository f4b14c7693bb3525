import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import synthetic
from scipy.stats import ttest_ind

from harness.cli.main import run_command_line
from harness.ground import stats
from harness.ground.errors import UsageError
from harness.ground.model import Load
from harness.judgement.changes import Change, Difference, compare_runs, differences
from harness.judgement.gates import Gate, broken_gates, idle_gates, parse_gate, unchecked_gates
from harness.output import change_tables
from harness.output.change_headline import headline
from harness.records.run import StoredRun

FASTAPI, FLASK = synthetic.BASE_SPEEDS["fastapi-uvicorn"], synthetic.BASE_SPEEDS["flask-gunicorn"]


def made(name: str, factor: float = 1.0, blocks: int = 6, seed: int = 7) -> StoredRun:
    """Return a run of two variants in which Flask is `factor` times as fast, the machine hardly drifting."""
    slower = replace(FLASK, requests_per_s=FLASK.requests_per_s * factor, cpu_us=FLASK.cpu_us / factor)
    speeds = {"fastapi-uvicorn": FASTAPI, "flask-gunicorn": slower}
    run = synthetic.run(speeds, ("hello",), blocks, drift=0.001, noise=0.01, seed=seed)
    fingerprint = {"cpu_model": "AMD EPYC", "cpus_logical": 2, "kernel": "6.1.0"}
    return synthetic.named(replace(run, record=replace(run.record, fingerprint=fingerprint)), name)


BASE = made("20261124-120000-standard")
SLOWER = made("20261124-130000-standard", factor=0.85, seed=8)
SAME = made("20261124-140000-standard", seed=9)


def of(changes: tuple[Change, ...], variant: str, metric: str = "requests_per_s") -> Change:
    """Return one of the changes."""
    return next(c for c in changes if (c.variant, c.metric) == (variant, metric))


def test_unpaired_ratio_is_welch() -> None:
    """Ratio, p and interval are scipy's own on the logs, with unequal sizes and spreads."""
    base, new = [100.0, 104.0, 98.0, 101.0], [80.0, 95.0, 88.0, 70.0, 91.0, 84.0]
    ratio = stats.unpaired_ratio(base, new)
    theirs = ttest_ind(np.log(new), np.log(base), equal_var=False)
    low, high = theirs.confidence_interval(0.95)
    assert ratio.p == pytest.approx(theirs.pvalue)
    assert ratio.low == pytest.approx(np.exp(low))
    assert ratio.high == pytest.approx(np.exp(high))
    assert ratio.trials == 4


def test_few_or_equal_values_have_no_division_by_zero() -> None:
    """One value a side has no interval; equal values have that of their ratio."""
    assert stats.unpaired_ratio([2.0], [3.0, 4.0, 5.0]).low is None
    same = stats.unpaired_ratio([2.0, 2.0], [3.0, 3.0])
    assert (same.low, same.high, same.p) == (same.ratio, same.ratio, 0.0)
    with pytest.raises(ValueError, match="both sides"):
        stats.unpaired_ratio([], [1.0])


def test_a_slower_variant_is_found_and_the_other_is_a_tie() -> None:
    """15 % fewer requests/s are called slower, with the truth inside the interval; noise is a tie."""
    changes = compare_runs(BASE, SLOWER).changes
    flask = of(changes, "flask-gunicorn")
    assert flask.verdict == "slower"
    assert flask.low is not None
    assert flask.high is not None
    assert flask.low < 0.85 < flask.high
    assert of(changes, "fastapi-uvicorn").verdict == "tie"
    assert not [change for change in changes if "#" in change.variant]


def test_no_change_breaks_no_gate() -> None:
    """The same variant twice passes a gate of 5 %."""
    assert broken_gates([Gate("requests_per_s", -5.0)], compare_runs(BASE, SAME).changes) == ()


def test_a_gate_needs_effect_and_interval() -> None:
    """A fall past the bound breaks it only where the interval leaves out 1 and the floor is passed."""
    gate = Gate("requests_per_s", -5.0)
    flask = of(compare_runs(BASE, SLOWER).changes, "flask-gunicorn")
    assert broken_gates([gate], [flask]) == ((gate, flask),)
    assert broken_gates([Gate("requests_per_s", -30.0)], [flask]) == ()
    assert broken_gates([gate], [replace(flask, high=1.01)]) == ()
    assert broken_gates([gate], [replace(flask, floor=0.2)]) == ()
    assert broken_gates([Gate("response_ms.p50", -5.0)], [flask]) == ()


def test_a_rise_is_a_gate_of_its_own() -> None:
    """CPU per request that rises by 18 % passes `> 25%` and breaks `> 10%`."""
    cpu = of(compare_runs(BASE, SLOWER).changes, "flask-gunicorn", "cpu.us_per_request")
    assert broken_gates([Gate("cpu.us_per_request", 10.0)], [cpu])
    assert not broken_gates([Gate("cpu.us_per_request", 25.0)], [cpu])
    assert not broken_gates([Gate("cpu.us_per_request", 10.0)], [replace(cpu, low=0.99)])


def test_what_has_no_interval_is_unchecked_and_does_not_pass() -> None:
    """One trial a side, or none that is valid, leaves a gate unchecked, which is told."""
    gate = Gate("requests_per_s", -5.0)
    single = compare_runs(made("a", blocks=1), made("b", blocks=1)).changes
    assert {change.variant for _, change in unchecked_gates([gate], single)} == {
        "fastapi-uvicorn",
        "flask-gunicorn",
    }
    spoilt = synthetic.with_errors(SLOWER, "flask-gunicorn", "hello", range(1, 7))
    (unchecked,) = unchecked_gates([gate], compare_runs(BASE, spoilt).changes)
    assert (unchecked[1].verdict, unchecked[1].trials) == ("invalid", (6, 0))


def test_what_neither_run_measured_does_not_pass() -> None:
    """A cell that both runs planned and neither reached is told, and leaves a gate unchecked."""
    gate = Gate("requests_per_s", -5.0)
    changes = compare_runs(replace(BASE, trials=()), replace(SAME, trials=())).changes
    assert {(change.variant, change.verdict) for change in changes} == {
        ("fastapi-uvicorn", "invalid"),
        ("flask-gunicorn", "invalid"),
    }
    assert len(unchecked_gates([gate], changes)) == 2


def test_a_given_rate_is_not_compared_and_a_gate_on_it_holds_nothing() -> None:
    """Under `rate` requests/s are no result: no change is told, and a gate on them is idle."""
    changes = compare_runs(synthetic.at_a_rate(BASE), synthetic.at_a_rate(SLOWER)).changes
    gates = [Gate("requests_per_s", -5.0), Gate("response_ms.p50", 5.0)]
    assert "requests_per_s" not in {change.metric for change in changes}
    assert idle_gates(gates, changes) == (gates[0],)


@pytest.mark.parametrize("text", ["requests_per_s < -5%", " requests_per_s<-5 % ", "requests_per_s < -5.0%"])
def test_gates_are_read(text: str) -> None:
    """Spaces and decimals are free."""
    assert parse_gate(text) == Gate("requests_per_s", -5.0)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("faster", "is no bound"),
        ("requests_per_s < -5", "is no bound"),
        ("requests < -5%", "did you mean requests_per_s"),
        ("requests_per_s < 5%", "fails also where nothing changes"),
        ("response_ms.p99 > -5%", "fails also where nothing changes"),
        ("requests_per_s < -100%", "never fails"),
        (f"requests_per_s > {'9' * 400}%", "never fails"),
    ],
)
def test_what_is_no_gate_is_refused(text: str, words: str) -> None:
    """Each with what is wrong or what to write."""
    with pytest.raises(UsageError) as refused:
        parse_gate(text)
    assert words in str(refused.value)


def test_machines_and_caps_forbid_versions_tell() -> None:
    """Another CPU or cap forbids, another kernel warns, another version is the question itself."""
    other = replace(
        SAME,
        record=replace(
            SAME.record,
            fingerprint={"cpu_model": "Intel", "cpus_logical": 2, "kernel": "6.2.0"},
            placement=replace(SAME.placement, sut_cpus=(1,)),
        ),
        trials=tuple(
            replace(one, record=replace(one.record, versions={"python": "3.13.1", "flask": "3.2.0"}))
            for one in SAME.trials
        ),
    )
    found = {(one.what, one.weight) for one in differences(BASE, other)}
    assert ("machine: cpu_model", "forbids") in found
    assert ("placement: sut_cpus", "forbids") in found
    assert ("machine: kernel", "warns") in found
    assert ("flask-gunicorn: flask", "tells") in found
    assert differences(BASE, SAME) == ()


def test_another_way_to_start_tells() -> None:
    """A server that is started otherwise may be the question itself, so nobody reads that nothing differs."""
    flask = replace(SAME.variants[1], start=("gunicorn", "--threads", "4"))
    other = replace(SAME, record=replace(SAME.record, variants=(SAME.variants[0], flask)))
    (told,) = differences(BASE, other)
    assert told == Difference(
        "flask-gunicorn: start", "gunicorn --bind '{host}:{port}'", "gunicorn --threads 4", "tells"
    )


def test_versions_that_no_trial_told_are_no_difference() -> None:
    """A run that ended before a variant was measured says nothing of its versions."""
    assert differences(BASE, replace(SAME, trials=())) == ()


def test_a_difference_is_one_line_whatever_a_record_holds() -> None:
    """Keys and values come from what somebody wrote: neither begins a line of its own."""
    forged = Difference("flask: x\nforbids: y", "1\r2", "3\n4", "tells")
    assert change_tables.difference_in_words(forged) == "flask: x forbids: y: 1 2 → 3 4"


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the command find a project that is not this one: it writes into its reports."""
    for name in ("apps", "scenarios"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Return a folder that holds the three runs."""
    for run in (BASE, SLOWER, SAME):
        synthetic.on_disk(run, tmp_path)
    return tmp_path


def test_the_command_ends_with_1_where_a_bound_does_not_hold(
    results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It names the cell, the figure and the bound; without a bound, or within it, it ends with 0."""
    words = ["compare", BASE.id, SLOWER.id, "--results", str(results)]
    assert run_command_line(words) == 0
    assert run_command_line([*words, "--fail-if", "requests_per_s < -30%"]) == 0
    capsys.readouterr()
    assert run_command_line([*words, "--fail-if", "requests_per_s < -5%"]) == 1
    shown = capsys.readouterr()
    assert "hello · flask-gunicorn: requests_per_s -1" in shown.err
    assert "fastapi" not in shown.err
    assert "slower" in shown.out


def test_a_bound_that_nothing_was_held_against_ends_with_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """At a given rate a bound on requests/s compares nothing, which is no success."""
    for run in (BASE, SAME):
        synthetic.on_disk(synthetic.at_a_rate(run), tmp_path)
    words = ["compare", BASE.id, SAME.id, "--results", str(tmp_path)]
    assert run_command_line([*words, "--fail-if", "response_ms.p50 > 90%"]) == 0
    assert run_command_line([*words, "--fail-if", "requests_per_s < -5%"]) == 1
    assert "requests_per_s not checked" in capsys.readouterr().err


def test_the_command_speaks_json_and_markdown(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One document on standard output; Markdown tables with the same verdicts."""
    words = ["compare", BASE.id, SLOWER.id, "--results", str(results)]
    assert run_command_line([*words, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert {change["verdict"] for change in document["changes"]} >= {"slower", "tie"}
    assert document["headline"].startswith("flask-gunicorn on hello is slower: requests/s -1")
    assert run_command_line([*words, "--markdown"]) == 0
    assert "| flask-gunicorn | requests/s |" in capsys.readouterr().out


def test_the_command_writes_a_page_and_lists_it(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The page stands in a folder of both runs, whatever is printed, and the page of all runs links it."""
    name = f"{BASE.id}..{SLOWER.id}"
    for flags in ([], ["--json"], ["--markdown"]):
        assert run_command_line(["compare", BASE.id, SLOWER.id, "--results", str(results), *flags]) == 0
        told = capsys.readouterr().out
        assert (f"{name}/index.html" in told) is (not flags)
        written = {path.name for path in (results / "reports" / name).iterdir()}
        assert written == {"index.html", "changes.json"}
        if flags == ["--json"]:
            assert json.loads((results / "reports" / name / "changes.json").read_text()) == json.loads(told)
    assert f'href="{name}/index.html"' in (results / "reports/index.html").read_text()


def test_a_headline_tells_what_changed_most() -> None:
    """On the metric that ranks: one change with its interval, or how many and the greatest, and the rest."""
    slower, same = compare_runs(BASE, SLOWER).changes, compare_runs(BASE, SAME).changes
    assert re.fullmatch(
        r"flask-gunicorn on hello is slower: requests/s -1\d\.\d\u00a0% "
        r"\(95\u00a0% interval -1\d\.\d to -1\d\.\d\); "
        r"no change beyond the noise on 1 cell\.",
        headline(slower),
    )
    assert headline(same) == "No change beyond the noise on 2 cells."
    both = [replace(of(slower, "fastapi-uvicorn"), verdict="faster"), of(slower, "flask-gunicorn")]
    assert headline(both).startswith(
        "1 cell is slower and 1 is faster; most of all flask-gunicorn on hello: "
    )
    lost = [replace(one, verdict="invalid", ratio=None) for one in both]
    assert headline(lost) == "No verdict on any cell: none has a valid trial in both runs."
    open_ = [replace(both[0], verdict=None), replace(both[1], verdict="invalid", ratio=None)]
    assert headline(open_) == "No verdict on any cell: one needs 5 valid trials in both runs."
    assert headline([*same, open_[0]]).endswith("on 2 cells; no verdict on 1.")
    assert headline([]) == "No answer: neither run planned a cell."


def test_a_headline_tells_the_load_where_there_are_several() -> None:
    """One scenario under two loads is two cells, which their load tells apart."""
    one = of(compare_runs(BASE, SLOWER).changes, "flask-gunicorn")
    other = replace(one, load=Load("closed", 5), verdict="tie")
    assert "on hello (closed, 1000 users) is slower" in headline([one, other])


def test_a_run_that_changed_since_it_was_sealed_is_not_compared(
    results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whichever side it is, and whatever is asked for: exit code 1 with the file, and no table."""
    path = results / SLOWER.id / "trials/001/trial.json"
    path.write_text(path.read_text().replace('"requests": ', '"requests": 1', 1))
    for pair in ((BASE.id, SLOWER.id), (SLOWER.id, BASE.id)):
        assert run_command_line(["compare", *pair, "--anyway", "--results", str(results)]) == 1
        told = capsys.readouterr()
        assert "changed since it was sealed: trials/001/trial.json" in " ".join(told.err.split())
        assert not told.out


def test_runs_over_a_bridge_are_no_others() -> None:
    """What crossed a bridge is not compared with what did not."""
    bridged = replace(SAME, record=replace(SAME.record, network="bridge"))
    assert Difference("network", "host", "bridge", "forbids") in differences(BASE, bridged)


def test_other_machines_are_refused_unless_told(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2 with what differs; `--anyway` compares and says it."""
    elsewhere = replace(SAME, record=replace(SAME.record, backend="docker"))
    foreign = synthetic.named(elsewhere, "20261124-150000-standard")
    synthetic.on_disk(foreign, results)
    words = ["compare", BASE.id, foreign.id, "--results", str(results)]
    assert run_command_line(words) == 2
    assert "backend: cgroup → docker" in capsys.readouterr().err
    assert run_command_line([*words, "--anyway"]) == 0
    assert "forbids: backend: cgroup → docker" in capsys.readouterr().out
