"""Starting a party's first process so that it is confined before its program begins.

The process is held at a gate: a shell that waits for one line on its standard input. While it waits, the
harness journals it, moves it into its control group and binds it to its CPUs; then the shell becomes the
program. Should the harness die meanwhile, the gate closes and the shell ends.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.ground.errors import EnvironmentUnfit
from harness.ground.process import Command

NOBODY = 65534
"""The uid and gid of a SUT that root starts."""
OWNER = 65533
"""Those of a server that root starts, which no distribution gives out."""
_MOST_DESCRIPTORS = 1 << 20
"""Some engines allow 2^30, and some programs close each possible descriptor one by one."""
_GATE = 'read -r go && [ "$go" = go ] || exit 125; ulimit -n "$1" 2>/dev/null; shift; exec "$@" </dev/null'
_DAC_READ_SEARCH = 2


def descriptor_limit() -> int:
    """Raise this process's limit of open files to the hard one and return it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MOST_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, _MOST_DESCRIPTORS)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return wanted
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (OSError, ValueError):  # macOS has a limit of its own below the hard one
        return soft
    return wanted


def unprivileged(argv: Sequence[str]) -> tuple[str, ...]:
    """Return the argument list that runs a program as nobody, who can gain nothing; needs root.

    It keeps the right to read, where we have it ourselves, since environments often lie in a home folder.
    Raises EnvironmentUnfit where `setpriv` is missing.
    """
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise EnvironmentUnfit(
            "as root a variant runs as another user, and `setpriv` is missing",
            remedy="install util-linux, or run as an ordinary user",
        )
    kept = "-all,+dac_read_search" if _may_read_all() else "-all"
    return (
        setpriv,
        f"--reuid={NOBODY}",
        f"--regid={NOBODY}",
        "--clear-groups",
        "--no-new-privs",
        f"--inh-caps={kept}",
        f"--ambient-caps={kept}",
        f"--bounding-set={kept}",
        "--",
        *argv,
    )


class Held:
    """A process at its gate."""

    def __init__(
        self,
        command: Command,
        argv: Sequence[str],
        environment: Mapping[str, str],
        file_bytes: int | None = None,
    ) -> None:
        """Start the gate for `argv`, with the command's folder and log.

        No file that it writes, its log included, grows past `file_bytes`, where this system can see to that.
        Raises EnvironmentUnfit where the command's program is missing.
        """
        if shutil.which(command.argv[0], path=command.env.get("PATH", os.defpath)) is None and not os.access(
            Path(command.cwd) / command.argv[0], os.X_OK
        ):
            raise EnvironmentUnfit(f"{command.argv[0]} can't be started: no such program")
        limit = descriptor_limit()
        # dash exports the folder it starts in; the program's environment is the command's alone.
        gate = _GATE if "PWD" in environment else f"unset PWD; {_GATE}"
        with open(command.log, "ab") as log:
            try:
                self.child = subprocess.Popen(
                    ("/bin/sh", "-c", gate, "sh", str(limit), *argv),
                    cwd=command.cwd,
                    env=dict(environment),
                    stdin=subprocess.PIPE,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            except OSError as error:
                raise EnvironmentUnfit(f"{command.argv[0]} can't be started: {error.strerror}") from error
        if file_bytes is not None and sys.platform == "linux":
            resource.prlimit(self.child.pid, resource.RLIMIT_FSIZE, (file_bytes, file_bytes))

    @property
    def pid(self) -> int:
        """Return the pid, which stays the program's."""
        return self.child.pid

    def bind(self, cpus: Sequence[int]) -> bool:
        """Bind the process to CPUs; return whether this system can."""
        if not cpus:
            return True
        if sys.platform != "linux":
            return False
        try:
            os.sched_setaffinity(self.pid, cpus)
        except OSError as error:
            raise EnvironmentUnfit(
                f"CPUs {', '.join(map(str, cpus))} can't be used: {error.strerror}"
            ) from error
        return True

    def release(self) -> subprocess.Popen[bytes]:
        """Open the gate; the program begins."""
        assert self.child.stdin is not None
        try:
            self.child.stdin.write(b"go\n")
            self.child.stdin.close()
        except BrokenPipeError:  # ended meanwhile; its exit status says so
            pass
        return self.child

    def abandon(self) -> None:
        """End the process at its gate."""
        self.child.kill()
        self.child.wait()
        assert self.child.stdin is not None
        self.child.stdin.close()


def _may_read_all() -> bool:
    try:
        with open("/proc/self/status") as file:
            line = next(line for line in file if line.startswith("CapPrm:"))
    except (OSError, StopIteration):
        return False
    return bool(int(line.split()[1], 16) >> _DAC_READ_SEARCH & 1)
