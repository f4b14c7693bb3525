"""The seal of a run's folder: checksums of all its files, after which none of them may change."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter

from harness.ground.errors import GateFailed, UsageError
from harness.records.disk import checksum, write

_MANIFEST = "manifest.json"
_SUMS = TypeAdapter(dict[Literal["sha256"], dict[str, str]])
"""A manifest: the checksums of files by their paths in the run's folder."""


def is_sealed(folder: Path) -> bool:
    """Tell whether a run's folder has a manifest."""
    return (folder / _MANIFEST).is_file()


def seal(folder: Path) -> None:
    """Write the manifest of all files that are there."""
    sums = {str(path.relative_to(folder)): checksum(path) for path in sorted(_files(folder))}
    write(folder / _MANIFEST, (json.dumps({"sha256": sums}, indent=1) + "\n").encode())


def damaged_files(folder: Path) -> tuple[str, ...]:
    """Return the files of a sealed run that are missing, differ from the manifest, or are not in it.

    Raises UsageError where the manifest itself is damaged.
    """
    manifest = folder / _MANIFEST
    try:
        sums = _SUMS.validate_json(manifest.read_bytes())["sha256"]
    except (OSError, ValueError, KeyError) as error:
        raise UsageError("can't be read", where=str(manifest), remedy="restore it from a copy") from error
    damaged = (name for name, due in sums.items() if not _is_as_sealed(folder, name, due))
    added = sorted({str(path.relative_to(folder)) for path in _files(folder)} - set(sums))
    return (*damaged, *added)


def insist_on_seal(folder: Path) -> None:
    """Raise GateFailed where a sealed run is not what it was when it was sealed."""
    if is_sealed(folder) and (damaged := damaged_files(folder)):
        raise GateFailed(f"changed since it was sealed: {', '.join(damaged)}", where=str(folder))


def _is_as_sealed(folder: Path, name: str, due: str) -> bool:
    """Tell whether a file is in the folder, and what it was when its checksum was taken."""
    try:
        path = (folder / name).resolve()
        return path.is_relative_to(folder.resolve()) and path.is_file() and checksum(path) == due
    except (OSError, ValueError):  # no file has such a name, or nobody may read it
        return False


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file() and path.name != _MANIFEST)
