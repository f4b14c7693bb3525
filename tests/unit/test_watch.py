import time

import gevent

from harness.ground.observations import WatchWindow
from harness.loadgen.watch import Watch, nearest_rank, split_window


def watched(seconds: float) -> WatchWindow:
    """Watch this process for a while."""
    now_ns = time.monotonic_ns()
    watch = Watch(now_ns, now_ns + int(seconds * 1e9))
    gevent.spawn(watch.run).join()
    (window,) = watch.windows
    return window


def test_parts_of_a_window_are_about_five_seconds() -> None:
    """A window is cut into equal parts without a gap."""
    assert split_window(0, 8_000_000_000) == ((0, 4_000_000_000), (4_000_000_000, 8_000_000_000))
    assert len(split_window(0, 1_000_000)) == 1


def test_a_rank_is_one_of_the_values() -> None:
    """The nearest rank of 1 to 200 is what arithmetic says, and of one value that one."""
    assert [nearest_rank(range(1, 201), percent) for percent in (50, 99, 100)] == [100, 198, 200]
    assert nearest_rank([7], 50) == 7


def test_a_busy_hub_is_seen() -> None:
    """Where other greenlets hold the hub for 20 ms at a time, what is due waits; else it does not."""

    def hold() -> None:
        while True:
            gevent.sleep(0.001)
            until_ns = time.monotonic_ns() + 20_000_000
            while time.monotonic_ns() < until_ns:
                pass

    assert any((watched(0.2).hub_p50_ns or 0) < 2_000_000 for _ in range(50))  # others may have the CPU
    holding = gevent.spawn(hold), gevent.spawn(hold)
    window = watched(0.5)
    gevent.killall(holding)
    assert window.hub_p50_ns is not None
    assert window.hub_p99_ns is not None
    assert 3_000_000 <= window.hub_p50_ns <= window.hub_p99_ns <= window.stall_max_ns
    assert window.stall_max_ns > 15_000_000


def test_a_part_that_a_stall_swallowed_is_seen() -> None:
    """A part of the window that was over before it could be watched is a part all the same."""
    now_ns = time.monotonic_ns()
    watch = Watch(now_ns - 20_000_000_000, now_ns - 10_000_000_000)
    gevent.spawn(watch.run).join()
    assert len(watch.windows) == 2
