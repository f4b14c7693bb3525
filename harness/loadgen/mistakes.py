"""An author's mistakes: what was raised in a scenario's own code, where, and how often."""

from __future__ import annotations

import logging
import os
import sysconfig
import traceback
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from types import TracebackType

from harness.ground.observations import Mistake

_log = logging.getLogger(__name__)
_FOREIGN = tuple(
    folder + os.sep
    for folder in (
        str(Path(__file__).parent),
        *(sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")),
    )
)


def place_of(trace: TracebackType | None) -> str | None:
    """Return file, line and function of the innermost code that is an author's; None where none is."""
    places = [
        f"{'/'.join(Path(frame.f_code.co_filename).parts[-2:])}:{line} in {frame.f_code.co_name}"
        for frame, line in traceback.walk_tb(trace)
        if not frame.f_code.co_filename.startswith(("<", *_FOREIGN))
    ]
    return places[-1] if places else None


def in_words(error: BaseException) -> str:
    """Return an exception in one line."""
    return f"{type(error).__name__}: {error}"


def with_place(error: BaseException) -> str:
    """Return an exception in one line, with its place where that is an author's."""
    place = place_of(error.__traceback__)
    return in_words(error) + (f" ({place})" if place else "")


class Mistakes:
    """One process's; those of one type and place are one, in the words of the first."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], Mistake] = {}

    def note(self, error: BaseException) -> None:
        """Count a mistake; log the first of its type and place with its traceback."""
        mistake = Mistake(place_of(error.__traceback__) or "?", in_words(error), 1)
        known = self._found.setdefault(_key(mistake), mistake)
        if known is mistake:
            _log.error("%s; more of these are counted, not shown", with_place(error), exc_info=error)
        else:
            self._found[_key(mistake)] = replace(known, count=known.count + 1)

    def found(self) -> tuple[Mistake, ...]:
        """Return them in the order in which each was made first."""
        return tuple(self._found.values())

    def sum_up(self) -> None:
        """Log how often each was made, and forget them."""
        for mistake in self._found.values():
            _log.error("%d × %s (%s)", mistake.count, mistake.words, mistake.place)
        self._found.clear()


def merge_mistakes(each: Iterable[Mistake]) -> tuple[Mistake, ...]:
    """Return the mistakes of several processes as those of one."""
    merged: dict[tuple[str, str], Mistake] = {}
    for mistake in each:
        known = merged.get(_key(mistake))
        merged[_key(mistake)] = (
            mistake if known is None else replace(known, count=known.count + mistake.count)
        )
    return tuple(merged.values())


def _key(mistake: Mistake) -> tuple[str, str]:
    """Return the place and the type."""
    return mistake.place, mistake.words.partition(":")[0]
