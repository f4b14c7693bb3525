"""A run as it lies on disk: its plan and place, its trials' records, series and samples, read and checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import TypeAdapter, ValidationError

from harness.ground.errors import UsageError
from harness.ground.histogram import Histogram, read_window
from harness.ground.model import Load, Network, Placement, PlannedTrial, Scenario, Stage, Timing, Variant
from harness.ground.observations import SCHEMA, Ceiling, TrialRecord
from harness.records.possible import fault_of_caps, fault_of_place, fault_of_trial, insist_on_figures
from harness.records.seal import is_sealed

FLAMES = "flames"
"""The folder of a run's flame graphs."""
State = Literal["sealed", "incomplete"]
_Record = TypeVar("_Record")
Columns = Mapping[str, Sequence[Any]]
"""A stored table, column by column; None was not measured."""


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
    """Where the SUTs' containers were; the machine's own where there were none."""
    equal_load: float | None = None
    """The share of the slowest's capacity that a stage after the first gives all variants; None for none."""
    own_shares: tuple[float, ...] = ()
    """The shares of its own capacity that such a stage gives each variant."""
    apps: tuple[str, ...] = ()
    """The further folders of variants and scenarios that it was begun with, by their absolute paths."""
    flame: bool = False
    """Whether flame graphs were asked for."""

    @property
    def planned(self) -> int:
        """The number of trials that the plan has."""
        return sum(len(stage.trials) for stage in self.stages)

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

    def series(self, *columns: str) -> Columns:
        """Return the load second by second; `second` 0 is the window's first. Empty without a window.

        All columns unless some are named, which is quicker.
        """
        return _read_parquet(self.folder / "series.parquet", columns)

    def samples(self, *columns: str) -> Columns:
        """Return the samples of all parties; `at_s` 0 is the window's start. Empty without a window.

        All columns unless some are named, which is quicker.
        """
        return _read_parquet(self.folder / "samples.parquet", columns)

    def histogram(self, tag: str) -> Histogram:
        """Return the window's times; the tag is `response` or `service`."""
        path = self.folder / "latency.hlog"
        try:
            return read_window(path.read_text(), tag)
        except FileNotFoundError:
            return read_window("", tag)
        except (OSError, ValueError) as error:
            raise _unreadable(path, error) from error


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

    def placement_of(self, name: str) -> Placement:
        """Return where a variant of the run was, under its own cap where it has one."""
        known = (variant for variant in self.variants if variant.id == name)
        return next(map(self.placement.of, known), self.placement)

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
        """As in `run.json`."""
        return self.record.planned

    @property
    def missing(self) -> tuple[int, ...]:
        """The numbers of the planned trials that are not there."""
        there = {trial.record.number for trial in self.trials}
        return tuple(t.number for s in self.stages for t in s.trials if t.number not in there)

    @property
    def flames(self) -> Mapping[int, Path]:
        """The flame graphs that there are, by the number of the first trial of their cell."""
        graphs = sorted((self.folder / FLAMES).glob("[0-9]*.svg"))
        return {int(path.stem): path for path in graphs if path.stem.isdecimal()}

    @property
    def flames_due(self) -> tuple[PlannedTrial, ...]:
        """The first trial of each cell, twins left out, whose flame graph was asked for and is not there."""
        if not self.record.flame:
            return ()
        python = {variant.id for variant in self.variants if variant.language == "Python"}
        planned = (trial for stage in self.stages for trial in stage.trials)
        firsts: dict[tuple[str, str, Load], PlannedTrial] = {}
        for trial in planned:
            cell = trial.cell
            if cell.variant in python and not cell.replica:
                firsts.setdefault((cell.scenario, cell.variant, cell.load), trial)
        return tuple(trial for trial in firsts.values() if trial.number not in self.flames)


@dataclass(frozen=True, slots=True)
class Outline:
    """What is quickly known of a run: all but what its trials hold."""

    record: RunRecord
    stored: int
    """Trials that are there."""
    state: State


def encoded(record: RunRecord | TrialRecord) -> bytes:
    """Return a record as its file has it."""
    if isinstance(record, RunRecord):
        return _RUN.dump_json(record, indent=1) + b"\n"
    return _TRIAL.dump_json(record, indent=1) + b"\n"


def read_run(folder: Path) -> StoredRun:
    """Read a run's folder; raises UsageError for a file that is damaged, moved, or of another schema."""
    record = _read_record(folder)
    return StoredRun(
        folder, record, tuple(_read_trial(record, path) for path in _trial_paths(folder)), _state(folder)
    )


def read_outline(folder: Path) -> Outline:
    """Read what a run's folder has beside its trials; raises UsageError as `read_run` does."""
    return Outline(_read_record(folder), len(_trial_paths(folder)), _state(folder))


def _read_record(folder: Path) -> RunRecord:
    record = _load(_RUN, folder / "run.json", "restore it from a copy, or remove the whole folder")
    if record.schema != SCHEMA:
        raise UsageError(
            f"schema {record.schema} where {SCHEMA} was due",
            where=str(folder / "run.json"),
            remedy="use the version of webdyno that made it",
        )
    if fault := fault_of_place(record.placement) or fault_of_caps(record.placement, record.variants):
        raise _damaged(folder / "run.json", f"is damaged: {fault}", "restore it from a copy")
    if record.id != folder.name:
        raise _damaged(folder / "run.json", f"is of the run {record.id!r}", "name the folder so again")
    return record


def _trial_paths(folder: Path) -> list[Path]:
    return sorted((folder / "trials").glob("[0-9][0-9][0-9]*/trial.json"))


def _state(folder: Path) -> State:
    return "sealed" if is_sealed(folder) else "incomplete"


def _read_trial(run: RunRecord, path: Path) -> StoredTrial:
    remedy = f"restore it from a copy, or remove {path.parent}; webdyno resume {run.id} repeats that trial"
    record = _load(_TRIAL, path, remedy)
    if (record.run, f"{record.number:03d}") != (run.id, path.parent.name):
        raise _damaged(path, f"is of trial {record.number} of the run {record.run!r}", remedy)
    if fault := fault_of_trial(record):
        raise _damaged(path, f"is damaged: {fault}", remedy)
    return StoredTrial(record, path.parent)


def _read_parquet(path: Path, columns: Sequence[str]) -> Columns:
    """Return a table's columns; one that is asked for and was not stored yet is None throughout.

    Without pandas, whose frames cost ten times as much as the reading.
    """
    from pyarrow import BufferReader  # late: most commands need no table
    from pyarrow.parquet import ParquetFile

    try:
        file = ParquetFile(BufferReader(path.read_bytes()))
        asked = list(columns) or None
        read: dict[str, list[Any]] = file.read(columns=asked, use_threads=False).to_pydict()
    except FileNotFoundError:
        return dict.fromkeys(columns, ())
    except (OSError, ValueError) as error:  # what pyarrow raises is a ValueError
        raise _unreadable(path, error) from error
    return read | {name: [None] * file.metadata.num_rows for name in columns if name not in read}


def _unreadable(path: Path, error: Exception) -> UsageError:
    remedy = f"restore it from a copy, or remove {path.parent}, which resuming the run repeats"
    return _damaged(path, f"is damaged: {str(error).partition(chr(10))[0]}", remedy)


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
