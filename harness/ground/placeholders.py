"""Placeholders such as `{port}` in an argument list; `{{` and `}}` stand for braces."""

from __future__ import annotations

import string
from collections.abc import Collection, Mapping

from harness.ground.errors import UsageError
from harness.ground.names import suggestion


def names(text: str) -> list[str]:
    """Return the placeholders of a text; raises ValueError for a stray brace."""
    return [name for _, name in _pieces(text) if name is not None]


def fill(text: str, values: Mapping[str, str]) -> str:
    """Return the text with every placeholder replaced once; values are not read for placeholders again."""
    return "".join(literal + ("" if name is None else values[name]) for literal, name in _pieces(text))


def check(text: str, known: Collection[str], where: str) -> None:
    """Raise UsageError for a stray brace or an unknown placeholder; `where` names the file and key."""
    try:
        found = names(text)
    except ValueError as error:
        raise UsageError(
            f"{text!r} has a stray brace: {error}", where=where, remedy="write {{ and }} for braces"
        ) from error
    for name in found:
        if name not in known:
            raise UsageError(f"{{{name}}} is not a placeholder", where=where, remedy=suggestion(name, known))


def _pieces(text: str) -> list[tuple[str, str | None]]:
    """Split a text into literals, each with the placeholder after it; a format or conversion stays in it."""
    return [
        (
            literal,
            None if name is None else name + (f"!{mark}" if mark else "") + (f":{form}" if form else ""),
        )
        for literal, name, form, mark in string.Formatter().parse(text)
    ]
