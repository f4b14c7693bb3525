"""The commands that start variants: run, resume, verify, serve."""

from __future__ import annotations

import json
import secrets
import shlex
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import click

from harness import __version__
from harness.cli import console, options
from harness.ground import process
from harness.ground.clock import SystemClock
from harness.ground.errors import EnvironmentUnfit, GateFailed, Interrupted, UsageError, VariantFailed
from harness.ground.model import NO_FRAMEWORK, Load, Placement, Scenario, Stage, Timing, Variant
from harness.ground.names import choose
from harness.ground.units import format_duration, format_size
from harness.lifecycle import calibrate, runner
from harness.lifecycle.peers import compare_peers
from harness.lifecycle.sut import is_free
from harness.lifecycle.trial import Bench
from harness.lifecycle.verify import failures
from harness.machine.backends.launch import descriptor_limit
from harness.machine.custody.guard import guard
from harness.machine.placement import memory_here, place, usable_cpus
from harness.output.progress import Progress
from harness.output.report.page import write_report
from harness.records import plan
from harness.records.project import Project, find_project
from harness.records.store import Results, StoredRun
from harness.records.summary_json import to_json

_SPARE_DESCRIPTORS = 256


@click.command()
@click.option("--suite", default="standard", show_default=True, help="A suite's name, or its TOML file.")
@click.option("--variant", multiple=True, help="Only this variant; may be repeated.")
@click.option("--scenario", multiple=True, help="Only this scenario; may be repeated.")
@click.option("--users", type=click.IntRange(1, 100_000), help="Concurrent users.")
@click.option("--blocks", type=click.IntRange(1, 1000), help="Passes over all cells.")
@click.option("--seconds", type=click.FloatRange(1, 3600), help="The measurement window.")
@click.option("--warmup", type=click.FloatRange(0, 3600), help="Before the window.")
@click.option("--seed", type=click.IntRange(0, 2**31), help="Of the order of trials and the users' choices.")
@options.cpus
@options.memory
@options.backend
@options.apps
@options.results
@click.option("--yes", is_flag=True, help="Run the variants of --apps without asking.")
@options.as_json
def run(
    suite: str,
    variant: tuple[str, ...],
    scenario: tuple[str, ...],
    users: int | None,
    blocks: int | None,
    seconds: float | None,
    warmup: float | None,
    seed: int | None,
    cpus: float | None,
    memory: int | None,
    backend: str,
    apps: tuple[Path, ...],
    results: Path | None,
    yes: bool,
    as_json: bool,
) -> None:
    """Measure: plan, prepare, verify, trials, tables, report.

    Example: webdyno run --suite smoke --variant flask-gunicorn
    """
    assert backend in ("auto", "cgroup")
    project = find_project(Path.cwd())
    wanted = plan.narrow(
        project.suite(suite),
        variants=variant,
        scenarios=scenario,
        users=users,
        blocks=blocks,
        window_s=seconds,
        warmup_s=warmup,
    )
    variants, scenarios = project.variants(apps), project.scenarios()
    plan.check_names(wanted, variants, scenarios)
    chosen = {name: variants[name] for name in wanted.variants}
    _ask_once(project, chosen, yes=yes)
    seed = secrets.randbelow(2**31) if seed is None else seed
    stage = plan.lay_out(wanted, chosen, seed)
    if not stage.trials:
        raise UsageError("no variant implements any of these scenarios", remedy="choose others")
    _check_descriptors(max(load.users for load in wanted.loads))
    store = Results(project.results if results is None else results)
    clock = SystemClock()
    run_id = store.new_id(wanted.name, clock.utc())
    placement = _placement(cpus, memory)
    out = console.complaints if as_json else console.out
    out.print(f"webdyno {__version__}: {wanted.title}", markup=False, highlight=False)
    out.print(_how_long(stage, wanted.timing, placement), markup=False, highlight=False)
    with (
        Progress(out) as progress,
        _bench(
            project,
            run_id,
            chosen | null_of(variants),
            {name: scenarios[name] for name in wanted.scenarios},
            placement,
            wanted.timing,
            seed,
            progress,
        ) as (bench, logs),
    ):
        runner.insist(runner.check_contract(bench, project.apps / "contract", logs, progress.tell))
        most = max(wanted.loads, key=lambda load: load.users)
        calibration = calibrate.ceilings(bench, most, progress.tell)
        runner.begin(bench, store, wanted.name, stage, wanted.blocks, _command_line(), calibration)
        finished = _trials(bench, store, progress)
    _conclude(project, store, finished, as_json=as_json)


