"""Names that users write, looked up among those that there are."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable

from harness.ground.errors import UsageError


def choose(names: Iterable[str], known: Collection[str], kind: str) -> tuple[str, ...]:
    """Return the names without repetitions, each of which must be known.

    `kind` says what they are (`variant`, `scenario`, `suite`, ...). Raises UsageError for an unknown one.
    """
    chosen = tuple(dict.fromkeys(names))
    for name in chosen:
        if name not in known:
            raise UsageError(f"there is no {kind} {name!r}", remedy=suggestion(name, known))
    return chosen


def suggestion(name: str, known: Collection[str]) -> str:
    """Return the remedy for an unknown name: the nearest known one, else all that there are."""
    nearest = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    if nearest:
        return f"did you mean {nearest[0]}?"
    return f"known: {', '.join(sorted(known))}" if known else "none is known"
