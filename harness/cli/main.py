"""The command line's edge: the only place where an error becomes a message and an exit code."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from types import FrameType

import click
from click.shell_completion import CompletionItem, shell_complete

from harness import __version__
from harness.cli import console
from harness.ground.errors import Interrupted, UsageError, WebdynoError
from harness.ground.names import choose

COMPLETE = "_WEBDYNO_COMPLETE"
"""The variable by which a shell's script asks what may stand on the line."""


def run_command_line(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; every error ends here, in one message."""
    console.bear_any_text()
    if question := os.environ.get(COMPLETE):
        return _complete(question)
    try:
        with _signals():
            cli.main(args=arguments, prog_name="webdyno", standalone_mode=False)
    except WebdynoError as error:
        console.complaints.print(f"webdyno: {error}", style="red", markup=False, highlight=False)
        return error.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        return 2
    except click.ClickException as error:
        console.complaints.print(
            f"webdyno: {error.format_message()}", style="red", markup=False, highlight=False
        )
        return UsageError.exit_code
    except (click.Abort, KeyboardInterrupt):
        console.complaints.print("webdyno: interrupted")
        return Interrupted.exit_code
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains at its exit
        return 0
    return 0


def _complete(question: str) -> int:
    """Answer a shell that asks what may stand here; whatever goes wrong, nobody wants it in their prompt."""
    try:
        return shell_complete(cli, {}, "webdyno", COMPLETE, question)
    except Exception:
        return 1


@contextmanager
def _signals() -> Iterator[None]:
    """Turn the first request to end into Interrupted; from then to the exit further ones are ignored."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def interrupt(number: int, _frame: FrameType | None) -> None:
        for each in numbers:
            signal.signal(each, signal.SIG_IGN)
        raise Interrupted(f"ended by {signal.Signals(number).name}")

    before = {number: signal.signal(number, interrupt) for number in numbers}
    try:
        yield
    finally:
        if signal.getsignal(numbers[0]) is interrupt:
            for number, handler in before.items():
                signal.signal(number, handler)


_COMMANDS = {
    "run": "measuring.run",
    "resume": "measuring.resume",
    "list": "reading.list_runs",
    "show": "reading.show",
    "report": "reading.report",
    "compare": "comparing.compare",
    "history": "looking_back.see_history",
    "claims": "claiming.see_claims",
    "serve": "serving.serve",
    "verify": "serving.verify",
    "new-variant": "scaffolding.new_variant",
    "new-scenario": "scaffolding.new_scenario",
    "calibrate": "calibrating.see_ceiling",
    "doctor": "reading.see_doctor",
    "clean": "reading.clean",
    "schema": "reading.see_schema",
    "completion": "completing.completion",
}
"""Each command's module in this package and its function there."""


class _Commands(click.Group):
    """Loads a command's module when the command is asked for: some take seconds."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names in the order of the help."""
        return list(_COMMANDS)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem[str]]:
        """Return the commands and flags that begin so; click would load every command for its help."""
        names = [CompletionItem(name) for name in _COMMANDS if name.startswith(incomplete)]
        return names + click.Command.shell_complete(self, ctx, incomplete)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command:  # noqa: ARG002 - likewise
        """Return a command; raises UsageError, naming the nearest one, where there is none."""
        choose((cmd_name,), _COMMANDS, "command")
        module, _, function = _COMMANDS[cmd_name].partition(".")
        command = getattr(import_module(f"harness.cli.{module}"), function)
        assert isinstance(command, click.Command)
        return command


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="webdyno")
def cli() -> None:
    """Compare web frameworks: which is faster here, by how much, and can that number be trusted."""
    try:
        Path.cwd()
    except FileNotFoundError as error:
        raise UsageError("the current folder is no longer there", remedy="go to another one") from error
