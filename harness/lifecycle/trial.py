"""One trial: a fresh SUT, the barrier, the warm-up, the window, the drain, and what was seen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from harness.ground.errors import EnvironmentUnfit
from harness.ground.model import PlannedTrial
from harness.ground.observations import SCHEMA, GeneratorRecord, SamplerRecord, TrialRecord
from harness.lifecycle.bench import Bench
from harness.lifecycle.steps import Second, Tell
from harness.lifecycle.sut import Sut, SutDidNotStart, free_port
from harness.machine.backends.backend import Party
from harness.machine.generator import Generator
from harness.machine.idling import kept_awake
from harness.machine.sampling import Sampler, resident_bytes
from harness.machine.yardstick import Yardstick
from harness.records.store import write_parquet

_SETTLE_S = 0.3
"""Between the SUT's first answer and the reading of its idle memory."""
_TURN_S = 0.05
_STARTING_S = 30.0
"""How long Locust may take to start, beside the phases' own bounds."""


class _Spoiled(Exception):
    """A trial that has no window: its reason, in words, and how many generator processes were lost."""

    def __init__(self, why: str, workers_lost: int = 0) -> None:
        super().__init__(why)
        self.workers_lost = workers_lost


def measure(
    bench: Bench,
    trial: PlannedTrial,
    scratch: Path,
    tell: Tell,
    beside: Callable[[Party], AbstractContextManager[None]] = lambda _sut: nullcontext(),
) -> TrialRecord:
    """Carry out one trial; its logs and series are in `scratch` afterwards.

    What `beside` makes of the SUT goes on while it is driven. A trial that fails is a record too, with its
    reason; nothing is raised for it.
    """
    variant = bench.job.variants[trial.cell.variant]
    environment = bench.environments[variant.id]
    blank = TrialRecord(
        schema=SCHEMA,
        run=bench.job.run,
        number=trial.number,
        block=trial.block,
        cell=trial.cell,
        started=bench.clock.utc().isoformat(timespec="seconds"),
        startup_s=None,
        idle_bytes=None,
        versions=environment.versions,
        optimised=environment.optimised,
        failure=None,
        phases=None,
        load=None,
        usage=(),
        watch=(),
        sampler=None,
        sut_exit=None,
        oom_kills=None,
        caps_enforced=True,
        hit_rate=bench.job.scenarios[trial.cell.scenario].hit_rate,
    )
    try:
        sut = bench.start(variant, trial, port=free_port(), log=scratch / "sut.log")
    except SutDidNotStart as error:
        return replace(
            blank,
            failure=f"the SUT did not start: {error.what}",
            sut_exit=error.exit_status,
            oom_kills=error.oom_kills,
        )
    try:
        bench.clock.sleep(_SETTLE_S)
        idle = sut.party.look()
        ready = replace(
            blank,
            startup_s=sut.startup_s,
            idle_bytes=resident_bytes(idle.counters),
            caps_enforced=sut.party.caps_enforced,
        )
        with beside(sut.party), kept_awake():
            driven = _drive(bench, trial, sut, scratch, tell, ready)
        return replace(driven, sut_lost=len(set(idle.pids) - set(sut.party.look().pids)))
    finally:
        sut.party.stop()


