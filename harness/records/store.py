"""The run folder: written once, in order, and readable at every moment.

    results/<run-id>/run.json                 the plan and where it ran, before the first trial
                     trials/<nnn>/trial.json  one trial's record, with its logs and series beside it
                     summary.json             derived
                     manifest.json            checksums of all the others; its presence seals the run

Every file is written aside, flushed to the disk and renamed, and so is a trial's whole folder. A run is
therefore absent, incomplete, or sealed; whatever is there is whole.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

from pydantic import TypeAdapter, ValidationError

from harness.ground.errors import EnvironmentUnfit, UsageError
from harness.ground.histogram import Histogram, read_log
from harness.ground.model import Placement, Scenario, Stage, Timing, Variant
from harness.ground.names import suggestion
from harness.ground.observations import SCHEMA, Ceiling, TrialRecord

if TYPE_CHECKING:
    import pandas as pd

RUN_ID = re.compile(r"[0-9]{8}-[0-9]{6}-[a-z0-9][a-z0-9-]{0,40}")
State = Literal["sealed", "incomplete"]
_Record = TypeVar("_Record")


@dataclass(frozen=True, slots=True)
class RunRecord:
    """`run.json`: the plan of a run and the place where it was carried out."""

    schema: int
    id: str
    suite: str
    started: str
    """UTC, ISO 8601."""
    command: str
    """The command line that began it."""
    backend: str
    seed: int
    blocks: int
    timing: Timing
    placement: Placement
    stages: tuple[Stage, ...]
    variants: tuple[Variant, ...]
    scenarios: tuple[Scenario, ...]
    services: Mapping[str, str]
    """Each backing service's version and origin."""
    fingerprint: Mapping[str, object]
    calibration: tuple[Ceiling, ...] = ()
    """The generator's ceiling with each scenario, measured before the first trial."""

    def ceiling(self, scenario: str) -> float | None:
        """Return the most requests/s that the generator reached with a scenario; None if not measured."""
        return next((one.requests_per_s for one in self.calibration if one.scenario == scenario), None)


@dataclass(frozen=True, slots=True)
class StoredTrial:
    """A persisted trial."""

    record: TrialRecord
    folder: Path

    def series(self) -> pd.DataFrame:
        """Return the load second by second; `second` 0 is the window's first. Empty without a window."""
        return _read_parquet(self.folder / "series.parquet")

    def samples(self) -> pd.DataFrame:
        """Return the samples of all parties; `at_s` 0 is the window's start. Empty without a window."""
        return _read_parquet(self.folder / "samples.parquet")

    def histogram(self, tag: str) -> Histogram:
        """Return the window's times; the tag is `response` or `service`."""
        path = self.folder / "latency.hlog"
        intervals = read_log(path.read_text()) if path.exists() else ()
        return Histogram.merge(
            i.histogram for i in intervals if i.tag.split(".")[0] == tag and i.start_s >= 0
        )


