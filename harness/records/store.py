"""The run folder: written once, in order, and readable at every moment.

    results/<run-id>/run.json                 the plan and where it ran, before the first trial
                     trials/<nnn>/trial.json  one trial's record, with its logs and series beside it
                     summary.json             derived
                     manifest.json            checksums of all the others; its presence seals the run

Every file is written aside, flushed to the disk and renamed, and so is a trial's whole folder. A run is
therefore absent, incomplete, or sealed; whatever is there is whole.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

from pydantic import TypeAdapter, ValidationError

from harness.ground.errors import EnvironmentUnfit, GateFailed, UsageError
from harness.ground.histogram import Histogram, read_log
from harness.ground.model import Network, Placement, Scenario, Stage, Timing, Variant
from harness.ground.names import suggestion
from harness.ground.observations import SCHEMA, Ceiling, TrialRecord
from harness.ground.redaction import mask
from harness.ground.units import format_size
from harness.records.disk import checksum, sync, write, writing
from harness.records.possible import fault_of_place, fault_of_trial, insist_on_figures

if TYPE_CHECKING:
    import pandas as pd

RUN_ID = re.compile(r"[0-9]{8}-[0-9]{6}-[a-z0-9][a-z0-9-]{0,40}")
ROOM = 64 << 20
"""Bytes that must be free before a trial begins; one takes a few hundred thousand, its logs included."""
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
    network: Network = "host"
    equal_load: float | None = None
    """The share of the slowest's capacity that a stage after the first gives all variants; None for no such
    stage."""
    """Where the SUTs' containers were; the machine's own where there were none."""

    def ceiling(self, scenario: str) -> float | None:
        """Return the most requests/s that the generator reached with a scenario; None if not measured."""
        return next((one.requests_per_s for one in self.calibration if one.scenario == scenario), None)


_RUN = TypeAdapter(RunRecord)
_TRIAL = TypeAdapter(TrialRecord)


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
        try:
            intervals = read_log(path.read_text()) if path.exists() else ()
        except (OSError, ValueError) as error:
            raise _unreadable(path, error) from error
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
            write(folder / "run.json", _dump(_RUN, record))

    def extend(self, run: StoredRun, stage: Stage) -> StoredRun:
        """Write a later stage into `run.json`, before its first trial; return the run with it."""
        record = replace(run.record, stages=(*run.stages, stage))
        with writing(run.folder):
            write(run.folder / "run.json", _dump(_RUN, record))
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
            write(scratch / "trial.json", mask(_dump(_TRIAL, record), secrets))
            for log in scratch.glob("*.log"):
                _mask_file(log, secrets)
            for path in scratch.iterdir():
                sync(path)
            sync(scratch)
            scratch.rename(final)
            sync(final.parent)
        return StoredTrial(record, final)

    def seal(self, run_id: str, files: Mapping[str, str]) -> None:
        """Write the derived files, then the manifest, after which the run never changes."""
        folder = self.folder / run_id
        with writing(folder):
            shutil.rmtree(folder / ".trial", ignore_errors=True)
            for left in folder.glob(".*.aside"):  # by a crash
                left.unlink()
            for name, text in files.items():
                write(folder / name, text.encode())
            sums = {str(p.relative_to(folder)): checksum(p) for p in sorted(_files(folder))}
            write(folder / "manifest.json", (json.dumps({"sha256": sums}, indent=1) + "\n").encode())

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


def read_run(folder: Path) -> StoredRun:
    """Read a run's folder; raises UsageError for a file that is damaged, moved, or of another schema."""
    record = _load(_RUN, folder / "run.json", "restore it from a copy, or remove the whole folder")
    if record.schema != SCHEMA:
        raise UsageError(
            f"schema {record.schema} where {SCHEMA} was due",
            where=str(folder / "run.json"),
            remedy="use the version of webdyno that made it",
        )
    if fault := fault_of_place(record.placement):
        raise _damaged(folder / "run.json", f"is damaged: {fault}", "restore it from a copy")
    if record.id != folder.name:
        raise _damaged(folder / "run.json", f"is of the run {record.id!r}", "name the folder so again")
    trials = tuple(
        _read_trial(record, path) for path in sorted((folder / "trials").glob("[0-9][0-9][0-9]*/trial.json"))
    )
    return StoredRun(
        folder, record, trials, "sealed" if (folder / "manifest.json").is_file() else "incomplete"
    )


