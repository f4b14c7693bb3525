"""The one place where programs are started, waited for and ended."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.ground.errors import EnvironmentUnfit


@dataclass(frozen=True, slots=True)
class Command:
    """A program that is to run for a while, with its output in a file."""

    argv: tuple[str, ...]
    cwd: str
    env: Mapping[str, str]
    """The whole environment; nothing is inherited."""
    log: str
    """The file to which standard output and error are appended."""


@dataclass(frozen=True, slots=True)
class Completed:
    """A program that has ended."""

    exit: int
    """Negative for a signal; None never."""
    output: str
    """Standard output."""
    complaint: str
    """Standard error."""


def run(
    argv: tuple[str, ...],
    *,
    timeout_s: float,
    cwd: str | None = None,
    env: Mapping[str, str] | None = None,
    stdin: str | None = None,
) -> Completed:
    """Run a program to its end in a process group of its own, which dies with it at the time-out.

    `env` None inherits the environment. Raises EnvironmentUnfit where the program is missing or takes
    longer than `timeout_s`.
    """
    try:
        child = subprocess.Popen(
            argv,
            cwd=cwd,
            env=None if env is None else dict(env),
            stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        )
    except OSError as error:
        raise EnvironmentUnfit(f"{argv[0]} can't be started: {error.strerror}") from error
    try:
        output, complaint = child.communicate(stdin, timeout=timeout_s)
    except subprocess.TimeoutExpired as error:
        raise EnvironmentUnfit(f"{argv[0]} did not end within {timeout_s:g} s") from error
    finally:
        signal_group(child.pid, signal.SIGKILL)
        child.wait()
    return Completed(child.returncode, output, complaint)


def start(command: Command) -> subprocess.Popen[bytes]:
    """Start a program in a session of its own; its process group id is its pid.

    Raises EnvironmentUnfit where the program is missing.
    """
    with open(command.log, "ab") as log:
        try:
            return subprocess.Popen(
                command.argv,
                cwd=command.cwd,
                env=dict(command.env),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            raise EnvironmentUnfit(f"{command.argv[0]} can't be started: {error.strerror}") from error


def end(child: subprocess.Popen[bytes], *, grace_s: float) -> int:
    """End a program and its group: SIGTERM, `grace_s` to obey, SIGKILL; return its exit status."""
    signal_group(child.pid, signal.SIGTERM)
    try:
        child.wait(grace_s)
    except subprocess.TimeoutExpired:
        pass
    signal_group(child.pid, signal.SIGKILL)
    return child.wait()


def signal_group(group: int, number: signal.Signals) -> None:
    """Send a signal to a process group, which may be gone already."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        pass


def last_lines(log: str | Path, count: int = 15) -> str:
    """Return the end of a log file, control characters replaced; empty where there is none."""
    try:
        with open(log, "rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - 16384))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return ""
    clean = "".join(c if c.isprintable() or c == "\n" else " " for c in text)
    return "\n".join(line[:300] for line in clean.splitlines()[-count:])
