"""What surrounds every run: the machine's lock, the journal, the reaper, and the clean-up at the end."""

from __future__ import annotations

import fcntl
import os
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import harness
from harness.ground.errors import EnvironmentUnfit
from harness.machine.custody import reaper
from harness.machine.custody.collector import LOG, collect, collect_leftovers
from harness.machine.custody.journal import NAME, Journal

STATE_VARIABLE = "WEBDYNO_STATE"
LOCK_VARIABLE = "WEBDYNO_LOCK"
_PACKAGE_PARENT = Path(harness.__file__).resolve().parent.parent


def state_folder() -> Path:
    """Return the folder that holds the journals of runs that are going on, or ended badly.

    Raises EnvironmentUnfit for a user without a home folder who names none.
    """
    if chosen := os.environ.get(STATE_VARIABLE):
        return Path(chosen)
    base = os.environ.get("XDG_STATE_HOME")
    try:
        return (Path(base) if base else Path.home() / ".local/state") / "webdyno"
    except RuntimeError as error:
        raise EnvironmentUnfit("this user has no home folder", remedy=f"set {STATE_VARIABLE}") from error


def lock_path() -> Path:
    """Return the lock's file: one for all users, so it lies where every one of them may write."""
    if chosen := os.environ.get(LOCK_VARIABLE):
        return Path(chosen)
    for folder in (Path("/run/lock"), Path("/tmp")):  # noqa: S108 - opened without following links
        try:
            if folder.stat().st_mode & stat.S_IWOTH:
                return folder / "webdyno.lock"
        except OSError:
            continue
    return Path(tempfile.gettempdir()) / "webdyno.lock"


@contextmanager
def guard(run_id: str, state: Path | None = None, lock: Path | None = None) -> Iterator[Journal]:
    """Hold the machine for one run: nothing that the journal names outlives the block, or the process.

    Raises EnvironmentUnfit where another run is going on (it is named), where the clean-up can't be made
    sure of, and at the end where something could not be undone; UsageError for an id that is none.
    """
    state = state_folder() if state is None else state
    with machine_lock(run_id, lock_path() if lock is None else lock):
        collect_leftovers(state)  # what can't be undone now stays journalled, and is no reason not to run
        # With our pid, since a run that is resumed keeps its id while an old reaper may still be at work.
        path = state / f"{run_id}.{os.getpid()}" / NAME
        with _reaper(path):  # before the journal: there is no moment at which nobody would collect it
            journal = _begin(path, run_id)
            try:
                yield journal
            finally:
                journal.close()
                left = collect(path)
        if left:
            raise EnvironmentUnfit(
                f"the run left behind: {', '.join(left)}", remedy="`webdyno clean` tries again"
            )


@contextmanager
def machine_lock(run_id: str, path: Path) -> Iterator[None]:
    """Hold the lock that allows one run at a time on this machine; children do not inherit it.

    Raises EnvironmentUnfit, naming the holder, where it is held. The file itself stays: removing a lock
    while somebody waits for it would give two of them.
    """
    descriptor = _open_lock(path)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 200, 0).decode("utf-8", "replace").strip()
            name = "".join(c for c in holder if c.isprintable()) or "its name can't be read"
            raise EnvironmentUnfit(
                f"another run is going on: {name}",
                where=str(path),
                remedy="two at once would measure each other; wait for it, or end it",
            ) from None
        try:
            _name_holder(descriptor, f"{run_id} (pid {os.getpid()})\n")
            yield
        finally:
            _name_holder(descriptor, "")
    finally:
        os.close(descriptor)


def _begin(path: Path, run_id: str) -> Journal:
    try:
        return Journal(path, run_id)
    except OSError as error:
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: OSError) -> EnvironmentUnfit:
    return EnvironmentUnfit(
        f"no journal can be written: {error.strerror}", where=str(path), remedy=f"set {STATE_VARIABLE}"
    )


@contextmanager
def _reaper(path: Path) -> Iterator[None]:
    """Start the reaper, wait until it is ready, and at the end let it go and see it end."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise _unwritable(path, error) from error
    ours, theirs = socket.socketpair()
    environment = {**os.environ, "PYTHONPATH": str(_PACKAGE_PARENT)}
    with ours:
        with theirs, open(path.parent / LOG, "ab") as log:
            try:
                child = subprocess.Popen(
                    (sys.executable, "-m", "harness.machine.custody.reaper", str(path)),
                    cwd="/",
                    env=environment,
                    stdin=theirs.fileno(),
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            except OSError as error:
                raise EnvironmentUnfit(f"the reaper can't be started: {error.strerror}") from error
        try:
            ours.settimeout(20.0)
            try:
                ready = ours.recv(len(reaper.READY))
            except OSError:
                ready = b""
            if ready != reaper.READY:
                raise EnvironmentUnfit("the reaper does not start", where=str(path.parent / LOG))
            yield
        finally:
            ours.close()
            child.wait(60.0)


def _open_lock(path: Path) -> int:
    flags = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        try:
            # The kernel forbids O_CREAT on another user's file in a sticky folder: look first.
            descriptor = os.open(path, os.O_RDWR | flags)
        except FileNotFoundError:
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | flags, 0o666)
            os.fchmod(descriptor, 0o666)  # whatever the umask: every user takes the same lock
    except OSError as error:
        raise EnvironmentUnfit(
            f"the lock can't be opened: {error.strerror}", where=str(path), remedy=f"set {LOCK_VARIABLE}"
        ) from error
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:
        os.close(descriptor)
        raise EnvironmentUnfit("the lock is no plain file", where=str(path), remedy="remove it")
    return descriptor


def _name_holder(descriptor: int, text: str) -> None:
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, text.encode(), 0)
