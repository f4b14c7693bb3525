"""The commands that measure: run, resume.

What judges is imported where it is needed: it takes longer than a shell that completes a flag may wait.
"""

from __future__ import annotations

import secrets
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import get_args

import click

from harness import __version__
from harness.cli import claiming, completing, console, options
from harness.cli.holding import (
    ask_once,
    backend_here,
    demands,
    hold,
    insist_on_caps,
    insist_on_descriptors,
    insist_on_reach,
    null_of,
    placement_here,
    wished,
)
from harness.ground.clock import SystemClock
from harness.ground.errors import EnvironmentUnfit, Interrupted, UsageError, VariantFailed
from harness.ground.model import Network, Scenario, Stage, Variant
from harness.ground.units import format_duration, format_size
from harness.lifecycle import calibrate, resuming
from harness.lifecycle.bench import Bench, Job
from harness.lifecycle.steps import Tell
from harness.machine.fingerprint import fingerprint
from harness.machine.services.tls import TLS
from harness.output.progress import Progress
from harness.records import plan
from harness.records.contract import Case
from harness.records.disk import writing
from harness.records.loads import LONGEST_SLO_MS, LONGEST_THINK_S, MOST_PER_S, MOST_USERS, LoadWishes, Written
from harness.records.manifest import check_implements
from harness.records.project import Project, find_project
from harness.records.run import StoredRun, read_run
from harness.records.store import Results
from harness.records.summary_json import to_json


@click.command()
@click.option(
    "--suite",
    default="standard",
    show_default=True,
    shell_complete=completing.suites,
    help="A suite's name, or its TOML file.",
)
@click.option(
    "--variant",
    multiple=True,
    shell_complete=completing.variants,
    help="Only this variant, as it is or otherwise, such as 'flask-gunicorn[threads=32]', or all that fit a "
    "pattern, such as 'fastapi-*'; may be repeated.",
)
@click.option(
    "--scenario",
    multiple=True,
    shell_complete=completing.scenarios,
    help="Only this scenario; may be repeated.",
)
@click.option(
    "--profile",
    type=click.Choice(get_args(Written)),
    help="Users who wait for answers, a given rate, or a search for the highest one within an SLO.",
)
@click.option("--users", type=click.IntRange(1, MOST_USERS), help="Concurrent users.")
@click.option(
    "--rate",
    type=options.Rate(0, MOST_PER_S, min_open=True),
    help="Requests/s of all users; sets the profile.",
)
@click.option("--think", type=options.Seconds(0, LONGEST_THINK_S), help="Mean think time of closed users.")
@click.option(
    "--slo",
    type=options.Milliseconds(0, LONGEST_SLO_MS, min_open=True),
    help="The p99 that `capacity` has to keep; 150 ms where neither this nor the suite says so.",
)
@click.option("--blocks", type=click.IntRange(1, 1000), help="Passes over all cells.")
@click.option("--seconds", type=options.Seconds(1, 3600), help="The measurement window.")
@click.option("--warmup", type=options.Seconds(0, 3600), help="Before the window.")
@click.option(
    "--equal-load",
    type=options.Share(plan.LEAST_SHARE, plan.GREATEST_SHARE),
    help="Then all at one rate: this share of the slowest's capacity, such as 0.5.",
)
@click.option(
    "--own-share",
    "own_shares",
    type=options.Share(plan.LEAST_SHARE, plan.GREATEST_SHARE),
    multiple=True,
    help="Then each at this share of its own capacity; may be repeated.",
)
@click.option(
    "--flame", is_flag=True, help="Then a flame graph of each cell, of a trial more that enters no figure."
)
@click.option("--seed", type=click.IntRange(0, 2**31), help="Of the order of trials and the users' choices.")
@options.cpus
@options.memory
@options.backend
@click.option(
    "--network",
    type=click.Choice(get_args(Network)),
    default="host",
    show_default=True,
    help="Of SUTs in containers; a bridge is part of what is measured.",
)
@options.apps
@options.results
@options.yes
@options.as_json
def run(
    suite: str,
    variant: tuple[str, ...],
    scenario: tuple[str, ...],
    profile: Written | None,
    users: int | None,
    rate: float | None,
    think: float | None,
    slo: float | None,
    blocks: int | None,
    seconds: float | None,
    warmup: float | None,
    equal_load: float | None,
    own_shares: tuple[float, ...],
    flame: bool,
    seed: int | None,
    cpus: float | None,
    memory: int | None,
    backend: str,
    network: Network,
    apps: tuple[Path, ...],
    results: Path | None,
    yes: bool,
    as_json: bool,
) -> None:
    """Measure: plan, prepare, verify, trials, tables, report.

    Example: webdyno run --suite smoke --variant flask-gunicorn
    """
    from harness.lifecycle import runner

    project = find_project(Path.cwd())
    wanted = plan.narrow(
        project.suite(suite),
        variants=variant,
        scenarios=scenario,
        load=LoadWishes(profile, users, rate, think, slo),
        blocks=blocks,
        window_s=seconds,
        warmup_s=warmup,
        equal_load=equal_load,
        own_shares=own_shares,
    )
    store = Results(project.results if results is None else results)
    scenarios, whole = demands(project, apps)
    if users is None:
        wanted = plan.with_own_users(wanted, scenarios)
    variants = project.variants(apps)
    job, stage = _plan(
        project, store, wanted, variants, scenarios, seed, cpus, memory, backend, network, yes=yes
    )
    host = asdict(fingerprint())  # before the machine is held: that narrows the CPUs that are ours

    def begin(bench: Bench, tell: Tell) -> None:
        calibration = calibrate.ceilings(bench, wanted.most, tell)
        runner.begin(
            bench,
            store,
            stage,
            suite=wanted.name,
            blocks=wanted.blocks,
            command=shlex.join(["webdyno", *sys.argv[1:]]),
            fingerprint=host,
            calibration=calibration,
            equal_load=wanted.equal_load,
            own_shares=wanted.own_shares,
            apps=tuple(str(folder.resolve()) for folder in apps),
            flame=flame,
        )

    announce = (f"webdyno {__version__}: {wanted.title}", _how_long(stage, job, wanted, flame=flame))
    _measure(project, store, job, whole, begin, announce, as_json=as_json)


