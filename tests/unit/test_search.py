from __future__ import annotations

from harness.judgement.search import MOST_UNCLEAR, Bounds, Probe, Step, step

BOUNDS = Bounds(1000.0, 4.0, 20.0, 50_000.0)


def test_it_begins_where_it_is_told_within_the_bounds() -> None:
    """A start out of bounds is the nearest one that is asked for."""
    assert step([], BOUNDS) == Step(1000.0, None)
    assert step([], Bounds(1.0, 4.0, 20.0, 50_000.0)) == Step(20.0, None)
    assert step([], Bounds(1e9, 4.0, 20.0, 50_000.0)) == Step(50_000.0, None)


def test_it_grows_then_halves_the_bracket_by_its_ratio() -> None:
    """Up while rates are met, then the geometric middle."""
    assert step([Probe(1000.0, "met")], BOUNDS) == Step(4000.0, None)
    assert step([Probe(1000.0, "met"), Probe(4000.0, "missed")], BOUNDS) == Step(2000.0, None)
    assert step([Probe(1000.0, "missed")], BOUNDS) == Step(250.0, None)


def test_each_side_of_the_last_bracket_is_asked_twice() -> None:
    """First the rate that was met, then the one that was missed."""
    probes = [Probe(1000.0, "met"), Probe(1020.0, "missed")]
    assert step(probes, BOUNDS) == Step(1000.0, None)
    probes.append(Probe(1000.0, "met"))
    assert step(probes, BOUNDS) == Step(1020.0, None)
    probes.append(Probe(1020.0, "missed"))
    assert step(probes, BOUNDS) == Step(1000.0, "found")


def test_a_rate_that_was_met_and_missed_is_asked_once_more() -> None:
    """The majority tells, and the bracket opens again where it tells otherwise."""
    probes = [Probe(500.0, "met"), Probe(1000.0, "met"), Probe(1020.0, "missed"), Probe(1000.0, "missed")]
    assert step(probes, BOUNDS) == Step(1000.0, None)
    opened = [*probes, Probe(1000.0, "missed")]
    assert step(opened, BOUNDS) == Step(707.1, None)


def test_what_says_nothing_is_asked_again_and_given_up_after_three() -> None:
    """A busy generator must not look like a slow variant."""
    probes = [Probe(1000.0, "missed"), Probe(250.0, "unclear")]
    assert step(probes, BOUNDS) == Step(250.0, None)
    given_up = [*probes, *[Probe(250.0, "unclear")] * (MOST_UNCLEAR - 1)]
    assert step(given_up, BOUNDS) == Step(250.0, "unclear")


def test_where_nothing_was_missed_and_no_more_can_be_asked_for_the_rest_lies_beyond() -> None:
    """A generator that is too busy for a higher rate has shown that the lower ones were met."""
    probes = [Probe(1000.0, "met"), Probe(4000.0, "met"), *[Probe(16_000.0, "unclear")] * MOST_UNCLEAR]
    assert step(probes, BOUNDS) == Step(4000.0, "beyond")
