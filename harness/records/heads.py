"""The heads of scenario files: what they need and drive, read from the source and never run.

Running one would import Locust, which patches the standard library.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from harness.ground.errors import UsageError
from harness.ground.model import Scenario

_SCENARIO_ID = re.compile(r"[a-z][a-z0-9_-]*")
_ENDPOINT = re.compile(r"(GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS) /\S*")


def load_scenario(path: Path) -> Scenario:
    """Read the head of one scenario.

    Raises UsageError, with file and line, where it is no literal or the file shadows a standard module.
    """
    if not _SCENARIO_ID.fullmatch(path.stem) or path.stem in sys.stdlib_module_names:
        raise UsageError(
            f"a scenario can't be called {path.stem!r}",
            where=str(path),
            remedy="use lower-case letters and digits, and no name of Python's standard library, "
            "which the file would hide from Locust",
        )
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    except SyntaxError as error:
        raise UsageError(f"is not Python: {error.msg}", where=f"{path}:{error.lineno or 1}") from error
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise UsageError(f"can't be read: {error}", where=str(path)) from error
    head = _head(tree, path)
    return Scenario(
        id=path.stem, path=str(path), services=head.get("NEEDS", ()), endpoints=head.get("ENDPOINTS", ())
    )


def _head(tree: ast.Module, path: Path) -> dict[str, tuple[str, ...]]:
    """Return the literal NEEDS and ENDPOINTS; any other way to bind these names is an error."""
    literal: dict[str, tuple[str, ...]] = {}
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Name)
            and isinstance(node.ctx, ast.Store)
            and node.id in ("NEEDS", "ENDPOINTS")
        ):
            words = _words(tree.body, node)
            good = words is not None and node.id not in literal
            good = good and (node.id == "NEEDS" or all(_ENDPOINT.fullmatch(word) for word in words or ()))
            if not good:
                example = '("postgres",)' if node.id == "NEEDS" else '("GET /json",)'
                raise UsageError(
                    f"{node.id} is read without running the file, so it must be a plain literal",
                    where=f"{path}:{node.lineno}",
                    remedy=f"write it once, at the top: {node.id} = {example}",
                )
            literal[node.id] = words or ()
    return literal


def _words(body: Sequence[ast.stmt], name: ast.Name) -> tuple[str, ...] | None:
    """Return the strings of the module-level literal that is assigned to a name; None where it is none."""
    for statement in body:
        if isinstance(statement, ast.Assign) and statement.targets == [name]:
            value: ast.expr | None = statement.value
        elif isinstance(statement, ast.AnnAssign) and statement.target is name:
            value = statement.value
        else:
            continue
        if not isinstance(value, ast.Tuple | ast.List):
            return None
        words = [item.value for item in value.elts if isinstance(item, ast.Constant)]
        if len(words) != len(value.elts) or not all(isinstance(word, str) for word in words):
            return None
        return tuple(str(word) for word in words)
    return None
