"""What lets a SUT keep metrics: the switch, and a folder in which its workers add up their counts.

The folder is the one place that a SUT may write to. A worker's files outlive it, so it is emptied before
each start; else the counts of two starts would be summed.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.ground.errors import EnvironmentUnfit
from harness.machine.backends.launch import NOBODY
from harness.machine.custody.journal import Folder, Journal
from harness.machine.services.owner import home_for

SWITCH = "WEBDYNO_METRICS"
FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""The name that Prometheus's client for Python gives it."""


@dataclass(frozen=True, slots=True)
class Metrics:
    """A folder for metrics; no process belongs to it."""

    home: Path
    """Ours, so that a SUT can't put anything else in the folder's place."""
    name: str = "metrics"
    version: str = "1"
    origin: str = "a folder of the run"
    party: None = None

    @property
    def folder(self) -> Path:
        """Return the folder that is a SUT's."""
        return self.home / "workers"

    @property
    def variables(self) -> Mapping[str, str]:
        """Return the switch and the folder."""
        return {SWITCH: "1", FOLDER: str(self.folder)}

    @property
    def for_clients(self) -> Mapping[str, str]:
        """Return nothing: whoever may ask a SUT may ask it for its metrics."""
        return {}

    def reset(self) -> None:
        """Empty the folder; raises EnvironmentUnfit."""
        try:
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder.mkdir(mode=0o700)
            if os.geteuid() == 0:
                os.chown(self.folder, NOBODY, NOBODY)
        except OSError as error:
            raise EnvironmentUnfit(
                f"the folder for metrics can't be made: {error.strerror}",
                where=str(self.folder),
                remedy="make room there, or set TMPDIR to another folder",
            ) from error

    def stop(self) -> None:
        """Remove the folder; harmless when repeated."""
        shutil.rmtree(self.home, ignore_errors=True)


def make_metrics(journal: Journal) -> Metrics:
    """Make the folder; it is journalled before. Raises EnvironmentUnfit."""
    home = home_for(journal.run, "metrics")
    journal.note(Folder(str(home)))
    metrics = Metrics(home)
    try:
        home.mkdir(mode=0o711)
        home.chmod(0o711)  # whatever our umask
    except OSError as error:
        raise EnvironmentUnfit(
            f"the folder for metrics can't be made: {error.strerror}",
            where=str(home),
            remedy="make room there, or set TMPDIR to another folder",
        ) from error
    metrics.reset()
    return metrics
