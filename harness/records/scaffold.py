"""New variants and scenarios: written from a template, or a variant from another one."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from harness.ground.errors import UsageError
from harness.records.heads import check_scenario_name
from harness.records.manifest import MANIFEST, check_variant_name

CACHES = frozenset({"__pycache__", "node_modules", ".venv", ".git"})
"""Folders of a variant's that hold nothing of its own: what tools made of it."""
_TEMPLATES = Path(__file__).parent / "templates"
_NO_CODE_YET = ".py.txt"
"""How names of templates of code end, so that no tool takes them for code of ours."""


def own_files(folder: Path) -> Iterator[Path]:
    """Yield a folder's files in a fixed order, each as a path below it, without links and what tools made."""
    for path in sorted(folder.rglob("*")):
        below = path.relative_to(folder)
        if path.is_file() and not path.is_symlink() and CACHES.isdisjoint(below.parts):
            yield below


def refuse_taken(name: str, taken: Mapping[str, str]) -> None:
    """Raise UsageError where something of this name is in one of the folders; `taken` says where."""
    if name in taken:
        raise _taken(Path(taken[name]))


def new_variant(apps: Path, name: str, like: Path | None) -> tuple[Path, tuple[str, ...]]:
    """Write a variant into a folder of variants, as a copy of another one's folder, else from the template.

    Return its folder and its files. The manifest is written last: a folder without it is no variant. Links
    are not copied. Raises UsageError for a name that is none or is taken, and where nothing can be written.
    """
    check_variant_name(name, name)
    source = like or _TEMPLATES / "variant"
    folder = apps / name
    _make(folder)
    try:
        written = [
            _copy(source, path, folder)
            for path in sorted(own_files(source), key=lambda path: path.name == MANIFEST)
        ]
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise _unwritable(folder, error) from error
    return folder, tuple(sorted(written))


def new_scenario(scenarios: Path, name: str) -> Path:
    """Write a scenario from the template and return its file; raises UsageError as `new_variant` does."""
    check_scenario_name(name, name)
    path = scenarios / f"{name}.py"
    try:
        scenarios.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write((_TEMPLATES / "scenario.py.txt").read_text(encoding="utf-8"))
    except FileExistsError as error:
        raise _taken(path) from error
    except OSError as error:
        raise _unwritable(path, error) from error
    return path


def _make(folder: Path) -> None:
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(folder, error) from error
    try:
        folder.mkdir()
    except FileExistsError as error:
        raise _taken(folder) from error
    except OSError as error:
        raise _unwritable(folder, error) from error


def _copy(source: Path, path: Path, folder: Path) -> str:
    """Copy a file, with its right to be run, and return its name there."""
    target = folder / str(path).replace(_NO_CODE_YET, ".py")
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(source / path, target)
    return str(target.relative_to(folder))


def _taken(path: Path) -> UsageError:
    return UsageError("is there already", where=str(path), remedy="choose another name, or remove it")


def _unwritable(path: Path, error: OSError) -> UsageError:
    return UsageError(
        f"can't be written: {error.strerror}", where=str(path), remedy="name a folder of yours with --apps"
    )
