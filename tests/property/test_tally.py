"""Counting in several processes and adding up is counting in one."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from harness.ground.histogram import Histogram, read_log, write_log
from harness.loadgen.recorder import Recorder
from harness.loadgen.tally import SECOND_NS, Tally, intervals, merge, seconds, totals

USERS = 6
MARKS = ("hit", "miss", None)
WINDOW = (2 * SECOND_NS, 5 * SECOND_NS + SECOND_NS // 2)

requests = st.lists(
    st.tuples(
        st.integers(0, USERS - 1),
        st.sampled_from(("GET /a", "GET /b, c", "POST d")),
        st.integers(0, 6 * SECOND_NS),  # intended
        st.integers(0, SECOND_NS),  # lag
        st.integers(0, 3 * SECOND_NS),  # service time
        st.sampled_from((None, None, None, "status", "body")),
    ),
    max_size=60,
)


def recorded(
    stream: list[tuple[int, str, int, int, int, str | None]], users: range, scheduled: bool
) -> Tally:
    """Count the part of a stream that belongs to these users."""
    recorder = Recorder(scheduled=scheduled)
    recorder.open_window(*WINDOW)
    numbers = {user: recorder.enrol() for user in users}
    for user, name, intended, lag, service, error in stream:
        if user in numbers:
            sent = intended + lag
            recorder.sent += 1
            recorder.sent_when_idle(intended, sent)
            recorder.answered(numbers[user], name, intended, sent, sent + service, error)
            recorder.mark(sent + service, MARKS[user % 3])
            recorder.thought(sent + service, sent + service + lag)
    return recorder.tally()


@given(requests, st.integers(1, USERS - 1), st.booleans())
def test_two_processes_count_what_one_counts(
    stream: list[tuple[int, str, int, int, int, str | None]], cut: int, scheduled: bool
) -> None:
    """A stream split over two processes by user merges to the bits that one process counts."""
    one = merge([recorded(stream, range(USERS), scheduled)])
    two = merge([recorded(stream, range(cut), scheduled), recorded(stream, range(cut, USERS), scheduled)])
    assert two == one
    assert totals(two) == totals(one)
    assert list(intervals(two)) == list(intervals(one))
    assert list(seconds(two)) == list(seconds(one))


@given(requests)
def test_totals_are_what_a_plain_loop_finds(
    stream: list[tuple[int, str, int, int, int, str | None]],
) -> None:
    """Counts, sums and extremes equal those of a loop that knows nothing of seconds or histograms."""
    found = totals(merge([recorded(stream, range(USERS), scheduled=True)]))
    start, end = WINDOW
    every = [(i, i + lag, i + lag + service, error) for _, _, i, lag, service, error in stream]
    inside = [one for one in every if start <= one[2] < end]
    responses = [ended - intended for intended, _, ended, _ in inside]
    assert found.requests == len(inside)
    assert found.errors == sum(error is not None for *_, error in inside)
    assert found.response_sum_ns == sum(responses)
    assert found.response_min_ns == min(responses, default=None)
    assert found.response_max_ns == max(responses, default=None)
    assert found.service_sum_ns == sum(ended - sent for _, sent, ended, _ in inside)
    assert found.in_flight_ns == sum(max(0, min(e, end) - max(s, start)) for _, s, e, _ in every)
    assert found.sent == len(stream)


@given(requests)
def test_the_log_holds_every_request_of_the_window(
    stream: list[tuple[int, str, int, int, int, str | None]],
) -> None:
    """Reading the interval log back gives the counters, for each name and kind of time."""
    tally = merge([recorded(stream, range(USERS), scheduled=True)])
    written = read_log(write_log(intervals(tally), 1.7e9))
    assert [replace(i, length_s=0.0) for i in written] == [replace(i, length_s=0.0) for i in intervals(tally)]
    for kind in ("response", "service"):
        window = Histogram.merge(i.histogram for i in written if i.tag.startswith(kind) and i.start_s >= 0)
        assert window.total == totals(tally).requests
