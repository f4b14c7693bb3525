"""Histograms: how exact they are, and that they are HdrHistogram's."""

from hdrh.histogram import HdrHistogram
from hypothesis import given
from hypothesis import strategies as st

from harness.ground.histogram import HIGHEST_US, SIZE, Histogram, index_of, value_of
from harness.loadgen.recorder import Recorder

times_us = st.integers(1, HIGHEST_US)


def filled(values: list[int]) -> Histogram:
    """Count some times."""
    counts = [0] * SIZE
    for value in values:
        counts[index_of(value)] += 1
    return Histogram.of(counts)


@given(times_us)
def test_a_time_is_kept_within_one_percent(value: int) -> None:
    """From 1 us to 10 min the middle of a counter is within 1 % of every time in it."""
    assert abs(value_of(index_of(value)) - value) <= 0.01 * value


@given(times_us)
def test_the_layout_is_that_of_hdrhistogram(value: int) -> None:
    """Each time falls into the counter in which HdrHistogram puts it."""
    assert index_of(value) == HdrHistogram(1, HIGHEST_US, 2)._counts_index_for(value)


@given(st.lists(times_us, min_size=1, max_size=200), st.floats(0.1, 100))
def test_percentiles_are_nearest_rank(values: list[int], percent: float) -> None:
    """A percentile is, within 1 %, the time at that rank among the sorted ones."""
    rank = max(1, -(-len(values) * percent // 100))
    due = sorted(values)[int(rank) - 1] / 1000
    found = filled(values).percentile_ms(percent)
    assert found is not None
    assert abs(found - due) <= 0.01 * due


@given(st.lists(st.lists(times_us, max_size=20), max_size=5))
def test_merging_is_counting_all(parts: list[list[int]]) -> None:
    """The sum of several histograms is the histogram of all their times."""
    assert Histogram.merge(filled(part) for part in parts) == filled([v for part in parts for v in part])


@given(st.integers(0, 2 * HIGHEST_US * 1000))
def test_the_recorder_counts_where_the_layout_says(time_ns: int) -> None:
    """The recorder's own arithmetic, written out for speed, agrees with the layout, out of range too."""
    recorder = Recorder()
    recorder.open_window(0, 1 << 61)
    recorder.answered(recorder.enrol(), "a", 0, 0, time_ns, None)
    (counts,) = recorder.tally().names["a"].response.values()
    assert dict(counts) == {index_of(time_ns // 1000): 1}
