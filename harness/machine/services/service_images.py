"""The images in which services run: built of the wheels that are started without an engine, or the user's."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import harness
from harness.ground.errors import EnvironmentUnfit
from harness.machine.building import (
    BASE_VARIABLE,
    File,
    Recipe,
    Report,
    base_image,
    ensure_built,
    ensure_pulled,
    files_of,
)
from harness.machine.engine import Engine
from harness.machine.services import postgres_database

CHOICES = {"postgres": "POSTGRES_IMAGE", "valkey": "VALKEY_IMAGE", "llm": None}
"""The services that have an image, and the variable that names another one."""
_TOP = Path(harness.__file__).resolve().parent.parent
_STUB = "harness/machine/services/llm_stub"
_COPIED = (
    "constraints.txt",
    "deploy/postgres.sh",
    "harness/__init__.py",
    "harness/machine/__init__.py",
    "harness/machine/services/__init__.py",
)


def ensure_images(engine: Engine, services: Iterable[str], report: Report) -> dict[str, str]:
    """Return the image of each service that has one; pulled or built now if need be.

    A PostgreSQL server of the user's needs none. Raises EnvironmentUnfit where one can't be had.
    """
    borrowed = {"postgres"} if os.environ.get(postgres_database.VARIABLE) else set()
    return {name: _ensure(engine, name, report) for name in services if name in CHOICES.keys() - borrowed}


def _ensure(engine: Engine, name: str, report: Report) -> str:
    variable = CHOICES[name]
    if variable is not None and (chosen := os.environ.get(variable)):
        ensure_pulled(engine, chosen, report, variable)
        return chosen
    base = base_image()
    base_id = ensure_pulled(engine, base, report)
    files, recipe = tuple(_files()), str(_TOP / "deploy/Dockerfile")
    return ensure_built(
        engine, Recipe(name, files, {BASE_VARIABLE: base}, recipe, EnvironmentUnfit, base_id, name), report
    )


def _files() -> Iterator[File]:
    try:
        yield File.of(_TOP / "deploy/Dockerfile", "Dockerfile")
        for name in _COPIED:
            yield File.of(_TOP / name, name)
        yield from files_of(_TOP / _STUB, _STUB)
    except OSError as error:
        raise EnvironmentUnfit(
            f"can't be read: {error.strerror}",
            where=str(error.filename),
            remedy="run webdyno from a checkout, which has the recipes of its services",
        ) from error
