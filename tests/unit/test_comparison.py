import math
import statistics
from collections.abc import Sequence
from dataclasses import replace

import pytest
from synthetic import CLOSED

from harness.ground import stats
from harness.ground.model import Cell, Load
from harness.judgement.comparison import (
    METRICS,
    YARDSTICKS,
    Measured,
    blocks_to_find,
    compare,
    name_of,
    noise_floor,
    order_of,
    ranked_by,
    ranks,
)
from harness.records.summary import Comparison

NOISE = (1.00, 1.01, 0.99, 1.005, 0.995)


def trials(
    name: str, rate: float, scenario: str = "hello", replica: int = 0, noise: Sequence[float] = NOISE
) -> list[Measured]:
    """Return a trial per block; latency, CPU and memory go against the rate."""
    cell = Cell(name, scenario, CLOSED, replica=replica)
    return [
        Measured(
            cell, block, True, {m: rate * n if m == "requests_per_s" else 1000 / rate / n for m in METRICS}
        )
        for block, n in enumerate(noise, 1)
    ]


def one(comparisons: Sequence[Comparison], base: str, metric: str = "requests_per_s") -> Comparison:
    """Return the only comparison of a base on a metric."""
    (found,) = [c for c in comparisons if c.base == base and c.metric == metric]
    return found


def test_the_blocks_that_an_effect_needs_come_from_the_noise() -> None:
    """The noise is read back from the interval: wider noise needs more blocks; one block tells nothing."""
    noisy = (1.0, 1.1, 0.9, 1.05, 0.95)
    quiet, loud = (
        one(compare(trials("a", 100.0) + trials("b", 100.0, noise=n)), "a") for n in (NOISE, noisy)
    )
    ratios = [math.log(a / b) for a, b in zip(noisy, NOISE, strict=True)]
    assert blocks_to_find(0.05, loud) == stats.required_pairs(statistics.stdev(ratios), 0.05)
    assert (blocks_to_find(0.05, quiet) or 0) < (blocks_to_find(0.05, loud) or 0)
    assert blocks_to_find(0.05, replace(quiet, low=None)) is None


def test_faster_is_better_on_each_metric() -> None:
    """A contender of twice the rate is faster on all metrics there, though ratios of times are below 1."""
    made = compare(trials("a", 100.0) + trials("b", 200.0, noise=NOISE[::-1]))
    assert [c.verdict for c in made] == ["faster"] * 5
    assert [round(c.ratio or 0, 6) for c in made] == [2.0, 0.5, 0.5, 0.5, 0.5]
    swapped = compare(trials("a", 200.0) + trials("b", 100.0, noise=NOISE[::-1]))
    assert [c.verdict for c in swapped] == ["slower"] * 5


@pytest.mark.parametrize(
    ("rate", "verdict"), [(102.03, "tie"), (102.1, "faster"), (98.03, "tie"), (97.9, "slower")]
)
def test_nothing_within_the_floor_is_a_difference(rate: float, verdict: str) -> None:
    """However significant, a difference of less than 2 % is a tie."""
    made = one(compare(trials("a", 100.0) + trials("b", rate)), "a")
    assert made.p_holm is not None
    assert made.p_holm < 1e-6
    assert made.verdict == verdict


def test_the_floor_is_the_scenarios_own_noise() -> None:
    """An A/A pair that differs by 5 % makes 4 % a tie there, and in scenarios without a pair."""
    measured = trials("a", 100.0) + trials("a", 105.0, replica=1) + trials("b", 104.0)
    measured += trials("a", 100.0, "history") + trials("b", 104.0, "history")
    made = [c for c in compare(measured) if c.metric == "requests_per_s" and c.contender == "b"]
    assert [(c.scenario, round(c.floor, 6), c.verdict) for c in made] == [
        ("hello", 0.05, "tie"),
        ("history", 0.05, "tie"),
    ]
    assert noise_floor([]) == 0.02


def test_twins_that_told_nothing_lend_no_floor() -> None:
    """An A/A pair without a common valid block leaves its scenario the noisiest one of the others."""
    measured = trials("a", 100.0) + trials("a", 105.0, replica=1) + trials("b", 104.0)
    spoilt = [replace(one, valid=False) for one in trials("a", 100.0, "history", replica=1)]
    measured += trials("a", 100.0, "history") + spoilt + trials("b", 104.0, "history")
    (made,) = [
        c
        for c in compare(measured)
        if (c.scenario, c.metric, c.contender) == ("history", "requests_per_s", "b")
    ]
    assert (round(made.floor, 6), made.verdict) == (0.05, "tie")


def test_twins_stay_out_of_the_family() -> None:
    """Holm counts the questions asked: three variants are three, A/A pairs none."""
    noise = ((1.0, 1.1, 0.8, 1.1, 0.9), (1.2, 1.1, 1.2, 1.1, 1.3), (0.8, 1.3, 1.0, 1.2, 0.9))
    measured = [m for name, own in zip("abc", noise, strict=True) for m in trials(name, 100.0, noise=own)]
    without = compare(measured)
    twin = compare(measured + trials("a", 100.0, replica=1, noise=noise[1]))
    assert [c.p_holm for c in without] == [c.p_holm for c in twin if c.contender != "a#1"]
    assert any(c.p_holm != 1.0 for c in without)
    assert [c.contender for c in twin if c.metric == "requests_per_s"] == ["a#1", "b", "c", "c"]


