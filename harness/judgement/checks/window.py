"""What the checks read off a trial's measurement window."""

from __future__ import annotations

from statistics import fmean

from harness.ground.observations import LoadTotals, Phases, TrialRecord, WatchWindow


def window_of(record: TrialRecord) -> tuple[LoadTotals, Phases]:
    """Return what a trial with a window has; the rules about load are asked of no others."""
    assert record.load is not None, "the rules about load are asked of trials with a window alone"
    assert record.phases is not None, "likewise"
    return record.load, record.phases


def watch_in_window(record: TrialRecord) -> tuple[WatchWindow, ...]:
    """Return the generator's watch windows of which at least half lies in the measurement window."""
    phases = record.phases
    if phases is None:
        return ()

    def inside(one: WatchWindow) -> bool:
        common = min(one.end_ns, phases.window_end_ns) - max(one.start_ns, phases.window_start_ns)
        return common > 0 and 2 * common >= one.end_ns - one.start_ns

    return tuple(one for one in record.watch if inside(one))


def generator_cpu_ns(record: TrialRecord) -> float:
    """Return the CPU time of the generator's processes in the window; 0 where they did not watch it."""
    _, phases = window_of(record)
    shares: dict[int, list[float]] = {}
    for one in watch_in_window(record):
        shares.setdefault(one.process, []).append(one.cpu_share)
    return (phases.window_end_ns - phases.window_start_ns) * sum(map(fmean, shares.values()))


def whole_seconds(record: TrialRecord) -> int:
    """Return how many whole seconds the window lasts, to a hundredth."""
    _, phases = window_of(record)
    return int(round((phases.window_end_ns - phases.window_start_ns) / 1e9, 2))


def responses_in_window(record: TrialRecord) -> float | None:
    """Return how many mean response times the window lasts; None where nothing was answered."""
    load, phases = window_of(record)
    if not load.requests or not load.response_sum_ns:
        return None
    return (phases.window_end_ns - phases.window_start_ns) / (load.response_sum_ns / load.requests)


def errors_percent(load: LoadTotals) -> float | None:
    """Return errors in % of requests, those never answered included; None where nothing was sent."""
    ended = load.requests + load.censored
    return 100 * (load.errors + load.censored) / ended if ended else None


def churned(load: LoadTotals) -> bool:
    """Return whether users opened more connections than one each."""
    return load.connections_opened > load.users


def hit_share(load: LoadTotals) -> float | None:
    """Return the share of cache hits in the answers that told; None where none did."""
    hits, misses = load.marks.get("hit", 0), load.marks.get("miss", 0)
    return hits / (hits + misses) if hits + misses else None
