"""What a shell asks while somebody types: the command `completion`, and the names that complete.

Names are those of files and folders, none of which is read: so one that is broken disturbs no prompt.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from pathlib import Path

import click
from click.shell_completion import CompletionItem, get_completion_class

from harness.cli.main import COMPLETE, cli
from harness.records.manifest import variant_folders
from harness.records.plan import find_suites
from harness.records.project import find_project

SHELLS = ("bash", "zsh", "fish")


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
def completion(shell: str) -> None:
    """Print the script by which bash, zsh or fish completes commands, flags and names.

    Example: eval "$(webdyno completion bash)"
    """
    kind = get_completion_class(shell)
    assert kind is not None, "click knows each of them"
    click.echo(kind(cli, {}, "webdyno", COMPLETE).source())


def variants(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
    """Return the variants that begin so, those of `--apps` included."""
    project = find_project(Path.cwd())
    folders = variant_folders((project.apps, *_apps(ctx)))
    return _beginning(incomplete, (folder.name for folder in folders))


def scenarios(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
    """Return the scenarios that begin so, those of `--apps` included."""
    files = find_project(Path.cwd()).scenario_files(_apps(ctx))
    return _beginning(incomplete, (file.stem for file in files))


def suites(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
    """Return the suites that begin so, else a file."""
    known = find_suites(find_project(Path.cwd()).suites)
    return _beginning(incomplete, known) or [CompletionItem(incomplete, type="file")]


def runs(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
    """Return `latest` and the runs that begin so, the newest first, else a folder."""
    from harness.records.store import Results

    folder = ctx.params.get("results") or find_project(Path.cwd()).results
    known = ("latest", *reversed(Results(folder).ids()))
    return _beginning(incomplete, known) or [CompletionItem(incomplete, type="dir")]


def _apps(ctx: click.Context) -> tuple[Path, ...]:
    """Return the folders of `--apps` that are on the line already; a command may take one or several."""
    given = ctx.params.get("apps") or ()
    return (given,) if isinstance(given, Path) else tuple(given)


def _beginning(incomplete: str, names: Iterable[str]) -> list[CompletionItem[str]]:
    """Return the names that begin so; what a shell needs quotes for is none of ours, and might be a trap."""
    fitting = (name for name in dict.fromkeys(names) if name.startswith(incomplete))
    return [CompletionItem(name) for name in fitting if name == shlex.quote(name)]
