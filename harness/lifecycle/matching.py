"""Comparing JSON with an expectation that may leave parts open.

An expectation is JSON in which `"<string>"`, `"<int>"`, `"<utc-time>"`, `"<jwt>"` and `"<any>"` stand for
values of that kind, and `{"<each>": X, "<length>": N, "<ascending>": "key", "<first>": Y}` for a list of N
objects like X in the order of a key, the first of which is Y. Everything else must be equal in value and
type; the order of keys means nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

_UTC_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00", re.ASCII)
_JWT = re.compile(r"[\w-]+\.[\w-]+\.[\w-]+", re.ASCII)

_OPEN: Mapping[str, Callable[[Any], bool]] = {
    "<string>": lambda value: isinstance(value, str),
    "<int>": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "<utc-time>": lambda value: isinstance(value, str) and _UTC_TIME.fullmatch(value) is not None,
    "<jwt>": lambda value: isinstance(value, str) and _JWT.fullmatch(value) is not None,
    "<any>": lambda _: True,
}


def differences(due: Any, seen: Any, at: str = "body") -> list[str]:  # noqa: ANN401 - any JSON
    """Return a line for each place where `seen` is not what `due` asks for; none where it is."""
    if isinstance(due, str) and due in _OPEN:
        return [] if _OPEN[due](seen) else [f"{at}: {due} due, {_short(seen)} seen"]
    if isinstance(due, dict) and "<each>" in due:
        return _differences_in_list(due, seen, at)
    if isinstance(due, dict) and isinstance(seen, dict):
        return _differences_in_object(due, seen, at)
    if isinstance(due, list) and isinstance(seen, list):
        return _differences_in_items(due, seen, at)
    same = due == seen and type(due) is type(seen)  # True == 1 == 1.0 in Python, not in JSON
    return [] if same else [f"{at}: {_short(due)} due, {_short(seen)} seen"]


def _differences_in_object(due: dict[str, Any], seen: dict[str, Any], at: str) -> list[str]:
    found = [f"{at}.{key}: due, missing" for key in due.keys() - seen.keys()]
    found += [f"{at}.{key}: not due, {_short(seen[key])} seen" for key in seen.keys() - due.keys()]
    for key in due.keys() & seen.keys():
        found += differences(due[key], seen[key], f"{at}.{key}")
    return sorted(found)


def _differences_in_items(due: list[Any], seen: list[Any], at: str) -> list[str]:
    if len(due) != len(seen):
        return [f"{at}: {_short(due)} due, {_short(seen)} seen"]
    return [
        line
        for n, pair in enumerate(zip(due, seen, strict=True))
        for line in differences(*pair, f"{at}[{n}]")
    ]


def _differences_in_list(due: dict[str, Any], seen: Any, at: str) -> list[str]:  # noqa: ANN401 - any JSON
    if not isinstance(seen, list):
        return [f"{at}: a list due, {_short(seen)} seen"]
    found = []
    if len(seen) != due["<length>"]:
        found.append(f"{at}: {due['<length>']} items due, {len(seen)} seen")
    for number, item in enumerate(seen):
        found += differences(due["<each>"], item, f"{at}[{number}]")
    if "<first>" in due and seen:
        found += differences(due["<first>"], seen[0], f"{at}[0]")
    key = due.get("<ascending>")
    if key is not None and not found and any(a[key] > b[key] for a, b in pairwise(seen)):
        found.append(f"{at}: items in the order of {key} due, another order seen")
    return found[:5]  # a hundred rows wrong in the same way are one mistake


def _short(value: Any) -> str:  # noqa: ANN401 - any JSON
    text = repr(value)
    return text if len(text) <= 160 else f"{text[:160]}…"
