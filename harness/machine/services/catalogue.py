"""Which backing services there are, by the names that scenarios ask for them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from harness.ground.names import choose
from harness.machine.backends.backend import Backend, Party
from harness.machine.custody.journal import Journal
from harness.machine.services.postgres import start_postgres
from harness.machine.services.postgres_database import VARIABLE


class Service(Protocol):
    """A backing service that runs."""

    name: str
    version: str
    origin: str
    party: Party | None
    """Its processes; None where they are not ours to see."""

    @property
    def variables(self) -> Mapping[str, str]:
        """What a SUT's environment must hold; values may be secret."""

    def stop(self) -> None:
        """End it and remove what it made; harmless when repeated."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a service is started with."""

    backend: Backend
    journal: Journal
    cpus: tuple[int, ...]
    """The CPUs that services may run on; all of ours where empty."""
    logs: Path
    """The folder in which each service writes `<name>.log`."""


def _postgres(around: Surroundings) -> Service:
    return start_postgres(
        around.backend,
        around.journal,
        cpus=around.cpus,
        log=around.logs / "postgres.log",
        url=os.environ.get(VARIABLE) or None,
    )


STARTERS: Mapping[str, Callable[[Surroundings], Service]] = {"postgres": _postgres}


def start_services(names: Iterable[str], around: Surroundings) -> tuple[Service, ...]:
    """Start services by name, once each; where one can't be, those before it are stopped again.

    Raises UsageError for an unknown name, before any is started, and EnvironmentUnfit.
    """
    started: list[Service] = []
    try:
        started.extend(STARTERS[name](around) for name in choose(names, STARTERS, "service"))
    except BaseException:
        for service in reversed(started):
            service.stop()
        raise
    return tuple(started)