@dataclass(frozen=True, slots=True)
class StoredRun:
    """A run as it lies on disk."""

    folder: Path
    record: RunRecord
    trials: tuple[StoredTrial, ...]
    state: State

    @property
    def id(self) -> str:
        """As in `run.json`."""
        return self.record.id

    @property
    def suite(self) -> str:
        """As in `run.json`."""
        return self.record.suite

    @property
    def blocks(self) -> int:
        """As in `run.json`."""
        return self.record.blocks

    @property
    def timing(self) -> Timing:
        """As in `run.json`."""
        return self.record.timing

    @property
    def placement(self) -> Placement:
        """As in `run.json`."""
        return self.record.placement

    @property
    def stages(self) -> tuple[Stage, ...]:
        """As in `run.json`."""
        return self.record.stages

    @property
    def variants(self) -> tuple[Variant, ...]:
        """As in `run.json`."""
        return self.record.variants

    @property
    def seed(self) -> int:
        """As in `run.json`."""
        return self.record.seed

    @property
    def fingerprint(self) -> Mapping[str, object]:
        """As in `run.json`."""
        return self.record.fingerprint

    @property
    def planned(self) -> int:
        """The number of trials that the plan has."""
        return sum(len(stage.trials) for stage in self.stages)

    @property
    def missing(self) -> tuple[int, ...]:
        """The numbers of the planned trials that are not there."""
        there = {trial.record.number for trial in self.trials}
        return tuple(t.number for s in self.stages for t in s.trials if t.number not in there)


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

    def begin(self, record: RunRecord) -> None:
        """Write `run.json`; raises EnvironmentUnfit where the disk does not take it."""
        folder = self.folder / record.id
        with _writing(folder):
            (folder / "trials").mkdir(parents=True)
            write(folder / "run.json", _dump(RunRecord, record))

    def scratch(self, run_id: str) -> Path:
        """Return an empty folder inside the run for a trial that is going on."""
        folder = self.folder / run_id / ".trial"
        with _writing(folder):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
        return folder

    def keep(self, record: TrialRecord, scratch: Path) -> StoredTrial:
        """Persist a trial: its record joins the files in `scratch`, which takes its final name.

        Raises EnvironmentUnfit where the disk does not take it.
        """
        final = scratch.parent / "trials" / f"{record.number:03d}"
        with _writing(final):
            write(scratch / "trial.json", _dump(TrialRecord, record))
            for path in scratch.iterdir():
                _sync(path)
            _sync(scratch)
            scratch.rename(final)
            _sync(final.parent)
        return StoredTrial(record, final)

    def seal(self, run_id: str, files: Mapping[str, str]) -> None:
        """Write the derived files, then the manifest, after which the run never changes."""
        folder = self.folder / run_id
        with _writing(folder):
            shutil.rmtree(folder / ".trial", ignore_errors=True)
            for name, text in files.items():
                write(folder / name, text.encode())
            sums = {str(p.relative_to(folder)): _checksum(p) for p in sorted(_files(folder))}
            write(folder / "manifest.json", (json.dumps({"sha256": sums}, indent=1) + "\n").encode())

    def ids(self) -> tuple[str, ...]:
        """Return the ids of all runs, the newest last."""
        if not self.folder.is_dir():
            return ()
        return tuple(sorted(p.name for p in self.folder.iterdir() if (p / "run.json").is_file()))

    def find(self, name: str) -> StoredRun:
        """Return a run by its id, its folder, or `latest`; raises UsageError where there is none."""
        ids = self.ids()
        if name == "latest":
            if not ids:
                raise UsageError("there is no run yet", where=str(self.folder), remedy="try: webdyno run")
            name = ids[-1]
        folder = Path(name) if "/" in name else self.folder / name
        if not RUN_ID.fullmatch(folder.name) or not (folder / "run.json").is_file():
            raise UsageError(
                f"there is no run {name!r}", where=str(self.folder), remedy=suggestion(name, ids)
            )
        return read_run(folder)


def read_run(folder: Path) -> StoredRun:
    """Read a run's folder; raises UsageError for a file that is damaged or of another schema."""
    record = _load(RunRecord, folder / "run.json")
    if record.schema != SCHEMA:
        raise UsageError(f"schema {record.schema} where {SCHEMA} was due", where=str(folder / "run.json"))
    trials = tuple(
        StoredTrial(_load(TrialRecord, path), path.parent)
        for path in sorted((folder / "trials").glob("[0-9][0-9][0-9]*/trial.json"))
    )
    return StoredRun(
        folder, record, trials, "sealed" if (folder / "manifest.json").is_file() else "incomplete"
    )


def damaged_files(run: StoredRun) -> tuple[str, ...]:
    """Return the files of a sealed run that are missing or differ from the manifest."""
    sums = json.loads((run.folder / "manifest.json").read_text())["sha256"]
    inside = run.folder.resolve()
    return tuple(
        name
        for name, due in sums.items()
        if not (path := (run.folder / name).resolve()).is_relative_to(inside)
        or not path.is_file()
        or _checksum(path) != due
    )


def write(path: Path, data: bytes) -> None:
    """Write a file aside, flush it to the disk, and rename it into place."""
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    with open(aside, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    aside.rename(path)
    _sync(path.parent)


def write_parquet(path: Path, table: pd.DataFrame) -> None:
    """Write a table with zstd, without pandas' own index."""
    table.to_parquet(path, compression="zstd", index=False)


def _read_parquet(path: Path) -> pd.DataFrame:
    import pandas as pd  # late: most commands need no table

    return pd.read_parquet(path) if path.exists() else pd.DataFrame()


def _dump(kind: type[_Record], record: _Record) -> bytes:
    return TypeAdapter(kind).dump_json(record, indent=1) + b"\n"


def _load(kind: type[_Record], path: Path) -> _Record:
    try:
        return TypeAdapter(kind).validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise UsageError(f"can't be read: {error}", where=str(path)) from error


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file() and path.name != "manifest.json")


def _checksum(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class _writing:  # noqa: N801 - reads as a verb: with _writing(folder)
    """Turns a disk's refusal into the user's message."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError):
            raise EnvironmentUnfit(
                f"can't be written: {error.strerror}",
                where=str(self._path),
                remedy="make room, or choose another folder with --results; then: webdyno resume",
            ) from error
