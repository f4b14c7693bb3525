"""What a run makes on the machine, written down before it is made, so that it can be undone after any end.

One JSON object a line, the owner first. A line that was cut short by a crash is the last and is ignored:
what it would have named was not made.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

from harness.ground.errors import UsageError
from harness.machine.custody.identity import Identity, boot_id, identify

NAME = "journal.jsonl"
_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@dataclass(frozen=True, slots=True)
class Owner:
    """The harness's own process; always the first line."""

    run: str
    pid: int
    start: str
    boot: str

    @property
    def identity(self) -> Identity:
        """Return the process that owns the run."""
        return Identity(self.pid, self.start, self.boot)


@dataclass(frozen=True, slots=True)
class ControlGroup:
    """A party's control group: its folder in every hierarchy."""

    folders: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Evacuation:
    """All processes of a cgroup v2 folder were moved to a leaf, so that it may have capped children."""

    folder: str
    leaf: str


@dataclass(frozen=True, slots=True)
class Controllers:
    """Controllers that were enabled for a cgroup v2 folder's children."""

    folder: str
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Session:
    """A process in a session of its own that no control group holds."""

    pid: int
    start: str
    boot: str


@dataclass(frozen=True, slots=True)
class Scope:
    """A scope of the user's systemd."""

    unit: str


@dataclass(frozen=True, slots=True)
class Folder:
    """A temporary folder; its name begins with `webdyno-`."""

    path: str


@dataclass(frozen=True, slots=True)
class Database:
    """A database on a server that is the user's; its name begins with `webdyno_`."""

    name: str
    server: str
    """The server's address without a password, as `server_of` returns it."""


@dataclass(frozen=True, slots=True)
class Containers:
    """Whatever containers carry a label on an engine."""

    engine: str
    """Its address."""
    label: str
    """As `belongings.label_of` returns it."""


Made = ControlGroup | Evacuation | Controllers | Session | Scope | Folder | Database | Containers
_KINDS: dict[str, Callable[..., Made]] = {
    "control-group": ControlGroup,
    "evacuation": Evacuation,
    "controllers": Controllers,
    "session": Session,
    "scope": Scope,
    "folder": Folder,
    "database": Database,
    "containers": Containers,
}
_NAMES = {kind: name for name, kind in _KINDS.items()}


class Journal:
    """The open journal of one run; its file is read by the owner alone."""

    def __init__(self, path: Path, run: str) -> None:
        """Begin the journal of a run in a new file.

        Raises UsageError where the run's id is not one; FileExistsError where the run has a journal.
        """
        if not _RUN_ID.fullmatch(run):
            raise UsageError(f"{run!r} is not a run's id", remedy="use letters, digits, dots and dashes")
        owner = identify()
        assert owner is not None
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.path = path
        self.run = run
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._write({"made": "owner", **asdict(Owner(run, owner.pid, owner.start, owner.boot))})

    def note(self, made: Made) -> None:
        """Write down what is about to be made; it is on disk when this returns."""
        self._write({"made": _NAMES[type(made)], **asdict(made)})

    def close(self) -> None:
        """Close the file; harmless when repeated."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _write(self, line: dict[str, object]) -> None:
        os.write(self._file, json.dumps(line).encode() + b"\n")
        os.fsync(self._file)


@dataclass(frozen=True, slots=True)
class Entries:
    """A journal as it was read back."""

    owner: Owner
    made: tuple[Made, ...]

    @property
    def same_boot(self) -> bool:
        """Return whether the machine has not been started anew since."""
        return self.owner.boot == boot_id()


def read(path: Path) -> Entries | None:
    """Return what a journal says; None where there is none, or none that names its owner."""
    try:
        lines = path.read_bytes().splitlines()
    except OSError:
        return None
    parsed = [line for text in lines if (line := _parse(text)) is not None]
    if not parsed or not isinstance(parsed[0], Owner):
        return None
    return Entries(parsed[0], tuple(line for line in parsed[1:] if not isinstance(line, Owner)))


def server_of(url: str) -> str:
    """Return a database URL's user, host and port: nothing that is secret."""
    parts = urlsplit(url)
    user = f"{parts.username}@" if parts.username else ""
    return f"{user}{parts.hostname or 'localhost'}:{parts.port or 5432}"


def _parse(text: bytes) -> Made | Owner | None:
    try:
        line = json.loads(text)
        kind = line.pop("made")
        make: Callable[..., Made | Owner] = Owner if kind == "owner" else _KINDS[kind]
        return make(
            **{key: tuple(value) if isinstance(value, list) else value for key, value in line.items()}
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
