"""Files that are whole or not there, and a disk's refusal as a message."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from harness.ground.errors import EnvironmentUnfit

_REFUSALS = frozenset(
    (
        *(errno.EACCES, errno.EDQUOT, errno.EEXIST, errno.EFBIG, errno.EIO, errno.EISDIR, errno.ELOOP),
        *(errno.ENOSPC, errno.ENOTDIR, errno.ENOTEMPTY, errno.EPERM, errno.EROFS),
    )
)
"""What a disk answers where it is full, broken, or not ours."""
MAKE_ROOM = "make room or get the right to write there"


def write(path: Path, data: bytes) -> None:
    """Write a file aside, flush it to the disk, and rename it into place; one process after the other."""
    aside = path.with_name(f".{path.name}.aside")  # one name, so that a crash leaves one file at most
    with _ours(aside) as file:
        file.truncate(0)
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
        aside.rename(path)
    sync(path.parent)


@contextmanager
def _ours(aside: Path) -> Iterator[BinaryIO]:
    """Open a file that no other process writes; one that did has renamed it when it lets go of it."""
    while True:
        with open(aside, "ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            if _has_name(file, aside):
                yield file
                return


def _has_name(file: BinaryIO, path: Path) -> bool:
    with suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    return False


def checksum(path: Path) -> str:
    """Return a file's SHA-256."""
    with open(path, "rb") as file:  # a variant's log may be larger than the memory
        return hashlib.file_digest(file, "sha256").hexdigest()


def sync(path: Path) -> None:
    """Flush a file, or a folder's list of names, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def writing(
    path: Path, remedy: str = f"{MAKE_ROOM}, or choose another folder with --results"
) -> Iterator[None]:
    """Turn a disk's refusal into the user's message, an EnvironmentUnfit; other errors pass."""
    try:
        yield
    except OSError as error:
        if error.errno is None or error.errno not in _REFUSALS:
            raise
        raise EnvironmentUnfit(
            f"can't be written: {os.strerror(error.errno)}",
            where=str(path),
            remedy=remedy,
        ) from error
