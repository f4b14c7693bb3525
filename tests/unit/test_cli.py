import builtins
import os
import signal
from pathlib import Path

import click
import pytest

from harness import __main__
from harness.cli import main
from harness.ground.errors import EnvironmentUnfit, GateFailed, Interrupted, UsageError, VariantFailed


@pytest.fixture
def raising(monkeypatch: pytest.MonkeyPatch) -> list[BaseException]:
    """Make `webdyno list` raise what is put into the list."""
    errors: list[BaseException] = []

    @click.command()
    def command() -> None:
        raise errors[0]

    monkeypatch.setattr(main._Commands, "get_command", lambda *_: command)
    return errors


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (GateFailed("no"), 1),
        (UsageError("no", where="there", remedy="do this"), 2),
        (click.UsageError("no"), 2),
        (EnvironmentUnfit("no"), 3),
        (VariantFailed("no", log="line [red]one[/red]"), 4),
        (Interrupted("no"), 130),
        (KeyboardInterrupt(), 130),
    ],
    ids=lambda value: type(value).__name__,
)
def test_every_error_has_its_exit_code_and_one_message(
    raising: list[BaseException], error: BaseException, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """The design's exit codes; the message on standard error; brackets in it are no markup."""
    raising.append(error)
    assert main.run_command_line(["list"]) == status
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.lstrip().startswith("webdyno: ")
    if isinstance(error, VariantFailed):
        assert "line [red]one[/red]" in told.err
    if isinstance(error, UsageError):
        assert told.err == "webdyno: there: no\n  do this\n"


def test_a_mistake_of_our_own_keeps_its_traceback(raising: list[BaseException]) -> None:
    """Only errors that are meant for the user are turned into messages."""
    raising.append(ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        main.run_command_line(["list"])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_first_signal_ends_and_further_ones_do_not_disturb(number: signal.Signals) -> None:
    """A signal raises once, the clean-up that follows is left in peace, and the handlers come back."""
    before = signal.getsignal(number)
    cleaned = []

    def work() -> None:
        with main._signals():
            try:
                os.kill(os.getpid(), number)
            finally:
                os.kill(os.getpid(), signal.SIGINT)
                os.kill(os.getpid(), number)
                cleaned.append(True)

    with pytest.raises(Interrupted, match=f"ended by {number.name}"):
        work()
    assert cleaned
    assert signal.getsignal(number) == before


def test_every_command_can_be_loaded_and_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    """Each name of the table leads to a command with a sentence of help."""
    assert main.run_command_line(["--help"]) == 0
    text = capsys.readouterr().out
    context = click.Context(main.cli)
    for name in main._COMMANDS:
        assert name in text
        command = main.cli.get_command(context, name)
        assert command is not None
        assert command.name == name
        assert command.help


def test_no_command_is_a_question_for_help(capsys: pytest.CaptureFixture[str]) -> None:
    """`webdyno` alone shows the commands, and is no success."""
    assert main.run_command_line([]) == 2
    assert "resume" in "".join(capsys.readouterr())


def test_ctrl_c_while_modules_are_loaded_is_quiet(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An end before anything has begun is told like any other, without a traceback."""
    real = builtins.__import__

    def interrupted(name: str, *rest: object, **more: object) -> object:
        if name == "harness.cli.main":
            raise KeyboardInterrupt
        return real(name, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", interrupted)
    with pytest.raises(SystemExit) as ended:
        __main__.main()
    monkeypatch.undo()
    assert ended.value.code == 130
    assert capsys.readouterr().err == "webdyno: interrupted\n"


def test_outside_of_a_project_the_harness_own_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From any folder `webdyno` finds the checkout that it was installed from."""
    monkeypatch.chdir(tmp_path)
    assert main.run_command_line(["list", "--results", str(tmp_path)]) == 0
