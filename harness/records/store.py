"""The run folder: written once, in order, and readable at every moment.

    results/<run-id>/run.json                 the plan and where it ran, before the first trial
                     trials/<nnn>/trial.json  one trial's record, with its logs and series beside it
                     summary.json             derived
                     manifest.json            checksums of all the others; its presence seals the run

Every file is written aside, flushed to the disk and renamed, and so is a trial's whole folder. A run is
therefore absent, incomplete, or sealed; whatever is there is whole.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from harness.ground.errors import EnvironmentUnfit, UsageError
from harness.ground.model import Stage
from harness.ground.names import suggestion
from harness.ground.observations import TrialRecord
from harness.ground.redaction import mask
from harness.ground.units import format_size
from harness.records.disk import sync, write, writing
from harness.records.run import FLAMES, RunRecord, StoredRun, StoredTrial, encoded, read_run
from harness.records.seal import seal

if TYPE_CHECKING:
    import pandas as pd

RUN_ID = re.compile(r"[0-9]{8}-[0-9]{6}-[a-z0-9][a-z0-9-]{0,40}")
ROOM = 64 << 20
"""Bytes that must be free before a trial begins; one takes a few hundred thousand, its logs included."""


@dataclass(frozen=True, slots=True)
class Results:
    """The folder of all runs."""

    folder: Path

    def new_id(self, suite: str, now: datetime) -> str:
        """Return an id that no run has: the UTC time and the suite's name."""
        name = re.sub(r"[^a-z0-9]+", "-", suite.lower()).strip("-")[:30] or "run"
        base = f"{now:%Y%m%d-%H%M%S}-{name}"
        taken = (f"{base}-{n}" for n in range(2, 1000))
        return next(i for i in (base, *taken) if not (self.folder / i).exists())

    def insist_on_room(self) -> None:
        """Raise EnvironmentUnfit where the folder can't be written, or another trial would not fit in."""
        probe = self.folder / ".probe"
        with writing(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            probe.touch()
            probe.unlink()
            free = shutil.disk_usage(self.folder).free
        if free < ROOM:
            raise EnvironmentUnfit(
                f"{format_size(free)} are free, {format_size(ROOM)} are needed for the next trial",
                where=str(self.folder),
                remedy="make room there, or choose another folder with --results",
            )

    def begin(self, record: RunRecord) -> None:
        """Write `run.json`; raises EnvironmentUnfit where the disk does not take it."""
        folder = self.folder / record.id
        with writing(folder):
            (folder / "trials").mkdir(parents=True)
            write(folder / "run.json", encoded(record))

    def extend(self, run: StoredRun, stage: Stage) -> StoredRun:
        """Write a later stage into `run.json`, before its first trial; return the run with it."""
        record = replace(run.record, stages=(*run.stages, stage))
        with writing(run.folder):
            write(run.folder / "run.json", encoded(record))
        return replace(run, record=record)

    def scratch(self, run_id: str) -> Path:
        """Return an empty folder inside the run for a trial that is going on.

        Raises EnvironmentUnfit where there is no room for a trial.
        """
        self.insist_on_room()
        folder = self.folder / run_id / ".trial"
        with writing(folder):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
        return folder

    def keep(self, record: TrialRecord, scratch: Path, secrets: Collection[str] = ()) -> StoredTrial:
        """Persist a trial: its record joins the files in `scratch`, which takes its final name.

        What is in `secrets` is masked in the record and the logs, whoever wrote it there. Raises
        EnvironmentUnfit where the disk does not take it.
        """
        final = scratch.parent / "trials" / f"{record.number:03d}"
        with writing(final):
            write(scratch / "trial.json", mask(encoded(record), secrets))
            for log in scratch.glob("*.log"):
                _mask_file(log, secrets)
            for path in scratch.iterdir():
                sync(path)
            sync(scratch)
            scratch.rename(final)
            sync(final.parent)
        return StoredTrial(record, final)

    def keep_flame(self, run_id: str, number: int, graph: Path) -> None:
        """Persist the flame graph of the cell whose first trial has this number."""
        final = self.folder / run_id / FLAMES / f"{number:03d}.svg"
        with writing(final.parent):
            final.parent.mkdir(exist_ok=True)
            sync(graph)
            graph.rename(final)

    def seal(self, run_id: str, files: Mapping[str, str]) -> None:
        """Write the derived files, then the manifest, after which the run never changes."""
        folder = self.folder / run_id
        with writing(folder):
            shutil.rmtree(folder / ".trial", ignore_errors=True)
            for left in folder.glob(".*.aside"):  # by a crash
                left.unlink()
            for name, text in files.items():
                write(folder / name, text.encode())
            seal(folder)

    def ids(self) -> tuple[str, ...]:
        """Return the ids of all runs, the newest last."""
        if not self.folder.is_dir():
            return ()
        found = (p.name for p in self.folder.iterdir() if RUN_ID.fullmatch(p.name))
        return tuple(sorted(name for name in found if (self.folder / name / "run.json").is_file()))

    def find(self, name: str) -> StoredRun:
        """Return a run by its id, its folder, or `latest`; raises UsageError where there is none."""
        ids = self.ids()
        if name == "latest":
            if not ids:
                raise UsageError("there is no run yet", where=str(self.folder), remedy="try: webdyno run")
            name = ids[-1]
        folder = Path(name).resolve() if "/" in name else self.folder / name
        if not RUN_ID.fullmatch(folder.name) or not (folder / "run.json").is_file():
            raise UsageError(
                f"there is no run {name!r}", where=str(self.folder), remedy=suggestion(name, ids)
            )
        return read_run(folder)


def _mask_file(path: Path, secrets: Collection[str]) -> None:
    data = path.read_bytes()
    masked = mask(data, secrets)
    if masked != data:
        write(path, masked)


def write_parquet(path: Path, table: pd.DataFrame) -> None:
    """Write a table with zstd, without pandas' own index."""
    table.to_parquet(path, compression="zstd", index=False)
