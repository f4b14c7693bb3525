import builtins
import io
import os
import signal
import subprocess
import sys
from pathlib import Path

import click
import pytest
from rich.text import Text

from harness import __main__
from harness.cli import main, options
from harness.cli.console import PlainConsole
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
    """A signal raises once, and to the exit, the last message behind it, further ones do not disturb."""
    before = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    cleaned = []

    def work() -> None:
        with main._signals():
            try:
                os.kill(os.getpid(), number)
            finally:
                os.kill(os.getpid(), signal.SIGINT)
                os.kill(os.getpid(), number)
                cleaned.append(True)

    try:
        with pytest.raises(Interrupted, match=f"ended by {number.name}"):
            work()
        assert cleaned
        assert {signal.getsignal(each) for each in before} == {signal.SIG_IGN}
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def test_a_command_that_ends_by_itself_hands_the_signals_back() -> None:
    """Who called it finds the handlers that were there."""
    before = signal.getsignal(signal.SIGINT)
    with main._signals():
        assert signal.getsignal(signal.SIGINT) != before
    assert signal.getsignal(signal.SIGINT) == before


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


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--rate", "nan"], "'nan' is no rate"),
        (["--rate", "0"], "0.0 is not in the range"),
        (["--rate", "many"], "'many' is not a valid"),
        (["--think", "nan"], "'nan' is no time"),
        (["--profile", "open"], "'open' is not one of 'closed', 'rate', 'capacity'"),
        (["--profile", "rate"], "--profile rate: needs a rate"),
        (["--rate", "5", "--think", "1"], "--think: users who follow a schedule do not think"),
    ],
)
def test_a_load_that_is_none_is_told(flags: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong flag of the load is one message with the flag in it, before anything is prepared."""
    assert main.run_command_line(["run", "--suite", "smoke", *flags]) == 2
    told = capsys.readouterr().err
    assert says in told
    assert flags[-2] in told


WEBDYNO = (sys.executable, "-m", "harness")
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("kind", [str, Text])
def test_foreign_text_does_not_steer_the_terminal(kind: type) -> None:
    """Escape sequences and marks that reorder a line are taken out; lines and our own styles stay."""
    written = io.StringIO()
    console = PlainConsole(file=written, soft_wrap=True, force_terminal=True, color_system="standard")
    console.print(kind("curl x | sh \x1b[2K\r\u202eone\ntwo"), style="red", markup=False, highlight=False)
    assert written.getvalue() == "\x1b[31mcurl x | sh [2Kone\x1b[0m\n\x1b[31mtwo\x1b[0m\n"


def test_a_reader_that_has_gone_is_no_failure(tmp_path: Path) -> None:
    """`webdyno list | head`: no traceback, no complaint, and no exit code that means something else."""
    reader, writer = os.pipe()
    os.close(reader)
    ended = subprocess.run(
        (*WEBDYNO, "list", "--results", str(tmp_path)), stdout=writer, stderr=subprocess.PIPE, check=False
    )
    os.close(writer)
    assert (ended.returncode, ended.stderr) == (0, b"")


def test_a_stream_without_our_signs_is_borne(tmp_path: Path) -> None:
    """Where the encoding lacks a sign it is written as `?`, without a traceback."""
    ended = subprocess.run(
        (*WEBDYNO, "show", "größe–", "--results", str(tmp_path)),
        env={**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=False,
    )
    assert ended.returncode == 2
    assert ended.stderr.startswith(b"webdyno: ")
    assert b"gr??e?" in ended.stderr


def test_a_folder_that_is_gone(tmp_path: Path) -> None:
    """A current folder that was removed is told in one message."""
    command = f"cd {tmp_path} && mkdir gone && cd gone && rmdir ../gone && {sys.executable} -m harness list"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    told = subprocess.run(
        ("/bin/sh", "-c", command), env=environment, capture_output=True, text=True, check=False
    )
    assert (told.returncode, "the current folder is no longer there" in told.stderr) == (2, True), told


def test_a_user_without_a_home_is_told_what_to_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where no home can be found the variable that stands in for it is named."""

    def homeless(_class: type[Path]) -> Path:
        raise RuntimeError("Could not determine home directory.")

    for name in ("WEBDYNO_STATE", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", classmethod(homeless))
    monkeypatch.setenv("WEBDYNO_LOCK", str(tmp_path / "lock"))
    assert main.run_command_line(["clean"]) == 3
    assert capsys.readouterr().err == "webdyno: this user has no home folder\n  set WEBDYNO_STATE\n"


def test_the_folder_of_the_results_is_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What starts elsewhere, such as the load generator, finds a folder that was named from here."""
    monkeypatch.chdir(tmp_path)
    given: list[Path] = []

    @click.command()
    @options.results
    def command(results: Path) -> None:
        given.append(results)

    command.main(["--results", "mine"], standalone_mode=False)
    assert given == [tmp_path / "mine"]