def _drive(
    bench: Bench, trial: PlannedTrial, sut: Sut, scratch: Path, tell: Tell, ready: TrialRecord
) -> TrialRecord:
    spool = scratch / "generator"
    spool.mkdir()
    generator = Generator(
        bench.backend,
        bench.job.scenarios[trial.cell.scenario],
        trial.cell.load,
        bench.job.timing,
        base_url=sut.base_url,
        variables=bench.for_clients,
        cpus=bench.job.placement.generator_cpus,
        seed=bench.job.seed * 1_000_003 + trial.block,  # the same users in all cells of a block
        folder=spool,
        log=scratch / "generator.log",
    )
    parties = {"sut": sut.party, "generator": generator.party}
    parties |= {service.name: service.party for service in bench.services if service.party is not None}
    placement = bench.job.placement.of(bench.job.variants[trial.cell.variant])
    # Elsewhere the SUT leaves it no CPU, or a search asks how much the SUT can do with the whole.
    yardstick = Yardstick(placement.sut_cpus if trial.cell.load.profile == "rate" else ())
    sampler = Sampler(parties, "sut", bench.clock)
    failure: str | None = None
    workers_lost = 0
    load: GeneratorRecord | None = None
    try:
        _follow(bench, generator, sut.party, sampler, tell)
        load = generator.record()
        write_parquet(scratch / "series.parquet", generator.series())
        (spool / "latency.hlog").rename(scratch / "latency.hlog")
    except _Spoiled as error:
        failure, workers_lost = str(error), error.workers_lost
    except EnvironmentUnfit as error:
        failure = str(error)
    finally:
        yardstick.stop()  # before it is summed what others used, of whom it is none
        generator.stop()
    end = sut.party.look()
    _write_samples(scratch / "samples.parquet", sampler)
    _clear(spool)
    sampled: SamplerRecord | None = sampler.record() if sampler.samples else None
    return replace(
        ready,
        failure=failure,
        phases=load.phases if load else None,
        load=load.load if load else None,
        watch=load.watch if load else (),
        usage=sampler.usage(),
        sampler=sampled,
        sut_exit=end.exit,
        oom_kills=end.counters.oom_kills,
        host=sampler.host(placement),
        workers_lost=workers_lost,
        yardstick=yardstick.within(load.phases) if load else None,
    )


def _follow(bench: Bench, generator: Generator, sut: Party, sampler: Sampler, tell: Tell) -> None:
    """Sample and pass on what the generator tells until it is done.

    Raises _Spoiled where the SUT or the generator ends, or takes longer than the phases allow.
    """
    clock, timing = bench.clock, bench.job.timing
    allowed_s = _STARTING_S + timing.barrier_s + timing.warmup_s + timing.window_s + timing.drain_s
    limit_ns = clock.now_ns() + int(allowed_s * 1e9)
    look_ns = 0
    while clock.now_ns() < limit_ns:
        sampler.take_due()
        ended: _Spoiled | None = None
        if clock.now_ns() >= look_ns:
            look_ns = clock.now_ns() + 500_000_000
            ended = _ended(generator, sut)  # before its last words are heard, lest they be missed
        for told in generator.listen():
            facts: dict[str, Any] = told.facts
            if told.event == "barrier":
                sampler.watch(facts["window_start_ns"], facts["window_end_ns"])
            elif told.event == "second":
                tell(_second(facts, sampler))
            elif told.event == "failed":
                raise _Spoiled(facts["why"], facts["workers_lost"])
            elif told.event == "done":
                sampler.take_due()  # the window's end, where the generator was quicker to tell than we
                return
        if ended is not None:
            raise ended
        due_ns = sampler.due_ns
        now_ns = clock.now_ns()
        clock.sleep(_TURN_S if due_ns is None else min(_TURN_S, (due_ns - now_ns) / 1e9))
    raise _Spoiled(f"the generator was not done within {allowed_s:g} s\n{generator.why()}")


def _ended(generator: Generator, sut: Party) -> _Spoiled | None:
    """Return in words which of the two has ended; None where both run."""
    look = sut.look()
    if look.exit is not None:
        return _Spoiled(f"the SUT ended with status {look.exit} under load")
    status = generator.party.look().exit
    if status is not None:
        why = f"the generator ended with status {status} before its work was done\n{generator.why()}"
        return _Spoiled(why, workers_lost=1)
    return None


def _second(facts: Mapping[str, Any], sampler: Sampler) -> Second:
    mine = [sample for sample in sampler.samples[-16:] if sample.party == "sut"]
    cores = None
    if len(mine) > 1 and mine[0].cpu_s is not None and mine[-1].cpu_s is not None:
        cores = (mine[-1].cpu_s - mine[0].cpu_s) / (mine[-1].at_s - mine[0].at_s)
    return Second(
        second=facts["second"],
        requests=facts["requests"],
        errors=facts["errors"],
        p99_ms=facts["response_p99_ms"],
        cpu_cores=cores,
        memory_bytes=mine[-1].anon_bytes if mine else None,
    )


def _write_samples(path: Path, sampler: Sampler) -> None:
    import pandas as pd  # late: a run that ends early needs no table

    if sampler.samples:
        write_parquet(path, pd.DataFrame([asdict(sample) for sample in sampler.samples]))


def _clear(spool: Path) -> None:
    """Remove the generator's own files: all that they say is in the stored formats now."""
    for path in spool.iterdir():
        path.unlink()
    spool.rmdir()