def _read_trial(run: RunRecord, path: Path) -> StoredTrial:
    remedy = f"restore it from a copy, or remove {path.parent}; webdyno resume {run.id} repeats that trial"
    record = _load(_TRIAL, path, remedy)
    if (record.run, f"{record.number:03d}") != (run.id, path.parent.name):
        raise _damaged(path, f"is of trial {record.number} of the run {record.run!r}", remedy)
    if fault := fault_of_trial(record):
        raise _damaged(path, f"is damaged: {fault}", remedy)
    return StoredTrial(record, path.parent)


def damaged_files(run: StoredRun) -> tuple[str, ...]:
    """Return the files of a sealed run that are missing, differ from the manifest, or are not in it.

    Raises UsageError where the manifest itself is damaged.
    """
    manifest = run.folder / "manifest.json"
    try:
        sums = dict(json.loads(manifest.read_text())["sha256"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _damaged(manifest, "can't be read", "restore it from a copy") from error
    inside = run.folder.resolve()
    damaged = (
        name
        for name, due in sums.items()
        if not (path := (run.folder / name).resolve()).is_relative_to(inside)
        or not path.is_file()
        or checksum(path) != due
    )
    added = sorted({str(path.relative_to(run.folder)) for path in _files(run.folder)} - set(sums))
    return (*damaged, *added)


def insist_on_seal(run: StoredRun) -> None:
    """Raise GateFailed where a sealed run is not what it was when it was sealed."""
    if run.state == "sealed" and (damaged := damaged_files(run)):
        raise GateFailed(f"changed since it was sealed: {', '.join(damaged)}", where=str(run.folder))


def _mask_file(path: Path, secrets: Collection[str]) -> None:
    data = path.read_bytes()
    masked = mask(data, secrets)
    if masked != data:
        write(path, masked)


def write_parquet(path: Path, table: pd.DataFrame) -> None:
    """Write a table with zstd, without pandas' own index."""
    table.to_parquet(path, compression="zstd", index=False)


def _read_parquet(path: Path) -> pd.DataFrame:
    import pandas as pd  # late: most commands need no table

    try:
        return pd.read_parquet(path) if path.exists() else pd.DataFrame()
    except (OSError, ValueError) as error:  # what pyarrow raises is a ValueError
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> UsageError:
    remedy = f"restore it from a copy, or remove {path.parent}, which resuming the run repeats"
    return _damaged(path, f"is damaged: {str(error).partition(chr(10))[0]}", remedy)


def _dump(kind: TypeAdapter[_Record], record: _Record) -> bytes:
    return kind.dump_json(record, indent=1) + b"\n"


def _load(kind: TypeAdapter[_Record], path: Path, remedy: str) -> _Record:
    try:
        text = path.read_bytes()
        record = kind.validate_json(text)
        insist_on_figures(text)
    except OSError as error:
        raise _damaged(path, f"can't be read: {error.strerror}", remedy) from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        at = "".join(f"{part}: " for part in [".".join(map(str, first["loc"]))] if part)
        raise _damaged(path, f"is damaged: {at}{first['msg']}", remedy) from error
    except ValueError as error:
        raise _damaged(path, f"is damaged: {error}", remedy) from error
    return record


def _damaged(path: Path, what: str, remedy: str) -> UsageError:
    return UsageError(what, where=str(path), remedy=remedy)


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file() and path.name != "manifest.json")