@click.command()
@click.argument("name", metavar="RUN", default="latest", shell_complete=completing.runs)
@options.results
@options.yes
@options.as_json
def resume(name: str, results: Path | None, yes: bool, as_json: bool) -> None:
    """Finish an interrupted run: only the trials that are missing are done."""
    from harness.judgement.stages import next_stage

    project = find_project(Path.cwd())
    stored = Results(project.results if results is None else results).find(name)
    store = Results(stored.folder.parent)  # where it lies: a run may be named by its folder
    done = not stored.missing and next_stage(stored) is None and not stored.flames_due
    if done and stored.state == "incomplete":
        _conclude(project, store, stored, as_json=as_json)
        return
    scenarios, whole = demands(project, tuple(map(Path, stored.record.apps)))
    job = resuming.job_of(stored, scenarios, asdict(fingerprint()))
    ask_once(project, job.variants, job.scenarios.values(), yes=yes)
    insist_on_descriptors(max(trial.cell.load.users for stage in stored.stages for trial in stage.trials))
    store.insist_on_room()
    announce = (f"{stored.id}: {len(stored.missing)} of {stored.planned} trials to do",)
    _measure(project, store, job, whole, lambda _bench, _tell: None, announce, as_json=as_json)


def _plan(
    project: Project,
    store: Results,
    wanted: plan.Suite,
    variants: dict[str, Variant],
    scenarios: dict[str, Scenario],
    seed: int | None,
    cpus: float | None,
    memory: int | None,
    backend: str,
    network: Network,
    *,
    yes: bool,
) -> tuple[Job, Stage]:
    """Return what is to be done, once everything that can be checked beforehand is found to be good."""
    wanted = plan.with_found(wanted, variants)
    plan.check_names(wanted, variants, scenarios)
    job = Job(
        run=store.new_id(wanted.name, SystemClock().utc()),
        variants=wished(wanted.rows, variants) | null_of(variants),
        scenarios={name: scenarios[name] for name in wanted.scenarios},
        placement=placement_here(cpus, memory),
        timing=wanted.timing,
        seed=secrets.randbelow(2**31) if seed is None else seed,
        network=network,
    )
    check_implements(job.variants.values(), scenarios)
    insist_on_caps(job.variants.values(), job.placement)
    by_tls = [name for name, scenario in job.scenarios.items() if TLS in scenario.services]
    stage = plan.lay_out(wanted, job.variants, scenarios, job.seed, by_tls=by_tls)
    if not stage.trials:
        raise UsageError(
            "no variant implements any of these scenarios",
            remedy="choose others, or name them in `implements` of a variant.toml",
        )
    insist_on_descriptors(wanted.most.users)
    store.insist_on_room()
    ask_once(project, job.variants, job.scenarios.values(), yes=yes)
    job = replace(job, backend=backend_here(backend, job.variants.values()))
    insist_on_reach(job)
    return job, stage