def test_blocks_pair_only_where_both_are_valid() -> None:
    """An invalid trial takes its block out of the pair, and below five blocks there is no verdict."""
    bad = trials("b", 200.0)
    bad[2] = Measured(bad[2].cell, 3, False, bad[2].metrics)
    made = one(compare(trials("a", 100.0) + bad), "a")
    assert (made.blocks, made.verdict) == (4, None)
    assert made.ratio == pytest.approx(2.0)
    assert made.low is not None


def test_a_variant_without_a_valid_trial_is_invalid() -> None:
    """There is no ratio with a variant all of whose trials are invalid, and the verdict says so."""
    bad = [Measured(t.cell, t.block, False, t.metrics) for t in trials("b", 200.0)]
    made = one(compare(trials("a", 100.0) + bad), "a")
    assert (made.ratio, made.low, made.p_holm, made.verdict) == (None, None, None, "invalid")


def test_what_was_not_measured_has_no_ratio() -> None:
    """A metric that is missing, or zero, leaves ratio and verdict open."""
    blank = [Measured(t.cell, t.block, True, {"requests_per_s": 0.0}) for t in trials("b", 1.0)]
    made = compare(trials("a", 100.0) + blank)
    assert {(c.ratio, c.verdict, c.blocks) for c in made} == {(None, None, 0)}


def test_settings_name_a_cell() -> None:
    """Settings that differ, and the replica, are part of a cell's name."""
    cell = Cell("flask", "hello", CLOSED, {"workers": 2, "threads": 8}, replica=1)
    assert name_of(cell) == "flask[threads=8,workers=2]#1"


def test_ranks_are_intervals() -> None:
    """Ties share ranks; without a verdict every rank is open."""
    measured = trials("a", 100.0) + trials("b", 101.0) + trials("c", 200.0)
    made = [c for c in compare(measured) if c.metric == "requests_per_s"]
    assert ranks(["a", "b", "c"], made) == {"a": (2, 3), "b": (2, 3), "c": (1, 1)}
    few = [c for c in compare([m for m in measured if m.block < 5]) if c.metric == "requests_per_s"]
    assert set(ranks(["a", "b", "c"], few).values()) == {(1, 3)}


def test_noise_is_no_difference() -> None:
    """A ratio of 1.2 that so noisy blocks allow by chance is a tie."""
    made = one(compare(trials("a", 100.0) + trials("b", 120.0, noise=(0.5, 1.6, 0.9, 1.4, 0.8))), "a")
    assert made.p_holm is not None
    assert made.p_holm > 0.05
    assert made.verdict == "tie"


def test_more_questions_need_more_evidence() -> None:
    """Holm: what two variants alone show is no verdict among four."""
    noise = (1.04, 0.98, 1.0, 1.03, 0.97)
    pair = trials("a", 100.0) + trials("b", 106.0, noise=noise)
    others = trials("c", 103.0, noise=noise[::-1]) + trials("d", 103.1, noise=noise[::-1])
    assert one(compare(pair), "a").verdict == "faster"
    (among,) = [
        c for c in compare(pair + others) if (c.base, c.contender, c.metric) == ("a", "b", METRICS[0])
    ]
    assert among.verdict == "tie"


def test_a_given_rate_is_not_compared() -> None:
    """Where all are asked the same rate its ratio is no result; response times, CPU and memory are."""
    load = Load("rate", 100, rate_per_s=500.0)
    measured = [
        Measured(replace(trial.cell, load=load), trial.block, True, trial.metrics)
        for trial in trials("a", 100.0) + trials("b", 200.0) + trials("a", 101.0, replica=1)
    ]
    assert {one.metric for one in compare(measured)} == set(METRICS) - {"requests_per_s"}
    assert (ranked_by(load), ranked_by(CLOSED)) == ("response_ms.p50", "requests_per_s")


def test_yardsticks_are_compared_at_a_given_rate_alone() -> None:
    """Nowhere else are they laid beside a SUT, so there nothing is said of them, not even "not measured"."""
    load = Load("rate", 100, rate_per_s=500.0)
    pair = trials("a", 100.0) + trials("b", 200.0)
    given = [Measured(replace(one.cell, load=load), one.block, True, one.metrics) for one in pair]
    made = compare(pair + given)
    assert [(one.load.profile, one.verdict) for one in made if one.metric == YARDSTICKS] == [
        ("rate", "faster")
    ]


def test_loads_lend_each_other_only_floors_of_what_both_compare() -> None:
    """A closed load beside a given rate is compared on all metrics, with the floor of its own."""
    load = Load("rate", 100, rate_per_s=500.0)
    twins = trials("a", 100.0) + trials("a", 110.0, replica=1)
    given = [Measured(replace(one.cell, load=load), one.block, True, one.metrics) for one in twins]
    made = compare(trials("a", 100.0) + trials("b", 200.0) + given)
    floors = {one.metric: round(one.floor, 3) for one in made if one.load == CLOSED}
    assert floors["requests_per_s"] == 0.02
    assert floors["response_ms.p50"] == 0.091


def test_loads_come_in_the_order_of_their_numbers() -> None:
    """16 users come before 1000, and 250 requests/s before 1000."""
    due = [Load("closed", 4), Load("closed", 16), Load("closed", 1000)]
    due += [Load("rate", 16, 250.0), Load("rate", 16, 1000.0)]
    assert sorted((due[2], due[4], due[1], due[3], due[0]), key=order_of) == due