@click.command()
@click.argument("name", metavar="RUN", default="latest")
@options.results
@options.as_json
def resume(name: str, results: Path | None, as_json: bool) -> None:
    """Finish an interrupted run: only the trials that are missing are done."""
    project = find_project(Path.cwd())
    store = Results(project.results if results is None else results)
    stored = store.find(name)
    if stored.state == "sealed":
        raise UsageError(f"the run {stored.id} is complete and sealed", remedy=f"webdyno show {stored.id}")
    record = stored.record
    _check_descriptors(max(t.cell.load.users for s in record.stages for t in s.trials))
    out = console.complaints if as_json else console.out
    out.print(f"{stored.id}: {len(stored.missing)} of {stored.planned} trials to do", highlight=False)
    with (
        Progress(out) as progress,
        _bench(
            project,
            stored.id,
            {variant.id: variant for variant in record.variants},
            {scenario.id: scenario for scenario in record.scenarios},
            record.placement,
            record.timing,
            record.seed,
            progress,
        ) as (bench, logs),
    ):
        runner.insist(runner.check_contract(bench, project.apps / "contract", logs, progress.tell))
        finished = _trials(bench, store, progress)
    _conclude(project, store, finished, as_json=as_json)


@click.command(name="calibrate")
@click.option("--peers", is_flag=True, help="Beside Locust's users, and wrk and oha where installed.")
@click.option("--users", type=click.IntRange(1, 100_000), multiple=True, help="May be repeated.")
@click.option("--rounds", type=click.IntRange(1, 100), default=5, show_default=True, help="With --peers.")
@click.option("--seconds", type=click.FloatRange(1, 600), default=4, show_default=True, help="With --peers.")
@options.as_json
def see_ceiling(peers: bool, users: tuple[int, ...], rounds: int, seconds: float, as_json: bool) -> None:
    """Measure how fast the load generator is here, against a null SUT."""
    project = find_project(Path.cwd())
    null = null_of(project.variants())
    if not null:
        raise UsageError(f"there is no variant {calibrate.NULL}", where=str(project.apps))
    users = users or ((64, 1000) if peers else (1000,))
    _check_descriptors(max(users))
    out = console.complaints if as_json else console.out
    run_id = f"{SystemClock().utc():%Y%m%d-%H%M%S}-calibrate"
    with (
        Progress(out) as progress,
        _bench(
            project, run_id, null, project.scenarios(), _placement(None, None), Timing(0, 1), 0, progress
        ) as (
            bench,
            _logs,
        ),
    ):
        if peers:
            folder = project.root / "benchmarks" / "peers"
            readings = tuple(compare_peers(bench, users, rounds, seconds, folder, progress.tell))
            console.show_peers(readings, as_json=as_json)
            return
        console.show_ceilings(
            calibrate.ceilings(bench, Load("closed", max(users)), progress.tell), as_json=as_json
        )


@click.command()
@click.argument("names", nargs=-1, metavar="[VARIANT]...")
@options.apps
@click.option("--yes", is_flag=True, help="Run the variants of --apps without asking.")
@options.as_json
def verify(names: tuple[str, ...], apps: tuple[Path, ...], yes: bool, as_json: bool) -> None:
    """Hold variants to the contract; all of them where none is named."""
    project = find_project(Path.cwd())
    variants, scenarios = project.variants(apps), project.scenarios()
    kept = [name for name, variant in variants.items() if variant.framework != NO_FRAMEWORK]
    chosen = {name: variants[name] for name in choose(names or kept, kept, "variant with a contract")}
    _ask_once(project, chosen, yes=yes)
    out = console.complaints if as_json else console.out
    run_id = f"{SystemClock().utc():%Y%m%d-%H%M%S}-verify"
    with (
        Progress(out) as progress,
        _bench(project, run_id, chosen, scenarios, _placement(None, None), Timing(0, 1), 0, progress) as (
            bench,
            logs,
        ),
    ):
        results = runner.check_contract(bench, project.apps / "contract", logs, progress.tell)
    if as_json:
        click.echo(json.dumps({name: [asdict(case) for case in cases] for name, cases in results.items()}))
    else:
        console.show_cases(results)
    broken = [name for name, cases in results.items() if failures(cases)]
    if broken:
        raise GateFailed(f"does not keep the contract: {', '.join(broken)}")


@click.command()
@click.argument("name", metavar="VARIANT")
@click.option("--port", type=click.IntRange(1, 65535), default=8000, show_default=True)
@options.cpus
@options.memory
@options.apps
@click.option("--yes", is_flag=True, help="Run a variant of --apps without asking.")
def serve(
    name: str, port: int, cpus: float | None, memory: int | None, apps: tuple[Path, ...], yes: bool
) -> None:
    """Serve one variant under its caps, with its services, until Ctrl-C."""
    project = find_project(Path.cwd())
    variants = project.variants(apps)
    choose((name,), variants, "variant")
    chosen = {name: variants[name]}
    _ask_once(project, chosen, yes=yes)
    if not is_free(port):
        raise EnvironmentUnfit(
            f"port {port} is in use", where="--port", remedy="choose another, or end its user"
        )
    run_id = f"{SystemClock().utc():%Y%m%d-%H%M%S}-serve"
    placement = _placement(cpus, memory)
    with (
        Progress(console.out) as progress,
        _bench(project, run_id, chosen, project.scenarios(), placement, Timing(0, 1), 0, progress) as (
            bench,
            logs,
        ),
    ):
        log = logs / "sut.log"
        sut = bench.start(chosen[name], None, port=port, log=log)
        caps = f"{placement.caps.cpus:g} CPU, {format_size(placement.caps.memory_bytes)}"
        held = "" if sut.party.caps_enforced else "; the caps can't be enforced here"
        console.out.print(f"{name} serves {sut.base_url} ({caps}{held}); Ctrl-C ends it", highlight=False)
        try:
            while (exit_status := sut.party.look().exit) is None:
                bench.clock.sleep(0.2)
        except Interrupted:
            console.out.print(f"{name} ends", highlight=False)
            return
        finally:
            tail = process.last_lines(log)
            sut.party.stop()
        raise VariantFailed(f"ended with status {exit_status}", where=name, log=tail)


