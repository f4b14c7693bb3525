"""The command that measures the load generator itself: calibrate."""

from __future__ import annotations

from pathlib import Path

import click

from harness.cli import console, options, showing
from harness.cli.holding import hold, insist_on_descriptors, null_of, placement_here
from harness.ground.clock import SystemClock
from harness.ground.errors import UsageError
from harness.ground.model import Load, Timing
from harness.lifecycle import calibrate
from harness.lifecycle.bench import Job
from harness.lifecycle.peers import compare_peers
from harness.output.progress import Progress
from harness.records.project import find_project


@click.command(name="calibrate")
@click.option("--peers", is_flag=True, help="Beside Locust's users, and wrk and oha where installed.")
@click.option("--users", type=click.IntRange(1, 100_000), multiple=True, help="May be repeated.")
@click.option("--rounds", type=click.IntRange(1, 100), default=5, show_default=True, help="With --peers.")
@click.option("--seconds", type=options.Seconds(1, 600), default=4, show_default=True, help="With --peers.")
@options.as_json
def see_ceiling(peers: bool, users: tuple[int, ...], rounds: int, seconds: float, as_json: bool) -> None:
    """Measure how fast the load generator is here, against a null SUT."""
    project = find_project(Path.cwd())
    null = null_of(project.variants())
    if not null:
        raise UsageError(
            f"there is no variant {calibrate.NULL}",
            where=str(project.apps),
            remedy="take it from a checkout of webdyno",
        )
    users = users or ((64, 1000) if peers else (1000,))
    insist_on_descriptors(max(users))
    run_id = f"{SystemClock().utc():%Y%m%d-%H%M%S}-calibrate"
    job = Job(run_id, null, project.scenarios(), placement_here(None, None), Timing(0, 1), seed=0)
    out = console.complaints if as_json else console.out
    with Progress(out) as progress, hold(project, job, progress.tell) as bench:
        if peers:
            folder = project.root / "benchmarks" / "peers"
            readings = tuple(compare_peers(bench, users, rounds, seconds, folder, progress.tell))
        else:
            ceilings = calibrate.ceilings(bench, Load("closed", max(users)), progress.tell)
    if peers:
        showing.show_peers(readings, as_json=as_json)
    else:
        showing.show_ceilings(ceilings, as_json=as_json)
