"""The options that several commands share."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import click

from harness.ground.units import parse_size
from harness.records.project import apps_of


# click's signatures: a value may be anything, and not every converter needs the rest
class Size(click.ParamType[int]):
    """A size such as `512m`, in bytes."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:  # noqa: ANN401, ARG002
        """Return the size in bytes."""
        return value if isinstance(value, int) else parse_size(str(value))


class _Finite(click.FloatRange):
    """A number between bounds; unlike click's own range it has no room for what is no number."""

    what = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:  # noqa: ANN401
        """Return the number."""
        found = super().convert(value, param, ctx)
        if math.isnan(found):
            self.fail(f"{value!r} is no {self.what}.", param, ctx)
        return found


class Seconds(_Finite):
    """A time in seconds."""

    name = "seconds"
    what = "time"


class Milliseconds(_Finite):
    """A time in milliseconds."""

    name = "ms"
    what = "time"


class Share(_Finite):
    """A part of a whole."""

    name = "share"
    what = "share"


class Rate(_Finite):
    """Requests/s."""

    name = "rate"
    what = "rate"


class Apps(click.Path):
    """A folder of variants; a checkout stands for its `apps`."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:  # noqa: ANN401
        """Return the folder."""
        return apps_of(Path(os.fsdecode(super().convert(value, param, ctx))))


apps = click.option(
    "--apps", multiple=True, type=Apps(), help="A further folder of variants and scenarios, or a checkout."
)
results = click.option(
    "--results", type=click.Path(path_type=Path, resolve_path=True), help="Where runs are kept."
)
as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON document and nothing else.")
cpus = click.option("--cpus", type=float, help="The SUT's CPU cap.")
memory = click.option("--memory", type=Size(), help="The SUT's memory cap, such as 1g.")
backend = click.option(
    "--backend",
    type=click.Choice(["auto", "cgroup", "docker"]),
    default="auto",
    show_default=True,
    envvar="WEBDYNO_BACKEND",
    help="Where SUTs run; auto takes docker where an engine can do it.",
)
yes = click.option("--yes", is_flag=True, help="Run the code of --apps without asking.")
