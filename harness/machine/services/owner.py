"""The uid that servers of a run get where root starts them, and the folders in which they live.

It is one that nothing else has, so that a variant, which runs as `nobody`, can neither end a server nor
look into it.
"""

from __future__ import annotations

import os
import secrets
import sys
import tempfile
from pathlib import Path

from harness.machine.backends.launch import OWNER

_DROP = """\
import os, sys
uid = int(sys.argv[1])
os.setgroups([])
os.setgid(uid)
os.setuid(uid)
os.execv(sys.argv[2], sys.argv[2:])
"""


def as_uid(uid: int) -> tuple[str, ...]:
    """Return the prefix under which root runs a program as another uid; nothing where we are not root."""
    return (sys.executable, "-I", "-S", "-c", _DROP, str(uid)) if os.geteuid() == 0 else ()


def home_for(run: str, service: str) -> Path:
    """Return a folder that is not there yet, whose name begins with `webdyno-`, for a run's service."""
    name = f"webdyno-{run}-{service}-{secrets.token_hex(4)}"
    places = (Path(tempfile.gettempdir()), Path("/var/tmp"), Path("/tmp"))  # noqa: S108 - under a name that nobody knows
    return next((place for place in places if is_open(place)), places[0]) / name


def is_open(folder: Path) -> bool:
    """Return whether every uid can reach a folder."""
    real = folder.resolve()
    return real.is_dir() and all(path.stat().st_mode & 0o001 for path in (real, *real.parents))


def give(folder: Path) -> None:
    """Hand a tree to the servers' uid."""
    os.chown(folder, OWNER, OWNER)
    for path in folder.rglob("*"):
        os.chown(path, OWNER, OWNER, follow_symlinks=False)
