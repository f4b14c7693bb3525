"""The command line: the only place that prints, prompts and exits."""

from __future__ import annotations

import json
import os
import secrets
import shlex
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import Any

import click
from rich.console import Console

from harness import __version__, doctor, plan, runner, table_formats, tables
from harness.backends.launch import descriptor_limit
from harness.clock import SystemClock
from harness.collector import collect_leftovers
from harness.errors import EnvironmentUnfit, GateFailed, Interrupted, UsageError, VariantFailed, WebdynoError
from harness.guard import guard, lock_path, machine_lock, state_folder
from harness.judge import judge
from harness.model import Placement, Scenario, Stage, Timing, Variant
from harness.names import choose
from harness.placement import memory_here, place, usable_cpus
from harness.progress import Progress
from harness.project import Project, find_project
from harness.report.page import write_report
from harness.store import Results, StoredRun, damaged_files
from harness.summary import Summary
from harness.summary_json import to_json
from harness.sut import is_free
from harness.trial import Bench
from harness.units import format_size, parse_size
from harness.verify import CaseResult, failures

_SPARE_DESCRIPTORS = 256
_console = Console(stderr=False, soft_wrap=True)
_complaints = Console(stderr=True, soft_wrap=True)


class _Size(click.ParamType[int]):
    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:  # noqa: ANN401, ARG002
        return value if isinstance(value, int) else parse_size(str(value))


def run_command_line(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; every error ends here, in one message."""
    try:
        with _signals():
            cli.main(args=arguments, prog_name="webdyno", standalone_mode=False)
    except WebdynoError as error:
        _complaints.print(f"webdyno: {error}", style="red", markup=False, highlight=False)
        return error.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        return 2
    except click.ClickException as error:
        _complaints.print(f"webdyno: {error.format_message()}", style="red", markup=False, highlight=False)
        return UsageError.exit_code
    except (click.Abort, KeyboardInterrupt):
        _complaints.print("webdyno: interrupted")
        return Interrupted.exit_code
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains at its exit
        return 0
    return 0


@contextmanager
def _signals() -> Iterator[None]:
    """Turn the first request to end into Interrupted; the clean-up that it begins ignores further ones."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def interrupt(number: int, _frame: FrameType | None) -> None:
        for each in numbers:
            signal.signal(each, signal.SIG_IGN)
        raise Interrupted(f"ended by {signal.Signals(number).name}")

    before = {number: signal.signal(number, interrupt) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="webdyno")
def cli() -> None:
    """Compare web frameworks: which is faster here, by how much, and can that number be trusted."""


_apps = click.option(
    "--apps", multiple=True, type=click.Path(path_type=Path), help="A further folder of variants."
)
_results = click.option("--results", type=click.Path(path_type=Path), help="Where runs are kept.")
_as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON document and nothing else.")
_cpus = click.option("--cpus", type=float, help="The SUT's CPU cap.")
_memory = click.option("--memory", type=_Size(), help="The SUT's memory cap, such as 1g.")
_backend = click.option("--backend", type=click.Choice(["auto", "cgroup"]), default="auto", show_default=True)


@cli.command()
@click.option("--suite", default="standard", show_default=True, help="A suite's name, or its TOML file.")
@click.option("--variant", multiple=True, help="Only this variant; may be repeated.")
@click.option("--scenario", multiple=True, help="Only this scenario; may be repeated.")
@click.option("--users", type=click.IntRange(1, 100_000), help="Concurrent users.")
@click.option("--blocks", type=click.IntRange(1, 1000), help="Passes over all cells.")
@click.option("--seconds", type=click.FloatRange(1, 3600), help="The measurement window.")
@click.option("--warmup", type=click.FloatRange(0, 3600), help="Before the window.")
@click.option("--seed", type=click.IntRange(0, 2**31), help="Of the order of trials and the users' choices.")
@_cpus
@_memory
@_backend
@_apps
@_results
@click.option("--yes", is_flag=True, help="Run the variants of --apps without asking.")
@_as_json
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
    out = _complaints if as_json else _console
    out.print(f"webdyno {__version__}: {wanted.title}", markup=False, highlight=False)
    out.print(_how_long(stage, wanted.timing, placement), markup=False, highlight=False)
    with (
        Progress(out) as progress,
        _bench(
            project,
            run_id,
            chosen,
            {name: scenarios[name] for name in wanted.scenarios},
            placement,
            wanted.timing,
            seed,
            progress,
        ) as (bench, logs),
    ):
        runner.insist(runner.check_contract(bench, project.apps / "contract", logs, progress.tell))
        runner.begin(bench, store, wanted.name, stage, wanted.blocks, _command_line())
        finished = _trials(bench, store, progress)
    _conclude(project, store, finished, as_json=as_json)


@cli.command()
@click.argument("name", metavar="RUN", default="latest")
@_results
@_as_json
def resume(name: str, results: Path | None, as_json: bool) -> None:
    """Finish an interrupted run: only the trials that are missing are done."""
    project = find_project(Path.cwd())
    store = Results(project.results if results is None else results)
    stored = store.find(name)
    if stored.state == "sealed":
        raise UsageError(f"the run {stored.id} is complete and sealed", remedy=f"webdyno show {stored.id}")
    record = stored.record
    _check_descriptors(max(t.cell.load.users for s in record.stages for t in s.trials))
    out = _complaints if as_json else _console
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


@cli.command()
@click.argument("names", nargs=-1, metavar="[VARIANT]...")
@_apps
@click.option("--yes", is_flag=True, help="Run the variants of --apps without asking.")
@_as_json
def verify(names: tuple[str, ...], apps: tuple[Path, ...], yes: bool, as_json: bool) -> None:
    """Hold variants to the contract; all of them where none is named."""
    project = find_project(Path.cwd())
    variants, scenarios = project.variants(apps), project.scenarios()
    chosen = {name: variants[name] for name in choose(names or variants, variants, "variant")}
    _ask_once(project, chosen, yes=yes)
    out = _complaints if as_json else _console
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
        _show_cases(results)
    broken = [name for name, cases in results.items() if failures(cases)]
    if broken:
        raise GateFailed(f"does not keep the contract: {', '.join(broken)}")


@cli.command()
@click.argument("name", metavar="VARIANT")
@click.option("--port", type=click.IntRange(1, 65535), default=8000, show_default=True)
@_cpus
@_memory
@_apps
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
        Progress(_console) as progress,
        _bench(project, run_id, chosen, project.scenarios(), placement, Timing(0, 1), 0, progress) as (
            bench,
            logs,
        ),
    ):
        log = logs / "sut.log"
        sut = bench.start(chosen[name], None, port=port, log=log)
        caps = f"{placement.caps.cpus:g} CPU, {format_size(placement.caps.memory_bytes)}"
        held = "" if sut.party.caps_enforced else "; the caps can't be enforced here"
        _console.print(f"{name} serves {sut.base_url} ({caps}{held}); Ctrl-C ends it", highlight=False)
        try:
            while (exit_status := sut.party.look().exit) is None:
                bench.clock.sleep(0.2)
        except Interrupted:
            _console.print(f"{name} ends", highlight=False)
            return
        finally:
            tail = runner.tail(log)
            sut.party.stop()
        raise VariantFailed(f"ended with status {exit_status}", where=name, log=tail)


