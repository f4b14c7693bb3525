"""The commands that write what a user goes on from: new-variant, new-scenario."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from harness.cli import console
from harness.ground.names import choose
from harness.records import scaffold
from harness.records.project import find_project


@click.command()
@click.argument("name", metavar="NAME")
@click.option(
    "--like", metavar="VARIANT", help="Copy this variant; else a minimal one on Starlette is written."
)
@click.option("--apps", type=click.Path(path_type=Path), help="The folder of variants that it is put into.")
def new_variant(name: str, like: str | None, apps: Path | None) -> None:
    """Write a variant that runs and keeps the contract at once, and tell what to do next."""
    project = find_project(Path.cwd())
    known = project.variants(() if apps is None or not apps.is_dir() else (apps,))
    if like is not None:
        choose((like,), known, "variant")
    scaffold.refuse_taken(name, known)
    source = None if like is None else Path(known[like].folder)
    folder, files = scaffold.new_variant(apps or project.apps, name, source)
    _tell(f"{folder}: {', '.join(files)}")
    where = "" if apps is None else f" --apps {shlex.quote(str(apps))}"
    _tell_next(
        f"webdyno verify {name}{where}",
        f"webdyno serve {name}{where}",
        f"webdyno run --suite smoke --scenario hello --variant {name}{where}",
    )


@click.command()
@click.argument("name", metavar="NAME")
def new_scenario(name: str) -> None:
    """Write a scenario that runs at once, and tell what to do next."""
    project = find_project(Path.cwd())
    _tell(str(scaffold.new_scenario(project.root / "scenarios", name)))
    _tell_next(f"webdyno run --suite smoke --variant flask-gunicorn --scenario {name}")


def _tell(text: str) -> None:
    console.out.print(f"made {text}", markup=False, highlight=False)


def _tell_next(*commands: str) -> None:
    console.out.print(
        "next:", *(f"  {command}" for command in commands), sep="\n", markup=False, highlight=False
    )
