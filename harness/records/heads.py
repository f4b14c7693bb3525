"""The heads of scenario files: what they need and drive, read from the source and never run.

Running one would import Locust, which patches the standard library.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.ground.errors import UsageError
from harness.ground.model import Scenario
from harness.records.loads import MOST_USERS

_SCENARIO_ID = re.compile(r"[a-z][a-z0-9_-]*")
_ENDPOINT = re.compile(r"(GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS) /\S*")


def load_scenario(path: Path) -> Scenario:
    """Read the head of one scenario.

    Raises UsageError, with file and line, where it is no literal or the file shadows a standard module.
    """
    check_scenario_name(path.stem, str(path))
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    except SyntaxError as error:
        raise UsageError(f"is not Python: {error.msg}", where=f"{path}:{error.lineno or 1}") from error
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise UsageError(f"can't be read: {error}", where=str(path)) from error
    head = {name: (node, value) for name, node, value in _literals(tree, path)}

    def read(name: str) -> Any:  # noqa: ANN401 - whatever the name's reader makes of it
        """Return what a name stands for, its default where it is not there."""
        default, reader, example = _NAMES[name]
        if name not in head:
            return default
        node, value = head[name]
        try:
            return reader(value)
        except (TypeError, ValueError):
            raise _no_literal(path, node, name, example) from None

    return Scenario(
        id=path.stem,
        path=str(path),
        services=read("NEEDS"),
        endpoints=read("ENDPOINTS"),
        users=read("USERS"),
        hit_rate=read("HIT_RATE"),
    )


def check_scenario_name(name: str, where: str) -> None:
    """Raise UsageError where a file of this name could be no scenario."""
    if not _SCENARIO_ID.fullmatch(name) or name in sys.stdlib_module_names:
        raise UsageError(
            f"a scenario can't be called {name!r}",
            where=where,
            remedy="use lower-case letters and digits, and no name of Python's standard library, "
            "which the file would hide from Locust",
        )


def _literals(tree: ast.Module, path: Path) -> Iterator[tuple[str, ast.Name, object]]:
    """Yield each name of a head with its value; any other way to bind these names is an error."""
    seen: set[str] = set()
    assigned = dict(_assignments(tree.body))
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id in _NAMES:
            try:
                value = ast.literal_eval(assigned[node])
            except (KeyError, ValueError):
                raise _no_literal(path, node, node.id, _NAMES[node.id][2]) from None
            if node.id in seen:
                raise _no_literal(path, node, node.id, _NAMES[node.id][2])
            seen.add(node.id)
            yield node.id, node, value


def _assignments(body: Sequence[ast.stmt]) -> Iterator[tuple[ast.Name, ast.expr]]:
    """Yield the module's own assignments to a single name."""
    for statement in body:
        match statement:
            case ast.Assign(targets=[ast.Name() as name], value=value):
                yield name, value
            case ast.AnnAssign(target=ast.Name() as name, value=ast.expr() as value):
                yield name, value


def _no_literal(path: Path, node: ast.Name, name: str, example: str) -> UsageError:
    return UsageError(
        f"{name} is read without running the file, so it must be a plain literal",
        where=f"{path}:{node.lineno}",
        remedy=f"write it once, at the top: {name} = {example}",
    )


def _words(value: object) -> tuple[str, ...]:
    if not isinstance(value, tuple | list) or not all(isinstance(word, str) for word in value):
        raise TypeError
    return tuple(value)


def _endpoints(value: object) -> tuple[str, ...]:
    words = _words(value)
    if not all(_ENDPOINT.fullmatch(word) for word in words):
        raise ValueError
    return words


def _users(value: object) -> int:
    if type(value) is not int:
        raise TypeError
    if not 1 <= value <= MOST_USERS:
        raise ValueError
    return value


def _share(value: object) -> float:
    if type(value) not in (int, float):
        raise TypeError
    share = float(value)  # type: ignore[arg-type]  # a number, as was just seen
    if not 0 <= share <= 1:
        raise ValueError
    return share


_NAMES: Mapping[str, tuple[object, Callable[[object], object], str]] = {
    "NEEDS": ((), _words, '("postgres",)'),
    "ENDPOINTS": ((), _endpoints, '("GET /json",)'),
    "USERS": (None, _users, "100"),
    "HIT_RATE": (None, _share, "0.62"),
}
"""The names of a head, each with its default, what reads it, and an example."""