def _measure(
    project: Project,
    store: Results,
    job: Job,
    whole: tuple[Case, ...],
    begin: Callable[[Bench, Tell], None],
    announce: tuple[str, ...],
    *,
    as_json: bool,
) -> None:
    """Hold the machine, do the trials that are missing, and conclude."""
    from harness.lifecycle import runner

    out = console.complaints if as_json else console.out
    for line in announce:
        out.print(line, markup=False, highlight=False)
    with _telling_what_is_kept(store, job.run), _needing_a_reader():
        with Progress(out) as progress, hold(project, job, progress.tell) as bench:
            runner.insist(runner.check_contract(bench, whole, progress.tell))
            begin(bench, progress.tell)
            finished = runner.carry_out(bench, store, store.find(job.run), progress.tell)
        _conclude(project, store, finished, as_json=as_json)


@contextmanager
def _needing_a_reader() -> Iterator[None]:
    """Have a run whose reader has gone (`webdyno run | head`) end as interrupted, never as done."""
    try:
        yield
    except BrokenPipeError as error:
        raise Interrupted("nobody reads its output any more") from error


@contextmanager
def _telling_what_is_kept(store: Results, run_id: str) -> Iterator[None]:
    """Add to an error that ends a run before its end what is kept and how it goes on."""
    try:
        yield
    except (Interrupted, EnvironmentUnfit) as error:
        if run_id not in store.ids():
            raise
        kept = store.find(run_id)
        if kept.state == "sealed":
            raise
        onward = f"webdyno resume {run_id} does the rest"
        raise type(error)(
            f"{error.what}; {len(kept.trials)} of {kept.planned} trials are kept",
            where=error.where or run_id,
            remedy=f"{error.remedy}; then {onward}" if error.remedy else onward,
            log=error.log,
        ) from error


def _conclude(project: Project, store: Results, finished: StoredRun, *, as_json: bool) -> None:
    """Seal the run, write its report, show it, and fail where a cell has nothing valid."""
    from harness.cli import showing
    from harness.judgement.judge import reported_trials
    from harness.lifecycle import runner
    from harness.output.report.overview import write_overview
    from harness.output.report.page import write_report

    summary = runner.seal(store, finished)
    sealed = read_run(finished.folder)
    folder = project.reports / finished.id
    with writing(folder):
        claims = claiming.reported_claims(project, sealed)
        page = write_report(sealed, summary, reported_trials(sealed), folder, claims)
    write_overview(project.reports, store)
    if as_json:
        click.echo(to_json(summary), nl=False)
    else:
        showing.show_run(sealed, summary)
        console.out.print(f"report: {page}", highlight=False, markup=False)
    lost = [f"{cell.scenario} · {cell.variant.label}" for cell in summary.cells if not cell.valid_trials]
    if lost:
        raise VariantFailed(
            f"no valid trial of {', '.join(lost)}", where=finished.id, remedy=f"webdyno show {finished.id}"
        )


def _how_long(stage: Stage, job: Job, suite: plan.Suite, *, flame: bool) -> str:
    caps = job.placement.caps
    held = f"{caps.cpus:g} CPU and {format_size(caps.memory_bytes)} for the SUT"
    seconds, count = plan.estimate_s(stage, suite), len(stage.trials)
    later = [f"at {suite.equal_load:g} of the slowest"] if suite.equal_load is not None else []
    later += [f"at {share:g} of each one's own" for share in suite.own_shares]
    if any(trial.cell.load.profile == "capacity" for trial in stage.trials):
        later.insert(0, "the searches that they begin")
    later += ["for a flame graph of each cell"] if flame else []
    again = "".join(f", then {one}" for one in later)
    return (
        f"{count} {'trial' if count == 1 else 'trials'}{again}, "
        f"about {format_duration(seconds)} with what comes before; {held}, "
        f"by the backend {job.backend}{' over a bridge' if job.network == 'bridge' else ''}"
    )