@cli.command()
@click.argument("name", metavar="RUN", default="latest")
@click.option("--format", "form", type=click.Choice(["html", "md", "csv", "json", "png"]), default="html")
@click.option("--out", type=click.Path(path_type=Path), help="The report's folder.")
@_results
def report(name: str, form: str, out: Path | None, results: Path | None) -> None:
    """Rebuild a run's report from what is stored."""
    project = find_project(Path.cwd())
    stored = Results(project.results if results is None else results).find(name)
    summary = judge(stored)
    if form == "json":
        click.echo(to_json(summary), nl=False)
        return
    if form == "md":
        click.echo(table_formats.to_markdown(tables.build(summary)), nl=False)
        return
    page = write_report(stored, summary, project.reports / stored.id if out is None else out)
    suffix = {"html": page.name, "csv": "*.csv", "png": "*.png"}[form]
    for path in sorted(page.parent.glob(suffix)):
        click.echo(str(path))


@cli.command(name="list")
@_results
@_as_json
def list_runs(results: Path | None, as_json: bool) -> None:
    """List the runs, the newest last."""
    project = find_project(Path.cwd())
    store = Results(project.results if results is None else results)
    rows = [_row(store.find(run_id)) for run_id in store.ids()]
    if as_json:
        click.echo(json.dumps(rows))
        return
    for row in rows:
        _console.print(
            f"{row['id']}  {row['state']}, {row['trials']} of {row['planned']} trials", highlight=False
        )
    if not rows:
        _console.print("no run yet; try: webdyno run --suite smoke", highlight=False)


