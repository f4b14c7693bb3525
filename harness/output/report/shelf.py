"""What there is to list of all runs: their reports, those without one, and the pages of two runs.

Nothing is judged here: what a run says is in its report's `summary.json`, the rest in its `run.json`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.ground.errors import UsageError
from harness.output import wording
from harness.output.report.answers import answer, headline
from harness.output.standings import groups, labels_of
from harness.records.run import Outline, read_outline
from harness.records.store import RUN_ID, Results
from harness.records.summary_json import from_json

_BROKEN = (ValueError, LookupError, TypeError, ArithmeticError, RecursionError)
"""What a file of JSON that no run wrote may raise; whatever it is, it hides no run beside it."""
_LONGEST_NAME, _LONGEST_HEADLINE = 80, 400
"""Signs that are shown; a name that attacks the page may have thousands."""
PAGE = "index.html"
CHANGES = "changes.json"
_PAIR = re.compile(rf"({RUN_ID.pattern})\.\.({RUN_ID.pattern})")


@dataclass(frozen=True, slots=True)
class Told:
    """What a report says of its run."""

    suite: str
    headline: str
    valid: int
    """Trials, as those below."""
    trials: int
    variants: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """One run."""

    run: str
    outline: Outline | None
    """None where the run itself is not here."""
    told: Told | None
    """None where it has no report that can be read."""
    address: str | None
    """Of its report; None where there is none."""

    @property
    def began(self) -> str:
        """When, as its id has it."""
        return f"{self.run[:4]}-{self.run[4:6]}-{self.run[6:8]} {self.run[9:11]}:{self.run[11:13]} UTC"

    @property
    def state(self) -> str:
        """`sealed`, `incomplete`, or `report only` where the run itself is not here."""
        return "report only" if self.outline is None else self.outline.state

    @property
    def suite(self) -> str:
        """What was measured."""
        if self.told is not None:
            return self.told.suite
        return "" if self.outline is None else _short(self.outline.record.suite)

    @property
    def variants(self) -> tuple[str, ...]:
        """Of its report's rows, or of its plan."""
        if self.told is not None:
            return self.told.variants
        return () if self.outline is None else _names(one.id for one in self.outline.record.variants)


@dataclass(frozen=True, slots=True)
class Pair:
    """The page of two runs."""

    base: str
    new: str
    headline: str
    address: str


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A folder that nothing can be told of, and why."""

    folder: str
    why: str


@dataclass(frozen=True, slots=True)
class Shelf:
    """All that is there."""

    entries: tuple[Entry, ...]
    """The newest first."""
    pairs: tuple[Pair, ...]
    """The newest first."""
    left_out: tuple[LeftOut, ...]


def name_of_pair(base: str, new: str) -> str:
    """Return the name of the folder of two runs' page: none that a run could have."""
    return f"{base}..{new}"


def found_in(reports: Path, results: Results) -> Shelf:
    """Look through the folders of reports and of runs."""
    left: list[LeftOut] = []
    outlines: dict[str, Outline] = {}
    told: dict[str, Told] = {}
    pairs: list[Pair] = []
    known = set(results.ids())
    for folder in (*_folders(results.folder), *_folders(reports)):
        try:
            if folder.parent == reports:
                _take(folder, told, pairs)
            elif folder.name in known:
                outlines[folder.name] = read_outline(folder)
            else:
                left.append(_left_out(folder, "is no run"))
        except UsageError as error:
            left.append(_left_out(folder, f"{Path(error.where or '').name} {error.what}"))
        except OSError as error:
            left.append(_left_out(folder, f"can't be read: {error.strerror}"))
        except _BROKEN as error:
            left.append(_left_out(folder, f"can't be read: {error or type(error).__name__}"))
    runs = sorted({*outlines, *told}, reverse=True)
    return Shelf(
        entries=tuple(Entry(run, outlines.get(run), told.get(run), _address(reports / run)) for run in runs),
        pairs=tuple(sorted(pairs, key=lambda pair: (pair.new, pair.base), reverse=True)),
        left_out=tuple(left),
    )


def _folders(of: Path) -> Iterator[Path]:
    """Yield the folders inside one in order, without hidden ones."""
    if of.is_dir():
        yield from sorted(one for one in of.iterdir() if one.is_dir() and not one.name.startswith("."))


def _take(folder: Path, told: dict[str, Told], pairs: list[Pair]) -> None:
    """Read a folder of reports; raises UsageError where it is none of ours."""
    if RUN_ID.fullmatch(folder.name):
        told[folder.name] = _told(folder)
    elif found := _PAIR.fullmatch(folder.name):
        pairs.append(_pair(folder, *found.groups()))
    else:
        raise UsageError("is not named as a run")


def _told(folder: Path) -> Told:
    path = folder / "summary.json"
    summary = from_json(_text(path), path.name)
    if summary.run != folder.name:
        raise UsageError(f"is of the run {summary.run!r}", where=path.name)
    return Told(
        suite=_short(summary.suite),
        headline=_short(headline([answer(group) for group in groups(summary)]), _LONGEST_HEADLINE),
        valid=sum(cell.valid_trials for cell in summary.cells),
        trials=sum(cell.trials for cell in summary.cells),
        variants=_names(labels_of(summary)),
    )


def _pair(folder: Path, base: str, new: str) -> Pair:
    path = folder / CHANGES
    found = json.loads(_text(path))
    if not isinstance(found, dict) or not isinstance(found.get("headline"), str):
        raise UsageError("has no headline", where=path.name)
    address = _address(folder)
    if address is None:
        raise UsageError("is not there", where=PAGE)
    return Pair(base, new, _short(found["headline"], _LONGEST_HEADLINE), address)


def _text(path: Path) -> str:
    if not path.is_file():  # what is no file, such as a pipe, might never end
        raise UsageError("is not there", where=path.name)
    return path.read_text(encoding="utf-8")


def _address(folder: Path) -> str | None:
    return f"{folder.name}/{PAGE}" if (folder / PAGE).is_file() else None


def _names(labels: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(map(_short, labels)))


def _short(text: str, most: int = _LONGEST_NAME) -> str:
    return wording.shortened(wording.plain(text), most)


def _left_out(folder: Path, why: str) -> LeftOut:
    return LeftOut(
        wording.plain(f"{folder.parent.name}/{folder.name}"), _short(why.strip(), _LONGEST_HEADLINE)
    )
