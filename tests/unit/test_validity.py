from collections.abc import Callable
from dataclasses import replace

import pytest
import synthetic
from synthetic import PLACEMENT, USERS, WINDOW_NS, series, trial_record, watch

from harness.ground.model import Cell, Finding, Load
from harness.ground.observations import Mistake, ProcessTotals, SendLag, TrialRecord
from harness.judgement import validity
from harness.judgement.checks import generator, load, pairs, window
from harness.judgement.rules import NOT_CHECKED, RULES
from harness.records.run import Columns

APART = replace(PLACEMENT, overlap=False)
EVEN = series([7000, 7010, 6990, 7000, 7010, 6990, 7000, 7005])
MISTAKE = Mistake("scenarios/mine.py:12 in mine", "KeyError: 'price'", 3)


def with_load(**changes: object) -> TrialRecord:
    """Return a good trial but for these totals."""
    record = trial_record()
    assert record.load is not None
    return replace(record, load=replace(record.load, **changes))  # type: ignore[arg-type]


def scheduled(requests: int = 4000, lag_share: float = 0.05, idle_late_ms: float = 0.2) -> TrialRecord:
    """Return a good trial at 500 requests/s, 4000 in the window, but for these figures."""
    record = with_load(
        requests=requests,
        response_sum_ns=8_000_000_000,
        service_sum_ns=round(8_000_000_000 * (1 - lag_share)),
        in_flight_ns=7_000_000_000,
        users_served=900,
    )
    assert record.load is not None
    lag = SendLag(
        sum_ns=round(8_000_000_000 * lag_share), idle_sends=1, idle_p99_ns=round(idle_late_ms * 1e6)
    )
    cell = Cell("flask-gunicorn", "hello", Load("rate", USERS, rate_per_s=500.0))
    return replace(record, cell=cell, load=replace(record.load, lag=lag))


def slow(times_in_window: float, **changes: object) -> TrialRecord:
    """Return a closed trial whose mean response time fits so often into the window."""
    return with_load(requests=int(USERS * times_in_window), **changes)


def two_users(in_flight: float) -> TrialRecord:
    """Return a trial of two users who wait for this share of the window; the generator works for 7.41 %."""
    load = replace(synthetic.load_totals(24_000, users=2), in_flight_ns=int(in_flight * 2 * WINDOW_NS))
    cell = Cell("flask-gunicorn", "hello", Load("closed", 2))
    return replace(trial_record(cell), load=load, watch=(watch(cpu=0.0741),))


def cached(hits: int, misses: int, due: float = 0.62) -> TrialRecord:
    """Return a good trial with so many hits and misses, of a scenario that is made for a share of hits."""
    return replace(with_load(marks={"hit": hits, "miss": misses}), hit_rate=due)


def found(record: TrialRecord, code: str, severity: str) -> list[Finding]:
    """Return the findings of a code and severity."""
    findings = validity.trial_findings(record, APART, EVEN, 1e6)
    return [one for one in findings if one.code == code and one.severity == severity]


def test_a_good_trial_has_no_finding() -> None:
    """A trial that keeps every rule has no finding at all."""
    assert validity.trial_findings(trial_record(), APART, EVEN, 1e6) == ()


def with_host(**changes: int | None) -> TrialRecord:
    """Return a good trial but for what others used."""
    record = trial_record()
    assert record.host is not None
    return replace(record, host=replace(record.host, **changes))  # type: ignore[arg-type]


