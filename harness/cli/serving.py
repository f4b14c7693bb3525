"""The commands that start variants and measure nothing: verify, serve.

What shows and judges is imported where it is needed: it takes longer than a shell that completes a name may
wait.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from harness.cli import completing, console, options
from harness.cli.holding import (
    ask_once,
    backend_here,
    demands,
    hold,
    insist_on_caps,
    placement_here,
    wished,
)
from harness.ground import process
from harness.ground.clock import SystemClock
from harness.ground.errors import EnvironmentUnfit, GateFailed, Interrupted, VariantFailed
from harness.ground.model import NO_FRAMEWORK, Placement, Scenario, Timing, Variant
from harness.ground.units import format_size
from harness.lifecycle.bench import Bench, Job
from harness.lifecycle.sut import is_free
from harness.lifecycle.verify import failures
from harness.machine.services.catalogue import APART
from harness.machine.services.keys import PASSWORD, USER
from harness.output.progress import Progress
from harness.records.manifest import check_implements
from harness.records.project import find_project


@click.command()
@click.argument("names", nargs=-1, metavar="[VARIANT]...", shell_complete=completing.variants)
@options.backend
@options.apps
@options.yes
@options.as_json
def verify(names: tuple[str, ...], backend: str, apps: tuple[Path, ...], yes: bool, as_json: bool) -> None:
    """Hold variants to the contract; all of them where none is named."""
    from harness.cli import showing
    from harness.lifecycle import runner

    project = find_project(Path.cwd())
    variants = project.variants(apps)
    kept = [name for name, variant in variants.items() if variant.framework != NO_FRAMEWORK]
    chosen = wished(names or kept, {name: variants[name] for name in kept}, "variant with a contract")
    scenarios, whole = demands(project, apps)
    ask_once(project, chosen, yes=yes)
    job = _job("verify", chosen, scenarios, placement_here(None, None), backend)
    out = console.complaints if as_json else console.out
    out.print(f"started by the backend {job.backend}:", highlight=False)
    with Progress(out) as progress, hold(project, job, progress.tell) as bench:
        results = runner.check_contract(bench, whole, progress.tell)
        logs = {
            name: process.last_lines(runner.log_of(bench, chosen[name]))
            for name, cases in results.items()
            if failures(cases)
        }
    if as_json:
        click.echo(json.dumps({name: [asdict(case) for case in cases] for name, cases in results.items()}))
    else:
        showing.show_cases(results, logs)
    if logs:
        raise GateFailed(f"does not keep the contract: {', '.join(logs)}")


@click.command()
@click.argument("name", metavar="VARIANT", shell_complete=completing.variants)
@click.option("--port", type=click.IntRange(1, 65535), default=8000, show_default=True)
@options.cpus
@options.memory
@options.backend
@options.apps
@options.yes
def serve(
    name: str,
    port: int,
    cpus: float | None,
    memory: int | None,
    backend: str,
    apps: tuple[Path, ...],
    yes: bool,
) -> None:
    """Serve one variant under its caps, with its services, until Ctrl-C."""
    project = find_project(Path.cwd())
    chosen = wished((name,), project.variants(apps))
    scenarios, _ = demands(project, apps)
    ask_once(project, chosen, yes=yes)
    if not is_free(port):
        raise EnvironmentUnfit(
            f"port {port} is in use", where="--port", remedy="choose another, or end its user"
        )
    job = _job("serve", chosen, scenarios, placement_here(cpus, memory), backend, without=APART)
    with Progress(console.out) as progress, hold(project, job, progress.tell) as bench:
        _serve(bench, next(iter(chosen.values())), port)


def _serve(bench: Bench, variant: Variant, port: int) -> None:
    """Serve until the user ends it; raises VariantFailed where the variant ends by itself."""
    log = bench.folder / "sut.log"
    sut = bench.start(variant, None, port=port, log=log)
    caps = bench.job.placement.of(variant).caps
    held = "" if sut.party.caps_enforced else "; the caps can't be enforced here"
    try:
        console.out.print(
            f"{variant.id} serves {sut.base_url} "
            f"({caps.cpus:g} CPU, {format_size(caps.memory_bytes)}, "
            f"by the backend {bench.backend.name}{held}); Ctrl-C ends it",
            markup=False,
            highlight=False,
        )
        if PASSWORD in bench.for_clients:
            console.out.print(
                f"its user is {USER}, the password {bench.for_clients[PASSWORD]}",
                markup=False,
                highlight=False,
            )
        while (exit_status := sut.party.look().exit) is None:
            bench.clock.sleep(0.2)
    except Interrupted:
        console.out.print(f"{variant.id} ends", markup=False, highlight=False)
        return
    finally:
        sut.party.stop()
    raise VariantFailed(f"ended with status {exit_status}", where=variant.id, log=process.last_lines(log))


def _job(
    what: str,
    variants: dict[str, Variant],
    scenarios: dict[str, Scenario],
    placement: Placement,
    backend: str,
    without: frozenset[str] = frozenset(),
) -> Job:
    check_implements(variants.values(), scenarios)
    insist_on_caps(variants.values(), placement)
    run_id = f"{SystemClock().utc():%Y%m%d-%H%M%S}-{what}"
    return Job(
        run_id,
        variants,
        {
            name: scenario
            for name, scenario in scenarios.items()
            if any(variant.serves(scenario) for variant in variants.values())
        },
        placement,
        Timing(0, 1),
        seed=0,
        backend=backend_here(backend, variants.values()),
        without=without,
    )
