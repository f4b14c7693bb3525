"""Starts Locust on a scenario, listens to what it tells, and reads what it wrote."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import TypeAdapter

import harness
from harness.ground.errors import EnvironmentUnfit
from harness.ground.model import Load, Scenario, Timing
from harness.ground.observations import Assignment, GeneratorRecord
from harness.ground.process import Command, last_lines
from harness.machine.backends.backend import Backend, Confinement, Party

if TYPE_CHECKING:
    import pandas as pd

ASSIGNMENT = "WEBDYNO_ASSIGNMENT"
_PACKAGE_PARENT = Path(harness.__file__).resolve().parent.parent
_INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "SSL_CERT_FILE")


@dataclass(frozen=True, slots=True)
class Told:
    """One line of what the generator tells while it runs."""

    event: str
    facts: dict[str, object]


def locust_command(
    scenario: Scenario,
    base_url: str,
    assignment: Assignment | None,
    log: Path,
    *,
    users: int = 1,
    variables: Mapping[str, str] | None = None,
) -> Command:
    """Return the command that runs Locust on a scenario, without its web UI.

    `variables` join its environment. With an assignment its file is written to its folder; without one,
    `users` loop until they are ended.
    """
    processes = 1
    environment = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    environment |= {**(variables or {}), "PYTHONPATH": str(_PACKAGE_PARENT), "PYTHONUNBUFFERED": "1"}
    if assignment is not None:
        users, processes = assignment.load.users, assignment.processes
        order = Path(assignment.folder) / "assignment.json"
        order.write_bytes(TypeAdapter(Assignment).dump_json(assignment))
        environment[ASSIGNMENT] = str(order)
    argv = (
        *(sys.executable, "-m", "locust", "-f", scenario.path, "-H", base_url, "--headless"),
        *("-u", str(users), "-r", str(users), "--loglevel", "WARNING", "--only-summary", "--skip-log-setup"),
        *(("--processes", str(processes)) if processes > 1 else ()),
    )
    return Command(argv, cwd=str(log.parent), env=environment, log=str(log))


class Generator:
    """A generator that runs; end it with `stop`."""

    def __init__(
        self,
        backend: Backend,
        scenario: Scenario,
        load: Load,
        timing: Timing,
        *,
        base_url: str,
        variables: Mapping[str, str],
        cpus: tuple[int, ...],
        seed: int,
        folder: Path,
        log: Path,
    ) -> None:
        """Start Locust as a party named `generator`; `folder` takes its files.

        `variables` are what the services tell their clients.
        """
        self._folder = folder
        self._log = log
        self._offset = 0
        assignment = Assignment(load, timing, seed, max(1, len(cpus)), str(folder))
        command = locust_command(scenario, base_url, assignment, log, variables=variables)
        self.party: Party = backend.start(Confinement("generator", command, cpus, None, unprivileged=False))

    def listen(self) -> tuple[Told, ...]:
        """Return what it has told since the last call."""
        try:
            with open(self._folder / "events.jsonl", "rb") as file:
                file.seek(self._offset)
                data = file.read()
        except FileNotFoundError:
            return ()
        whole = data[: data.rfind(b"\n") + 1]
        self._offset += len(whole)
        lines = (json.loads(line) for line in whole.splitlines())
        return tuple(Told(line.pop("event"), line) for line in lines)

    def has_ended(self) -> bool:
        """Tell whether its process has ended."""
        return self.party.look().exit is not None

    def why(self) -> str:
        """Return the last lines of its log."""
        return last_lines(self._log)

    def record(self) -> GeneratorRecord:
        """Return what it wrote at its end; raises EnvironmentUnfit where that is not there or damaged."""
        path = self._folder / "load.json"
        try:
            return TypeAdapter(GeneratorRecord).validate_json(path.read_bytes())
        except (OSError, ValueError) as error:
            raise EnvironmentUnfit(
                f"the generator left no record: {error}", where=str(path), log=self.why()
            ) from error

    def series(self) -> pd.DataFrame:
        """Return the per-second series that it wrote."""
        import pandas as pd  # late: a run that ends early needs no table

        return pd.read_json(self._folder / "series.jsonl", lines=True)

    def stop(self) -> None:
        """End it."""
        self.party.stop(grace_s=1.0)
