"""Undoing what a run made, by its journal: the one clean-up there is, after any end."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Sequence
from pathlib import Path

from harness.ground.clock import Clock, SystemClock
from harness.ground.errors import EnvironmentUnfit
from harness.ground.process import run
from harness.machine import belongings
from harness.machine.control_groups import PREFIX, disable, end_groups, undo_evacuation
from harness.machine.custody import journal as j
from harness.machine.custody.identity import Identity, family, is_running

LOG = "reaper.log"
DATABASE_VARIABLE = "WEBDYNO_POSTGRES_URL"


def collect(
    journal_path: Path,
    *,
    clock: Clock | None = None,
    grace_s: float = 2.0,
    bound_s: float = 10.0,
    settle_s: float = 0.5,
) -> tuple[str, ...]:
    """Undo all that a journal names and remove it; return, in words, what could not be undone.

    For `settle_s` an engine's containers are looked for: it may still be making one that was asked for.

    Safe to repeat and to do twice at once. The journal stays where anything is left. Processes and
    control groups of an earlier boot are gone already, whatever their numbers now mean.
    """
    clock = clock or SystemClock()
    entries = j.read(journal_path)
    left: list[str] = []
    if entries is not None:
        if entries.same_boot:
            left += _end_processes(entries, clock, grace_s, bound_s)
        for made in reversed(entries.made):
            left += _undo(made, entries, settle_s)
    if not left:
        _forget(journal_path)
    return tuple(dict.fromkeys(left))


def collect_leftovers(state: Path, *, clock: Clock | None = None) -> tuple[str, ...]:
    """Collect every journal in the state folder whose owner has ended; return what could not be undone."""
    left: list[str] = []
    for folder in sorted(path for path in state.glob("*") if path.is_dir()):
        path = folder / j.NAME
        entries = j.read(path)
        if entries is None:
            # Begun and cut short before its owner was named: nothing had been made.
            if not _is_fresh(path):
                _forget(path)
        elif not is_running(entries.owner.identity):
            left += collect(path, clock=clock)
    return tuple(left)


def _end_processes(entries: j.Entries, clock: Clock, grace_s: float, bound_s: float) -> list[str]:
    sessions = [
        Identity(made.pid, made.start, made.boot) for made in entries.made if isinstance(made, j.Session)
    ]
    groups = [
        tuple(Path(folder) for folder in made.folders)
        for made in entries.made
        if isinstance(made, j.ControlGroup)
    ]
    # A run may have made hundreds of groups, one a trial; nearly all are gone.
    groups = [group for group in groups if any(folder.exists() for folder in group)]
    units = [made.unit for made in entries.made if isinstance(made, j.Scope)]
    for leader in sessions:
        signal_all(family(leader, entries.owner.run), signal.SIGTERM)
    for unit in units:
        end_scope(unit)
    left = list(end_groups(groups, clock, grace_s=grace_s, bound_s=bound_s))
    for leader in sessions:
        left += end_family(
            leader, entries.owner.run, clock, grace_s=0 if groups else grace_s, bound_s=bound_s
        )
    return left


def end_family(
    leader: Identity, mark: str, clock: Clock, *, grace_s: float, bound_s: float = 5.0
) -> list[str]:
    """End a session and all that came of it: SIGTERM, `grace_s`, SIGKILL; return what would not go."""
    signal_all(family(leader, mark), signal.SIGTERM)
    deadline = clock.now_ns() + round(grace_s * 1e9)
    while family(leader, mark) and clock.now_ns() < deadline:
        clock.sleep(0.05)
    deadline = clock.now_ns() + round(bound_s * 1e9)
    while pids := family(leader, mark):
        if clock.now_ns() >= deadline:
            return [f"process {pid}" for pid in pids]
        signal_all(pids, signal.SIGKILL)
        clock.sleep(0.02)
    return []


def signal_all(pids: Sequence[int], number: signal.Signals) -> None:
    """Signal processes, of which some may have ended."""
    for pid in pids:
        try:
            os.kill(pid, number)
        except (ProcessLookupError, PermissionError):
            pass


def end_scope(unit: str) -> None:
    """Stop a scope of the user's systemd; its own time-out bounds how long that takes."""
    if unit.startswith(PREFIX):
        try:
            run(("systemctl", "--user", "stop", "--", unit), timeout_s=8.0)
        except EnvironmentUnfit:  # no systemd any more, hence no scope
            pass


def _undo(made: j.Made, entries: j.Entries, settle_s: float) -> list[str]:
    match made:
        case j.Controllers(folder, names) if entries.same_boot:
            disable(Path(folder), names)
        case j.Evacuation(folder, leaf) if entries.same_boot:
            return [] if undo_evacuation(Path(folder), Path(leaf)) else [leaf]
        case j.Folder(path):
            return _remove_folder(Path(path))
        case j.Containers(address, label):
            return list(belongings.remove_labelled(address, label, settle_s))
        case j.Database():
            return _drop(made)
        case _:  # ended with the processes
            pass
    return []


def _remove_folder(path: Path) -> list[str]:
    if not path.name.startswith(PREFIX) or path.is_symlink() or not path.is_dir():
        return []
    for _ in range(3):  # a process that is being killed may still write into it
        shutil.rmtree(path, ignore_errors=True)
        if not path.exists():
            return []
    return [str(path)]


def _drop(made: j.Database) -> list[str]:
    """Drop a database of ours; the server's password comes from the environment, never from the journal."""
    if not made.name.startswith("webdyno_"):
        return []
    url = os.environ.get(DATABASE_VARIABLE)
    what = f"database {made.name} on {made.server}"
    if url is None or j.server_of(url) != made.server:
        return [f"{what}: set {DATABASE_VARIABLE} to that server's address to have it dropped"]
    import psycopg  # here because few runs need it, and the reaper must start at once
    from psycopg import sql

    try:
        with psycopg.connect(url, autocommit=True, connect_timeout=5) as connection:
            connection.execute(
                sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(made.name))
            )
    except psycopg.Error as error:
        return [f"{what}: {type(error).__name__}"]  # the error's text may hold the address
    return []


def _is_fresh(path: Path) -> bool:
    try:
        return SystemClock().utc().timestamp() - path.parent.stat().st_mtime < 60
    except OSError:
        return True


def _forget(path: Path) -> None:
    for file in (path, path.parent / LOG):
        file.unlink(missing_ok=True)
    try:
        path.parent.rmdir()
    except OSError:  # holds something that is not ours, or is gone
        pass
