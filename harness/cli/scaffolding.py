"""The commands that write what a user goes on from: new-variant, new-scenario."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from harness.cli import completing, console, options
from harness.ground.names import choose
from harness.records import scaffold
from harness.records.project import SCENARIOS, find_project


@click.command()
@click.argument("name", metavar="NAME")
@click.option(
    "--like",
    metavar="VARIANT",
    shell_complete=completing.variants,
    help="Copy this variant; else a minimal one on Starlette is written.",
)
@click.option("--apps", type=options.Apps(), help="The folder of variants that it is put into.")
def new_variant(name: str, like: str | None, apps: Path | None) -> None:
    """Write a variant that runs and keeps the contract at once, and tell what to do next."""
    project = find_project(Path.cwd())
    known = project.variants(_there(apps))
    if like is not None:
        choose((like,), known, "variant")
    scaffold.refuse_taken(name, {variant.id: variant.folder for variant in known.values()})
    source = None if like is None else Path(known[like].folder)
    folder, files = scaffold.new_variant(apps or project.apps, name, source)
    _tell(f"{folder}: {', '.join(files)}")
    where = _with(apps)
    _tell_next(
        f"webdyno verify {name}{where}",
        f"webdyno serve {name}{where}",
        f"webdyno run --suite smoke --scenario hello --variant {name}{where}",
    )


@click.command()
@click.argument("name", metavar="NAME")
@click.option("--apps", type=options.Apps(), help="The folder of variants in whose scenarios/ it is put.")
def new_scenario(name: str, apps: Path | None) -> None:
    """Write a scenario that runs at once, and tell what to do next."""
    project = find_project(Path.cwd())
    known = project.scenarios(_there(apps))
    scaffold.refuse_taken(name, {scenario.id: scenario.path for scenario in known.values()})
    _tell(str(scaffold.new_scenario((apps or project.root) / SCENARIOS, name)))
    _tell_next(f"webdyno run --suite smoke --variant flask-gunicorn --scenario {name}{_with(apps)}")


def _there(apps: Path | None) -> tuple[Path, ...]:
    return () if apps is None or not apps.is_dir() else (apps,)


def _with(apps: Path | None) -> str:
    return "" if apps is None else f" --apps {shlex.quote(str(apps))}"


def _tell(text: str) -> None:
    console.out.print(f"made {text}", markup=False, highlight=False)


def _tell_next(*commands: str) -> None:
    console.out.print(
        "next:", *(f"  {command}" for command in commands), sep="\n", markup=False, highlight=False
    )
