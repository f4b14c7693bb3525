"""What the tests with a container engine share: the engine, a foreign container, and variants in a folder."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from docker.models.containers import Container
from running import APPS, Home

from harness.machine.engine import RUN_LABEL, SWITCH, Engine

BASE = os.environ.get("PYTHON_IMAGE", "python:3.13-slim-bookworm")
marks = [
    pytest.mark.docker,
    pytest.mark.slow,
    pytest.mark.alone,  # an engine is one for all, and `clean` removes what is ours from it
    pytest.mark.skipif(os.environ.get(SWITCH) == "off", reason=f"{SWITCH}=off"),
]


def labelled(engine: Engine, pid: int) -> list[str]:
    """Return the names of the containers that a harness with this pid has on the engine."""
    containers = engine.client.containers.list(all=True, filters={"label": RUN_LABEL}, ignore_removed=True)
    return [str(one.name) for one in containers if one.labels[RUN_LABEL].endswith(f".{pid}")]


@contextmanager
def foreign(engine: Engine) -> Iterator[Container]:
    """Run a container that is not ours, but named as if it were."""
    container = engine.client.containers.run(
        BASE,
        ["sleep", "600"],
        name=f"webdyno-foreign-{time.monotonic_ns()}",
        detach=True,
        network_mode="none",
    )
    try:
        yield container
    finally:
        container.remove(force=True)


def own_variant(home: Home, name: str, *options: str, requirements: str | None = None) -> None:
    """Put a variant of the tests' server into the project's folder, whole: an image holds nothing else."""
    folder = home.folder / "apps" / name
    folder.mkdir()
    shutil.copy(APPS / "server.py", folder)
    start = ["python", "{app_dir}/server.py", "--port", "{port}", *options]
    text = f'framework = "x"\nserver = "x"\ninterface = "x"\nconcurrency = "x"\nstart = {start}\n'
    if requirements is not None:
        (folder / "requirements.txt").write_text(requirements)
        text += 'requirements = "requirements.txt"\n'
    (folder / "variant.toml").write_text(text)
