from dataclasses import replace

from synthetic import PLACEMENT, WINDOW_NS, trial_record, usage, watch

from harness.ground.observations import ProcessEdges, TrialRecord
from harness.judgement.figures import TrialFigures
from harness.judgement.resources import MEANINGS, Use, uses

FIGURES = TrialFigures(cpu_percent_of_cap=95.0, throttled_percent=12.5, services_cpu_cores=0.3)


def of(record: TrialRecord) -> dict[str, Use]:
    """Return a trial's resources by name."""
    return {one.resource: one for one in uses(record, FIGURES, PLACEMENT)}


def test_every_resource_is_told_in_order() -> None:
    """All of the table, whatever could be measured; none for a trial without a window."""
    assert list(of(trial_record())) == list(MEANINGS)
    assert uses(replace(trial_record(), phases=None), FIGURES, PLACEMENT) == ()


def test_the_suts_cpu_and_quota() -> None:
    """Its threads' wait is in % of one CPU over the window, and may pass 100."""
    sut = usage("sut", cpu_s=7.6, memory_mib=50.0)
    waited = replace(
        sut,
        start_edges=ProcessEdges(None, None, 1_000),
        end_edges=ProcessEdges(None, None, 1_000 + 3 * WINDOW_NS // 2),
    )
    found = of(replace(trial_record(), usage=(waited,)))
    assert (found["sut-cpu"].utilisation_percent, found["sut-cpu"].saturation_percent) == (95.0, 150.0)
    assert found["sut-quota"].saturation_percent == 12.5
    assert of(replace(trial_record(), usage=(sut,)))["sut-cpu"].saturation_percent is None


def test_memory() -> None:
    """The kernel's peak over the cap, pressure over the window, and OOM kills."""
    sut = usage("sut", cpu_s=1.0, memory_mib=492.0)
    pressed = replace(
        sut,
        start=replace(sut.start, memory_pressure_ns=5),
        end=replace(sut.end, memory_pressure_ns=5 + WINDOW_NS // 4),
    )
    found = of(replace(trial_record(), usage=(pressed,), oom_kills=2))["sut-memory"]
    assert found == Use("sut-memory", 50.0, 25.0, 2.0)


def test_the_generator_by_its_worst_moment() -> None:
    """The greatest shares of 5 s count; a wait that is unknown once is unknown."""
    found = of(replace(trial_record(), watch=(watch(cpu=0.3, wait=0.04), watch(cpu=0.6, wait=0.01))))
    assert found["generator-cpu"] == Use("generator-cpu", 60.0, 4.0)
    unknown = of(replace(trial_record(), watch=(watch(wait=None), watch())))
    assert unknown["generator-cpu"].saturation_percent is None


def test_others_and_full_queues() -> None:
    """Others' CPU and stolen time are in % of the SUT's CPUs; full listen queues are counted."""
    record = trial_record()
    assert record.host is not None
    host = replace(record.host, foreign_ns=WINDOW_NS // 10, steal_ns=WINDOW_NS // 50, listen_overflows=7)
    found = of(replace(record, host=host))
    assert found["host-cpu"] == Use("host-cpu", 10.0, 2.0)
    assert found["listen-queue"].errors == 7.0


def test_what_was_not_measured_is_none() -> None:
    """Without counters, edges and watch each resource is there and says nothing."""
    bare = replace(trial_record(), usage=(), watch=(), host=None, oom_kills=None)
    told = uses(bare, TrialFigures(), PLACEMENT)
    assert told == tuple(map(Use, MEANINGS))