@cli.command()
@click.argument("name", metavar="RUN", default="latest")
@_results
@_as_json
def show(name: str, results: Path | None, as_json: bool) -> None:
    """Show a run's tables and findings, and what is missing from it."""
    project = find_project(Path.cwd())
    stored = Results(project.results if results is None else results).find(name)
    summary = judge(stored)
    if as_json:
        click.echo(to_json(summary), nl=False)
        return
    _show(stored, summary)
    if stored.state == "sealed" and (damaged := damaged_files(stored)):
        raise GateFailed(f"changed since it was sealed: {', '.join(damaged)}", where=str(stored.folder))


@cli.command(name="doctor")
@_as_json
def see_doctor(as_json: bool) -> None:
    """Look whether this machine can measure, with a remedy for each complaint."""
    project = find_project(Path.cwd())
    found = doctor.examine(results=project.results)
    if as_json:
        click.echo(json.dumps([asdict(complaint) for complaint in found]))
    else:
        for complaint in found:
            mark = {True: "ok  ", False: "NO  ", None: "?   "}[complaint.ok]
            _console.print(f"{mark}{complaint.subject}: {complaint.figure}", markup=False, highlight=False)
            if complaint.ok is False:
                _console.print(f"      {complaint.remedy}", markup=False, highlight=False)
    vital = [complaint.subject for complaint in found if complaint.vital and complaint.ok is False]
    if vital:
        raise EnvironmentUnfit(f"this machine can't measure: {', '.join(vital)}")


@cli.command()
def clean() -> None:
    """Collect what a killed run may have left: processes, control groups, folders, databases."""
    with machine_lock("clean", lock_path()):
        left = collect_leftovers(state_folder())
    if left:
        raise EnvironmentUnfit(f"could not be removed: {', '.join(left)}")
    _console.print("nothing of a run is left on this machine", highlight=False)


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
        _show(store.find(finished.id), summary)
        _console.print(f"report: {page}", highlight=False, markup=False)
    lost = [f"{cell.scenario} · {cell.variant.label}" for cell in summary.cells if not cell.valid_trials]
    if lost:
        raise VariantFailed(
            f"no valid trial of {', '.join(lost)}", where=finished.id, remedy=f"webdyno show {finished.id}"
        )


def _show(stored: StoredRun, summary: Summary) -> None:
    for table in tables.build(summary):
        _console.print(table_formats.to_rich(table))
    for line in runner.findings_in_words(summary):
        _console.print(line, markup=False, highlight=False)
    if stored.state == "incomplete":
        _console.print(
            f"incomplete: {len(stored.missing)} of {stored.planned} trials are missing; "
            f"webdyno resume {stored.id} does them",
            highlight=False,
        )


def _show_cases(results: dict[str, tuple[CaseResult, ...]]) -> None:
    for name, cases in results.items():
        passed = sum(case.passed is True for case in cases)
        unchecked = sum(case.passed is None for case in cases)
        _console.print(
            f"{name}: {passed} of {len(cases)} cases pass, {unchecked} not checked", highlight=False
        )
        for case in failures(cases):
            _console.print(f"  {case.name}", style="red", markup=False, highlight=False)
            for line in case.difference.splitlines():
                _console.print(f"    {line}", markup=False, highlight=False)


def _row(stored: StoredRun) -> dict[str, object]:
    return {
        "id": stored.id,
        "suite": stored.suite,
        "state": stored.state,
        "trials": len(stored.trials),
        "planned": stored.planned,
    }


def _ask_once(project: Project, variants: dict[str, Variant], *, yes: bool) -> None:
    """Show the commands of variants from outside the project, and ask once."""
    foreign = [v for v in variants.values() if not Path(v.folder).is_relative_to(project.apps.resolve())]
    if not foreign or yes:
        return
    for variant in foreign:
        _complaints.print(f"{variant.id} ({variant.folder}) will run:", markup=False, highlight=False)
        for command in (variant.setup, variant.start):
            if command:
                _complaints.print(f"    {shlex.join(command)}", markup=False, highlight=False)
    if not click.confirm("Is this code that you trust on this machine?", err=True):
        raise UsageError("not run", remedy="--yes runs them without asking")


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
    return f"{len(stage.trials)} trials, {runner.estimate(plan.estimate_s(stage, timing))}; {caps}"


def _command_line() -> str:
    return shlex.join(["webdyno", *sys.argv[1:]])
