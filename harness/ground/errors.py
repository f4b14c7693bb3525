"""Every error that a user can meet, with the exit code that it ends in.

An error says what is wrong, where, and what to do about it; only `harness.cli` prints and exits.
"""

from __future__ import annotations

from typing import ClassVar


class WebdynoError(Exception):
    """The root of all errors that are told to the user in one message, without a traceback."""

    exit_code: ClassVar[int] = 1

    def __init__(self, what: str, *, where: str = "", remedy: str = "", log: str = "") -> None:
        """Keep the parts apart, so that the edge may lay them out.

        `where` names a file, key or flag; `remedy` says what to do; `log` holds the last lines of a
        process's output, shown beneath.
        """
        super().__init__(what)
        self.what = what
        self.where = where
        self.remedy = remedy
        self.log = log

    def __str__(self) -> str:
        """Return the parts as the lines that a terminal shows."""
        head = f"{self.where}: {self.what}" if self.where else self.what
        lines = [head]
        if self.remedy:
            lines.append(f"  {self.remedy}")
        if self.log:
            lines.append("  the last lines of its log:")
            lines += [f"    {line}" for line in self.log.splitlines()]
        return "\n".join(lines)


class GateFailed(WebdynoError):
    """A gate that the user set (`verify`, `compare --fail-if`) did not hold."""

    exit_code = 1


class UsageError(WebdynoError):
    """A flag, a name or a configuration file is wrong."""

    exit_code = 2


class EnvironmentUnfit(WebdynoError):
    """This machine can't do what was asked."""

    exit_code = 3


class VariantFailed(WebdynoError):
    """A variant did not start, crashed, or every trial of one of its cells is invalid."""

    exit_code = 4


class Interrupted(WebdynoError):
    """The user or the system ended the run; what was measured is kept."""

    exit_code = 130
