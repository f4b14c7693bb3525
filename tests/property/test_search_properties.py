"""The search for a capacity ends, and finds what is there."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from harness.judgement.search import FINENESS, MOST_PROBES, Bounds, Outcome, Probe, Step, step

LEAST, MOST = 20.0, 50_000.0
rates = st.floats(LEAST, MOST)
growths = st.sampled_from([FINENESS**2, 2.0, 4.0])


def searched(capacity: float, bounds: Bounds, wrong: float = 0.0, seed: int = 0) -> tuple[Step, list[Probe]]:
    """Search a system that meets what it can, but for a share of probes that say the opposite."""
    chance = random.Random(seed)
    probes: list[Probe] = []
    while (found := step(probes, bounds)).end is None:
        met = (found.rate_per_s <= capacity) != (chance.random() < wrong)
        outcome: Outcome = "met" if met else "missed"
        probes.append(Probe(found.rate_per_s, outcome))
        assert len(probes) <= MOST_PROBES
    return found, probes


@given(rates, rates, growths)
def test_what_is_there_is_found_to_three_percent(capacity: float, start: float, growth: float) -> None:
    """From any start, near or far, whatever the first step."""
    found, probes = searched(capacity, Bounds(start, growth, LEAST, MOST))
    assert found.end in ("found", "never", "beyond"), (found, probes)
    if found.end == "found":
        assert capacity / FINENESS * 0.999 <= found.rate_per_s <= capacity
        assert sum(one.rate_per_s == found.rate_per_s and one.outcome == "met" for one in probes) >= 2


@given(st.floats(0.1, LEAST * 0.99), rates)
def test_what_meets_nothing_is_given_up_at_the_least(capacity: float, start: float) -> None:
    """The lowest rate is missed twice, within a few probes."""
    found, probes = searched(capacity, Bounds(start, 4.0, LEAST, MOST))
    assert found == Step(LEAST, "never")
    assert [one.rate_per_s for one in probes[-2:]] == [LEAST, LEAST]
    assert len(probes) <= 9


@given(st.floats(MOST, 1e9), rates)
def test_what_meets_everything_ends_at_the_most(capacity: float, start: float) -> None:
    """The highest rate is met twice, within a few probes."""
    found, probes = searched(capacity, Bounds(start, 4.0, LEAST, MOST))
    assert found == Step(MOST, "beyond")
    assert len(probes) <= 9


@given(st.integers(0, 10_000), st.lists(st.sampled_from(["met", "missed", "unclear"]), max_size=40))
def test_it_ends_whatever_the_probes_say(seed: int, said: list[Outcome]) -> None:
    """Also where they contradict each other without end."""
    chance = random.Random(seed)
    probes: list[Probe] = []
    bounds = Bounds(1000.0, 4.0, LEAST, MOST)
    for turn in range(MOST_PROBES + 1):
        found = step(probes, bounds)
        if found.end is not None:
            return
        outcome = said[turn] if turn < len(said) else chance.choice(("met", "missed"))
        assert LEAST <= found.rate_per_s <= MOST
        probes.append(Probe(found.rate_per_s, outcome))
    raise AssertionError(probes)


def test_one_wrong_probe_in_twenty_moves_few_searches() -> None:
    """Of 500 searches with 5 % of wrong answers, 95 % and more end within a tenth of the capacity."""
    near = 0
    for seed in range(500):
        found, _ = searched(3000.0, Bounds(1000.0, 4.0, LEAST, MOST), wrong=0.05, seed=seed)
        near += found.end == "found" and abs(found.rate_per_s / 3000.0 - 1) < 0.1
    assert near >= 475
