"""The command line's edge: the only place where an error becomes a message and an exit code."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

import click

from harness import __version__
from harness.cli import console, measuring, reading
from harness.ground.errors import Interrupted, UsageError, WebdynoError


def run_command_line(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; every error ends here, in one message."""
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


for _command in (
    measuring.run,
    measuring.resume,
    measuring.verify,
    measuring.serve,
    measuring.see_ceiling,
    reading.report,
    reading.list_runs,
    reading.show,
    reading.see_doctor,
    reading.clean,
):
    cli.add_command(_command)