@contextmanager
def _bench(
    project: Project,
    run_id: str,
    variants: dict[str, Variant],
    scenarios: dict[str, Scenario],
    placement: Placement,
    timing: Timing,
    seed: int,
    progress: Progress,
) -> Iterator[tuple[Bench, Path]]:
    """Hold the machine, and yield the bench with a folder for logs that do not belong to a trial."""
    with guard(run_id) as journal, tempfile.TemporaryDirectory(prefix="webdyno-") as folder:
        logs = Path(folder)
        with runner.bench(
            run_id,
            journal,
            variants=variants,
            scenarios=scenarios,
            placement=placement,
            timing=timing,
            seed=seed,
            apps_root=project.apps,
            logs=logs,
            clock=SystemClock(),
            tell=progress.tell,
        ) as bench:
            yield bench, logs


def _trials(bench: Bench, store: Results, progress: Progress) -> StoredRun:
    try:
        return runner.carry_out(bench, store, store.find(bench.run), progress.tell)
    except (Interrupted, EnvironmentUnfit) as error:
        kept = store.find(bench.run)
        raise type(error)(
            f"{error.what}; {len(kept.trials)} of {kept.planned} trials are kept",
            where=error.where or bench.run,
            remedy=f"webdyno resume {bench.run} does the rest" if not error.remedy else error.remedy,
        ) from error


def _conclude(project: Project, store: Results, finished: StoredRun, *, as_json: bool) -> None:
    """Seal the run, write its report, show it, and fail where a cell has nothing valid."""
    summary = runner.seal(store, finished)
    page = write_report(store.find(finished.id), summary, project.reports / finished.id)
    if as_json:
        click.echo(to_json(summary), nl=False)
    else:
        console.show_run(store.find(finished.id), summary)
        console.out.print(f"report: {page}", highlight=False, markup=False)
    lost = [f"{cell.scenario} · {cell.variant.label}" for cell in summary.cells if not cell.valid_trials]
    if lost:
        raise VariantFailed(
            f"no valid trial of {', '.join(lost)}", where=finished.id, remedy=f"webdyno show {finished.id}"
        )


def _ask_once(project: Project, variants: dict[str, Variant], *, yes: bool) -> None:
    """Show the commands of variants from outside the project, and ask once."""
    foreign = [v for v in variants.values() if not Path(v.folder).is_relative_to(project.apps.resolve())]
    if not foreign or yes:
        return
    for variant in foreign:
        console.complaints.print(f"{variant.id} ({variant.folder}) will run:", markup=False, highlight=False)
        for command in (variant.setup, variant.start):
            if command:
                console.complaints.print(f"    {shlex.join(command)}", markup=False, highlight=False)
    if not click.confirm("Is this code that you trust on this machine?", err=True):
        raise UsageError("not run", remedy="--yes runs them without asking")


def null_of(variants: Mapping[str, Variant]) -> dict[str, Variant]:
    """Return the null SUT by its id; empty where there is none."""
    return {calibrate.NULL: variants[calibrate.NULL]} if calibrate.NULL in variants else {}


def _check_descriptors(users: int) -> None:
    limit = descriptor_limit()
    if limit < users + _SPARE_DESCRIPTORS:
        raise EnvironmentUnfit(
            f"{limit} open files are allowed; {users} users need {users + _SPARE_DESCRIPTORS}",
            remedy=f"ulimit -n {users + _SPARE_DESCRIPTORS}, or fewer --users",
        )


def _placement(cpus: float | None, memory: int | None) -> Placement:
    return place(usable_cpus(), cpus_wanted=cpus, memory_wanted=memory, memory_bytes=memory_here())


def _how_long(stage: Stage, timing: Timing, placement: Placement) -> str:
    caps = f"{placement.caps.cpus:g} CPU and {format_size(placement.caps.memory_bytes)} for the SUT"
    seconds = plan.estimate_s(stage, timing)
    return f"{len(stage.trials)} trials, about {format_duration(seconds)} with what comes before; {caps}"


def _command_line() -> str:
    return shlex.join(["webdyno", *sys.argv[1:]])