def shared(*requests: int) -> TrialRecord:
    """Return a good trial of 20 users whose load as many generator processes shared evenly."""
    users_ns = 20 * WINDOW_NS
    return with_load(
        requests=sum(requests),
        users=20,
        users_served=20,
        connections_opened=20,
        response_sum_ns=users_ns,
        in_flight_ns=users_ns,
        by_process=tuple(ProcessTotals(20 // len(requests), one) for one in requests),
    )


BROKEN: dict[str, tuple[str, TrialRecord, float | None]] = {
    "errors": ("invalid", with_load(errors=57), 57 / 560),
    "scenario-mistakes": ("invalid", with_load(mistakes=(MISTAKE, replace(MISTAKE, count=4))), 7.0),
    "worker-lost": ("invalid", replace(trial_record(), workers_lost=1), 1.0),
    "worker-imbalance": ("invalid", shared(8989, 11_011), 10.11),
    "worker-imbalance, few": ("invalid", shared(131, 69), 31.0),
    "worker-imbalance, idle": ("invalid", shared(0, 5000, 5000, 5000), 100.0),
    "errors, never answered": ("invalid", with_load(censored=100), 10000 / 56100),
    "count-mismatch, more": ("invalid", with_load(sent=78_001, delivered=78_003), 2.0),
    "count-mismatch, fewer": ("invalid", with_load(sent=78_001, delivered=78_000), 1.0),
    "hit-rate, too often": ("invalid", cached(6401, 3599), 2.01),
    "hit-rate, too rarely": ("invalid", cached(5999, 4001), 2.01),
    "hit-rate, none due": ("invalid", cached(21, 979, due=0.0), 2.1),
    "starved-users": ("invalid", with_load(users_served=989), 1.1),
    "littles-law, time lost": ("invalid", with_load(in_flight_ns=int(0.989 * USERS * WINDOW_NS)), 1.1),
    "littles-law, time invented": ("invalid", with_load(thinking_ns=int(0.011 * USERS * WINDOW_NS)), 1.1),
    "littles-law, requests lost": ("invalid", with_load(response_sum_ns=int(0.965 * USERS * WINDOW_NS)), 3.5),
    "littles-law, two users": ("invalid", two_users(0.962), 3.8),
    "window-short": ("warning", slow(9.9), 9.9),
    "rate-not-reached": ("invalid", scheduled(requests=3770), 94.25),
    "send-lag": ("invalid", scheduled(lag_share=0.11), 11.0),
    "send-lag, idle": ("warning", scheduled(idle_late_ms=1.0), 1.0),
    "generator-busy, CPU": ("invalid", replace(trial_record(), watch=(watch(), watch(cpu=0.80))), 80.0),
    "generator-busy, waiting": ("invalid", replace(trial_record(), watch=(watch(wait=0.05),)), 5.0),
    "generator-stall": ("invalid", replace(trial_record(), watch=(watch(stall_ms=101.0),)), 101.0),
    "connection-churn": ("warning", with_load(connections_opened=1001), 1001.0),
    "oom-killed": ("invalid", replace(trial_record(), oom_kills=2), 2.0),
    "sut-restarted": ("invalid", replace(trial_record(), sut_lost=2), 2.0),
    "host-noise, processes": ("warning", with_host(foreign_ns=WINDOW_NS * 6 // 100), 6.0),
    "host-noise, steal": ("warning", with_host(steal_ns=WINDOW_NS * 2 // 100), 2.0),
    "sut-crashed": ("invalid", replace(trial_record(), sut_exit=-11), -11.0),
    "caps-not-enforced": ("warning", replace(trial_record(), caps_enforced=False), None),
    "slow-interpreter": ("note", replace(trial_record(), optimised=False), None),
    "trial-failed": ("invalid", replace(trial_record(), failure="no answer", phases=None, load=None), None),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_rule_is_found(case: str) -> None:
    """Just past its bound each rule says so, with the figure in the unit of its bound."""
    severity, record, figure = BROKEN[case]
    (finding,) = found(record, case.partition(",")[0], severity)
    assert finding.figure == (None if figure is None else pytest.approx(figure, rel=1e-6))
    assert finding.remedy
    assert validity.is_valid([finding]) == (severity != "invalid")


KEPT: dict[str, TrialRecord] = {
    "errors": with_load(errors=56),
    "worker-imbalance": shared(9000, 11_000),
    "worker-imbalance, few": shared(130, 70),
    "hit-rate, at most": cached(6400, 3600),
    "hit-rate, at least": cached(6000, 4000),
    "hit-rate, no matter": with_load(marks={"hit": 1}),
    "starved-users": with_load(users_served=990),
    "littles-law": with_load(in_flight_ns=int(0.991 * USERS * WINDOW_NS)),
    "littles-law, requests": with_load(response_sum_ns=int(0.975 * USERS * WINDOW_NS)),
    "littles-law, two users": two_users(0.963),
    "window-short": slow(10.1),
    "rate-not-reached": scheduled(requests=3771),  # 99 % of 4000, less 3 times its root
    "send-lag": scheduled(lag_share=0.1, idle_late_ms=0.99),
    "generator-busy": replace(trial_record(), watch=(watch(cpu=0.79, wait=0.049),)),
    "generator-stall": replace(trial_record(), watch=(watch(stall_ms=100.0),)),
    "connection-churn": with_load(connections_opened=1000),
    "host-noise": with_host(foreign_ns=WINDOW_NS * 5 // 100, steal_ns=WINDOW_NS // 100),
}


@pytest.mark.parametrize("case", KEPT)
def test_a_kept_rule_is_silent(case: str) -> None:
    """Just within its bound no rule says anything."""
    assert validity.trial_findings(KEPT[case], APART, EVEN, 1e6) == ()


UNCHECKED: dict[str, TrialRecord] = {
    "hit-rate": cached(0, 0),
    "errors": with_load(requests=0, response_sum_ns=0),
    "window-short": with_load(requests=0, response_sum_ns=0),
    "littles-law": slow(5, in_flight_ns=0, response_sum_ns=USERS * WINDOW_NS),
    "worker-imbalance, one": with_load(by_process=(ProcessTotals(USERS, 56_000),)),
    "worker-imbalance, old record": with_load(by_process=()),
    "send-lag": replace(scheduled(), load=replace(scheduled().load, lag=None)),  # type: ignore[type-var]
    "generator-busy": replace(trial_record(), watch=()),
    "generator-busy, waiting": replace(trial_record(), watch=(watch(wait=None),)),
    "generator-stall": replace(trial_record(), watch=(watch(at_s=-4.0),)),
    "oom-killed": replace(trial_record(), oom_kills=None),
    "slow-interpreter": replace(trial_record(), optimised=None),
    "sut-restarted": replace(trial_record(), sut_lost=None),
    "count-mismatch": with_load(delivered=None),
    "host-noise": with_host(steal_ns=None),
}


@pytest.mark.parametrize("case", UNCHECKED)
def test_what_could_not_be_checked_is_told(case: str) -> None:
    """A rule whose input is missing is told as not checked, which is neither good nor invalid."""
    (finding,) = found(UNCHECKED[case], case.partition(",")[0], "note")
    assert finding.remedy.startswith(NOT_CHECKED)
    assert finding.figure is None


def test_a_trial_without_a_window_says_why() -> None:
    """The reason stands in the finding, and the rules about load are not asked."""
    record = replace(trial_record(), failure="it did not start", phases=None, load=None, watch=())
    (finding,) = validity.trial_findings(record, APART, EVEN, 1e6)
    assert finding.remedy.startswith("it did not start: ")


def test_a_mistake_is_told_with_its_place() -> None:
    """What was raised most often is told in words, with its place and count."""
    record = with_load(mistakes=(MISTAKE, replace(MISTAKE, words="TypeError: no path", count=40)))
    (finding,) = found(record, "scenario-mistakes", "invalid")
    assert finding.remedy.startswith("TypeError: no path (scenarios/mine.py:12 in mine), 40 times: mend")


@pytest.mark.parametrize(
    ("seconds", "threshold"),
    [
        (series([6000, 6010, 5990, 6000, 7000, 7010, 6990, 7005]), "requests: <= 5 %"),
        (series([7000] * 8, [2.0, 2.1, 2.0, 2.1, 3.0, 3.1, 3.0, 3.1]), "response p99 ms: <= 20 %"),
    ],
)
def test_a_level_that_changes_is_unsteady(seconds: Columns, threshold: str) -> None:
    """A step in the rate, or in the p99, within the window is a warning; what came before does not count."""
    (finding,) = validity.trial_findings(trial_record(), APART, seconds, 1e6)
    assert (finding.code, finding.severity, finding.threshold) == ("unsteady", "warning", threshold)
    later = {**seconds, "second": [second - 4 for second in seconds["second"]]}
    assert load.unsteady(later, "requests", 4) == load.unsteady(series([1, 2, 1]), "requests", 3)


def only(series: Columns, chosen: Callable[[int], bool]) -> Columns:
    """Return the rows of the seconds that are chosen."""
    places = [place for place, second in enumerate(series["second"]) if chosen(second)]
    return {name: [column[place] for place in places] for name, column in series.items()}


def test_seconds_without_an_answer_are_no_rest() -> None:
    """They have no row in the series; a server that stops for three of eight seconds has lost its level."""
    seconds = series([7000] * 8)
    silent = only(seconds, lambda second: second not in (3, 4, 5))
    told = {one.threshold for one in validity.trial_findings(trial_record(), APART, silent, 1e6)}
    assert "requests: <= 5 %" in told
    (finding,) = validity.trial_findings(trial_record(), APART, only(seconds, lambda second: second < 0), 1e6)
    assert finding.remedy == f"{NOT_CHECKED}: the series has no second of the window"


def test_a_short_window_shows_no_level() -> None:
    """Five seconds are not enough, which is told once."""
    assert load.unsteady(series([7000] * 5), "requests", 5) == load.unsteady(
        series([7000] * 5), "response_p99_ms", 5
    )
    finding = load.unsteady(series([7000] * 5), "requests", 5)
    assert finding is not None
    assert finding.remedy.startswith(NOT_CHECKED)


def test_noise_names_the_process() -> None:
    """Who used most of the SUT's CPUs is told."""
    (finding,) = found(with_host(foreign_ns=WINDOW_NS), "host-noise", "warning")
    assert finding.remedy.startswith("most of it by cron: ")


def test_a_crash_is_no_restart() -> None:
    """Where the SUT as a whole has ended, that its processes are gone is no finding of its own."""
    assert not found(replace(trial_record(), sut_lost=2, sut_exit=1), "sut-restarted", "invalid")


def test_overlap_is_a_note() -> None:
    """A shared CPU is told and leaves the trial valid."""
    (finding,) = validity.trial_findings(trial_record(), PLACEMENT, EVEN, 1e6)
    assert (finding.code, finding.severity) == ("overlap", "note")


def test_users_of_a_schedule_need_not_be_busy() -> None:
    """With scheduled arrivals the users' time says nothing, nor do users with nothing due in the window."""
    assert validity.trial_findings(scheduled(), APART, EVEN, 1e6) == ()


def test_users_who_wait_have_no_schedule_to_keep() -> None:
    """A closed load is held to no rate and has no lag."""
    codes = {"rate-not-reached", "send-lag"}
    findings = validity.trial_findings(with_load(requests=10_000), APART, EVEN, 1e6)
    assert not codes & {finding.code for finding in findings}


PAIRS: list[tuple[Callable[[], Finding | None], str | None]] = [
    (lambda: pairs.few_blocks(4), ">= 5 for a verdict"),
    (lambda: pairs.few_blocks(9), ">= 10 for narrow intervals"),
    (lambda: pairs.few_blocks(10), None),
    (lambda: pairs.aa_differs(1.05, 1.01, 1.09), "an interval that holds 1"),
    (lambda: pairs.aa_differs(1.05, 0.99, 1.09), None),
    (lambda: pairs.tls_differs({"a"}, {"a", "b"}), "1 version and cipher suite"),
    (lambda: pairs.tls_differs({"a", "b"}, {"a", "b"}), "1 version and cipher suite"),
    (lambda: pairs.tls_differs({"a"}, {"a"}), None),
    (lambda: pairs.tls_differs(set(), {"a", "b"}), None),
    (lambda: pairs.unstable(0.10), "< 10 % coefficient of variation"),
    (lambda: pairs.unstable(0.099), None),
]


@pytest.mark.parametrize(("check", "threshold"), PAIRS)
def test_rules_of_pairs_and_cells(check: Callable[[], Finding | None], threshold: str | None) -> None:
    """Blocks, A/A pairs and their spread are judged at the bounds of the table."""
    finding = check()
    assert (finding.threshold if finding else None) == threshold


def test_single_blocks_are_not_judged() -> None:
    """One block gives neither an A/A interval nor a spread, and both say so."""
    for finding in (pairs.aa_differs(1.1, None, None), pairs.unstable(None)):
        assert finding is not None
        assert finding.remedy.startswith(NOT_CHECKED)


def test_every_rule_is_in_the_table_once() -> None:
    """Codes are unique, and each line has a rule, a bound and a remedy in words."""
    assert len({rule.code for rule in RULES}) == len(RULES)
    assert all(rule.rule and rule.threshold and rule.remedy for rule in RULES)
    tested = {case.partition(",")[0] for case in BROKEN}
    assert {rule.code for rule in RULES} - tested == {
        "few-blocks",
        "tls-differs",
        "aa-differs",
        "unstable",
        "overlap",
        "generator-ceiling",
        "unsteady",
        "slo-never-met",
        "capacity-unclear",
        "capacity-beyond",
    }


def test_watch_windows_count_where_they_mostly_lie() -> None:
    """A watch window belongs to the measurement window from half of its length on."""
    record = replace(trial_record(), watch=tuple(watch(at_s=at) for at in (-2.6, -2.4, 5.4, 5.6)))
    kept = window.watch_in_window(record)
    assert [one.start_ns - synthetic.START_NS for one in kept] == [-2_400_000_000, 5_400_000_000]


@pytest.mark.parametrize(("ceiling", "broken"), [(2.0, False), (1.99, True)])
def test_a_generator_near_its_ceiling_is_told(ceiling: float, broken: bool) -> None:
    """A trial's rate must be at most half of what the generator reaches against a null SUT."""
    record = trial_record()
    assert record.load is not None
    assert record.phases is not None
    window_s = (record.phases.window_end_ns - record.phases.window_start_ns) / 1e9
    found = generator.ceiling(record, ceiling * record.load.requests / window_s)
    assert (found is not None) is broken


def test_without_a_calibration_the_ceiling_is_not_checked() -> None:
    """A run whose generator was not calibrated says so, rather than that all is well."""
    found = generator.ceiling(trial_record(), None)
    assert found is not None
    assert found.severity == "note"
    assert found.remedy.startswith("not checked")
