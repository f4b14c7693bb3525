"""What every command that starts variants does first: ask, place, hold the machine, set up."""

from __future__ import annotations

import shlex
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import click

from harness.cli import console
from harness.ground.clock import SystemClock
from harness.ground.errors import EnvironmentUnfit, UsageError
from harness.ground.model import Placement, Scenario, Variant
from harness.lifecycle.bench import Bench, Job, set_up
from harness.lifecycle.calibrate import NULL
from harness.lifecycle.steps import Tell
from harness.machine import engine, images
from harness.machine.backends.launch import descriptor_limit
from harness.machine.custody.guard import guard
from harness.machine.custody.journal import Folder
from harness.machine.placement import memory_here, place, usable_cpus
from harness.machine.requirements import is_source, with_commits
from harness.machine.services.catalogue import check_services
from harness.machine.services.service_images import CHOICES
from harness.records.contract import Case
from harness.records.manifest import OF
from harness.records.project import SCENARIOS, Project
from harness.records.wishes import named

_SPARE_DESCRIPTORS = 256
"""What a generator has open besides its users' sockets."""


def ask_once(
    project: Project, variants: Mapping[str, Variant], scenarios: Iterable[Scenario] = (), *, yes: bool
) -> None:
    """Show what code from outside the project will be run, and ask once; raises UsageError for a no."""
    inside = project.apps.resolve()
    foreign = [
        variant
        for variant in variants.values()
        if not Path(variant.folder).is_relative_to(inside) or any(map(is_source, variant.pins))
    ]
    ours = project.root / SCENARIOS
    theirs = [one for one in scenarios if not Path(one.path).is_relative_to(ours.resolve())]
    if yes or not (foreign or theirs):
        return
    for variant in foreign:
        console.complaints.print(f"{variant.id} ({variant.folder}) will run:", markup=False, highlight=False)
        for pin in filter(is_source, variant.pins):
            console.complaints.print(f"    {pin}", markup=False, highlight=False)
        for command in (variant.setup, variant.start):
            if command:
                console.complaints.print(f"    {shlex.join(command)}", markup=False, highlight=False)
    for scenario in theirs:
        _aside(f"{scenario.id} ({scenario.path}) will run as you do, in the load generator")
    try:
        trusted = click.confirm("Is this code that you trust on this machine?", err=True)
    except click.Abort:  # nobody is there to answer
        click.echo(err=True)
        trusted = False
    if not trusted:
        raise UsageError("not run", remedy="--yes runs them without asking")


def demands(project: Project, apps: tuple[Path, ...]) -> tuple[dict[str, Scenario], tuple[Case, ...]]:
    """Return the scenarios and the cases that there are; raises UsageError for any that can't be meant."""
    scenarios = project.scenarios(apps)
    cases = project.cases(scenarios.values(), apps)
    for scenario in scenarios.values():
        check_services(scenario.services, f"{scenario.path}: NEEDS")
    for case in cases:
        check_services((*case.needs, *case.without), f"{case.file}: {case.name!r}")
    return scenarios, cases


def wished(names: Iterable[str], known: Mapping[str, Variant], kind: str = "variant") -> dict[str, Variant]:
    """Return the variants of the names that a user wrote, by their canonical names.

    Raises UsageError for what there is not, and VariantFailed for a git branch that there is not.
    """
    chosen = named(names, known, kind)
    for name in chosen:
        for other in known:
            if other.startswith(f"{name}{OF}") and other not in chosen:
                _aside(f"{name} is this checkout's own; the one in {known[other].folder} is {other}")
    return {name: with_commits(variant) for name, variant in chosen.items()}


def null_of(variants: Mapping[str, Variant]) -> dict[str, Variant]:
    """Return the null SUT by its id; empty where there is none."""
    return {NULL: variants[NULL]} if NULL in variants else {}


def insist_on_descriptors(users: int) -> None:
    """Raise EnvironmentUnfit where a generator could not have that many users' connections."""
    limit, needed = descriptor_limit(), users + _SPARE_DESCRIPTORS
    if limit < needed:
        raise EnvironmentUnfit(
            f"{limit} open files are allowed; {users} users need {needed}",
            remedy=f"ulimit -n {needed}, or fewer --users",
        )


def placement_here(cpus: float | None, memory: int | None) -> Placement:
    """Return who runs where on this machine; raises UsageError for a wish that can't be met."""
    return place(usable_cpus(), cpus_wanted=cpus, memory_wanted=memory, memory_bytes=memory_here())


def insist_on_caps(variants: Iterable[Variant], placement: Placement) -> None:
    """Raise UsageError for a variant whose own cap is more than the run's, whose CPUs are all that it has."""
    most = placement.caps.cpus
    for variant in variants:
        if variant.cpus is not None and variant.cpus > most:
            raise UsageError(
                f"{variant.cpus:g} CPUs are wanted, and {most:g} is the cap of the run",
                where=variant.id,
                remedy=f"ask for {most:g} at most, or give the run more with --cpus",
            )


def backend_here(wanted: str, variants: Iterable[Variant]) -> Literal["cgroup", "docker"]:
    """Return the backend for a wish; `auto` takes an engine that these variants can be run with.

    Raises EnvironmentUnfit for an engine that is wanted and not there.
    """
    if wanted == "cgroup":
        return "cgroup"
    try:
        found = engine.connect()
    except EnvironmentUnfit:
        if wanted == "auto":
            return "cgroup"
        raise
    try:
        if wanted == "auto":
            engine.insist_on_this_machine(found)
            images.ensure_bases(found, variants, _aside)
    except EnvironmentUnfit as error:
        _aside(f"not in containers, on which --backend docker insists: {error.what}")
        return "cgroup"
    finally:
        found.client.close()
    return "docker"


def insist_on_reach(job: Job) -> None:
    """Raise UsageError for SUTs on a bridge that there is not, or that leads to no service of theirs."""
    if job.network == "host":
        return
    if job.backend != "docker":
        raise UsageError(
            "only containers can be on a bridge",
            where="--network",
            remedy="--backend docker, or --network host",
        )
    local = [name for name, scenario in job.scenarios.items() if CHOICES.keys() & set(scenario.services)]
    if local:
        raise UsageError(
            f"servers for {', '.join(local)} listen on 127.0.0.1, where no bridge leads",
            where="--network",
            remedy="choose other scenarios, or --network host",
        )


def _aside(text: str) -> None:
    console.complaints.print(text, markup=False, highlight=False)


@contextmanager
def hold(project: Project, job: Job, tell: Tell) -> Iterator[Bench]:
    """Hold the machine, set it up for a job, and leave nothing behind.

    Raises EnvironmentUnfit where another run is going on, or this machine can't do the job.
    """
    with guard(job.run) as journal:
        # With a name of our own, so that it can be journalled before it is made.
        folder = Path(tempfile.gettempdir(), f"webdyno-{job.run}-{SystemClock().now_ns()}")
        journal.note(Folder(str(folder)))
        folder.mkdir(mode=0o700)
        with set_up(
            job, journal, apps_root=project.apps, folder=folder, clock=SystemClock(), tell=tell
        ) as bench:
            yield bench
