"""Suites, and the trials that they amount to: randomised complete blocks, fixed before the first one."""

from __future__ import annotations

import random
import tomllib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from harness.ground.errors import UsageError
from harness.ground.model import Cell, Load, PlannedTrial, Scenario, Setting, Stage, Timing, Variant
from harness.ground.names import choose, suggestion
from harness.records.loads import LoadKeys, LoadWishes, load_of, wished
from harness.records.wishes import base_of, named, parse

TRIAL_OVERHEAD_S = 3.5
"""Start-up, the barrier, the drain and the clean-up of one trial, about, on two cores."""
LEAST_SHARE, GREATEST_SHARE = 0.05, 0.9
"""Of a capacity, which has a spread: above it, some trials would be asked for more than there is."""


@dataclass(frozen=True, slots=True)
class Matrix:
    """Variants that run in other settings and versions too, each as a row of its own."""

    variants: tuple[str, ...]
    """By their canonical names, which say in what they differ; where the suite has them as they are."""
    scenarios: tuple[str, ...]
    """All of the suite where empty."""


@dataclass(frozen=True, slots=True)
class Suite:
    """What a run measures."""

    name: str
    title: str
    variants: tuple[str, ...]
    scenarios: tuple[str, ...]
    loads: tuple[Load, ...]
    blocks: int
    timing: Timing
    twins: tuple[str, ...]
    """The scenarios on which the first variant runs twice in each block, as an A/A pair."""
    own_loads: Mapping[str, tuple[Load, ...]] = field(default_factory=dict)
    """By scenario, the loads that stand in place of `loads` there."""
    matrices: tuple[Matrix, ...] = ()
    equal_load: float | None = None
    """The share of the slowest's capacity that a later stage gives all variants; None for no such stage."""

    @property
    def rows(self) -> tuple[str, ...]:
        """The names of all variants that run, those of matrices included."""
        return tuple(dict.fromkeys(name for scenario in self.scenarios for name in self.rows_on(scenario)))

    def rows_on(self, scenario: str) -> tuple[str, ...]:
        """Return the names of the variants that run on a scenario."""
        of_matrices = (
            name
            for matrix in self.matrices
            if scenario in (matrix.scenarios or self.scenarios)
            for name in matrix.variants
            if base_of(name) in self.variants
        )
        return tuple(dict.fromkeys((*self.variants, *of_matrices)))

    def loads_of(self, scenario: str) -> tuple[Load, ...]:
        """Return the loads of a scenario: its own, else those of all."""
        return self.own_loads.get(scenario, self.loads)


_Values = Annotated[tuple[int | str, ...], Field(min_length=1)]


class _Matrix(BaseModel):
    model_config = ConfigDict(extra="forbid")
    variants: tuple[str, ...] = Field(min_length=1)
    scenarios: tuple[str, ...] = ()
    settings: dict[str, _Values] = {}
    versions: dict[str, _Values] = {}
    python: tuple[str, ...] = ()


class _Suite(BaseModel):
    model_config = ConfigDict(extra="forbid")
    title: str
    variants: tuple[str, ...] = Field(min_length=1)
    scenarios: tuple[str, ...] = Field(min_length=1)
    blocks: int = Field(ge=1, le=1000)
    window_s: float = Field(ge=1, le=3600)
    warmup_s: float = Field(ge=0, le=3600)
    aa: tuple[str, ...] = ()
    load: tuple[LoadKeys, ...] = Field(min_length=1)
    matrix: tuple[_Matrix, ...] = ()
    equal_load: float | None = Field(default=None, ge=LEAST_SHARE, le=GREATEST_SHARE)


def find_suites(folder: Path) -> dict[str, Path]:
    """Return the suites of a folder by name."""
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def load_suite(path: Path) -> Suite:
    """Read a suite's file; raises UsageError with file and key where something is wrong in it."""
    try:
        parsed = _Suite.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(
            f"can't be read: {error}", where=str(path), remedy="see those in scenarios/suites/"
        ) from error
    except ValidationError as error:
        raise _complaint(path, error) from error
    loads = [(keys, load_of(keys, f"{path}: load.{place}")) for place, keys in enumerate(parsed.load)]
    own: dict[str, tuple[Load, ...]] = {}
    for keys, load in loads:
        own |= {name: (*own.get(name, ()), load) for name in keys.scenarios}
    return Suite(
        name=path.stem,
        title=parsed.title,
        variants=_canonical(parsed.variants),
        scenarios=parsed.scenarios,
        loads=tuple(load for keys, load in loads if not keys.scenarios),
        blocks=parsed.blocks,
        timing=Timing(warmup_s=parsed.warmup_s, window_s=parsed.window_s),
        twins=parsed.aa,
        own_loads=own,
        equal_load=parsed.equal_load,
        matrices=tuple(_matrix(keys, f"{path}: matrix.{place}") for place, keys in enumerate(parsed.matrix)),
    )


def narrow(
    suite: Suite,
    *,
    variants: Sequence[str],
    scenarios: Sequence[str],
    load: LoadWishes,
    blocks: int | None,
    window_s: float | None,
    warmup_s: float | None,
    equal_load: float | None = None,
) -> Suite:
    """Return the suite with the command line's wishes in place of its own."""
    timing = replace(
        suite.timing,
        window_s=suite.timing.window_s if window_s is None else window_s,
        warmup_s=suite.timing.warmup_s if warmup_s is None else warmup_s,
    )
    chosen = tuple(scenarios) or suite.scenarios
    return replace(
        suite,
        variants=_canonical(variants) or suite.variants,
        scenarios=chosen,
        loads=_wished(suite.loads, load),
        own_loads={name: _wished(own, load) for name, own in suite.own_loads.items()},
        blocks=suite.blocks if blocks is None else blocks,
        equal_load=suite.equal_load if equal_load is None else equal_load,
        timing=timing,
        twins=tuple(scenario for scenario in suite.twins if scenario in chosen),
    )


def with_own_users(suite: Suite, scenarios: Mapping[str, Scenario]) -> Suite:
    """Return the suite with a scenario's own number of users where its load is for every scenario.

    A load that the suite has for this scenario stays as it is.
    """
    users = {name: scenario.users for name, scenario in scenarios.items() if scenario.users is not None}
    own = {
        name: tuple(replace(load, users=users[name]) for load in suite.loads)
        for name in suite.scenarios
        if name in users and name not in suite.own_loads
    }
    return replace(suite, own_loads={**own, **suite.own_loads})


def _wished(loads: Sequence[Load], wishes: LoadWishes) -> tuple[Load, ...]:
    return tuple(dict.fromkeys(wished(load, wishes) for load in loads))


def check_names(suite: Suite, variants: Mapping[str, Variant], scenarios: Mapping[str, object]) -> None:
    """Raise UsageError for a variant, a scenario, a setting, a package or a load that there is not."""
    named((*suite.variants, *(name for matrix in suite.matrices for name in matrix.variants)), variants)
    of_matrices = [name for matrix in suite.matrices for name in matrix.scenarios]
    choose((*suite.scenarios, *suite.twins, *suite.own_loads, *of_matrices), scenarios, "scenario")
    loads = [load for name in suite.scenarios for load in suite.loads_of(name)]
    if suite.equal_load is not None and not any(load.profile == "closed" for load in loads):
        raise UsageError(
            "needs a closed load, which finds each variant's capacity",
            where=f"{suite.name}: equal_load",
            remedy="add one, or leave equal_load out",
        )
    idle = [name for name in suite.scenarios if not suite.loads_of(name)]
    if idle:
        raise UsageError(
            f"has no load for {idle[0]}", where=suite.name, remedy="add a [[load]] without `scenarios`"
        )


def lay_out(
    suite: Suite, variants: Mapping[str, Variant], seed: int, *, by_tls: Collection[str] = ()
) -> Stage:
    """Return the trials of a suite in the order of execution.

    A block is one pass over all cells of one scenario and load, in an order of its own; the blocks of
    all scenarios and loads take turns, so that a slow drift of the machine falls on all of them alike.
    Cells that a variant does not implement are left out; `by_tls` are the scenarios for which it has to speak
    TLS.
    """
    order = random.Random(seed)  # noqa: S311 - an order that can be repeated, not a secret
    trials: list[PlannedTrial] = []
    for block in range(1, suite.blocks + 1):
        for scenario in suite.scenarios:
            for load in suite.loads_of(scenario):
                cells = _cells(suite, variants, scenario, load, by_tls)
                order.shuffle(cells)
                trials += [PlannedTrial(len(trials) + n, block, cell) for n, cell in enumerate(cells, 1)]
    return Stage("first", tuple(trials))


def estimate_s(stage: Stage, timing: Timing, equal_load: float | None = None) -> float:
    """Return how long a run takes, about, in seconds: preparing, calibrating, the trials of all stages."""
    scenarios = {trial.cell.scenario for trial in stage.trials}
    variants = {trial.cell.variant for trial in stage.trials}
    closed = [trial for trial in stage.trials if trial.cell.load.profile == "closed"]
    number = len(stage.trials) + (0 if equal_load is None else len(closed))
    trials = number * (TRIAL_OVERHEAD_S + timing.warmup_s + timing.window_s)
    return 5 + 3 * len(variants) + 9 * len(scenarios) + trials


def _cells(
    suite: Suite, variants: Mapping[str, Variant], scenario: str, load: Load, by_tls: Collection[str]
) -> list[Cell]:
    names = [
        name
        for name in suite.rows_on(scenario)
        if variants[name].serves(scenario)
        if variants[name].tls or scenario not in by_tls
    ]
    cells = [Cell(name, scenario, load) for name in names]
    twin = [Cell(names[0], scenario, load, replica=1)] if names and scenario in suite.twins else []
    return cells + twin


def _canonical(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(str(parse(name)) for name in names))


def _matrix(keys: _Matrix, where: str) -> Matrix:
    """Return every combination of a matrix's values."""
    settings = [[f"[{name}={value}]" for value in values] for name, values in keys.settings.items()]
    versions = [[f"@{name}{_version(value)}" for value in values] for name, values in keys.versions.items()]
    pythons = [[f"@python{version}" for version in keys.python]] if keys.python else []
    changes = [*settings, *versions, *pythons]
    if not changes:
        raise UsageError("changes nothing", where=where, remedy="give it settings, versions or python")
    return Matrix(_canonical("".join(parts) for parts in product(keys.variants, *changes)), keys.scenarios)


def _version(value: Setting) -> str:
    return f"@{value}" if str(value).startswith("git+") else f"=={value}"


def _complaint(path: Path, error: ValidationError) -> UsageError:
    """Return the first mistake; unknown keys come first, since a misspelt key is missing as well."""
    mistakes = sorted(error.errors(include_url=False), key=lambda one: one["type"] != "extra_forbidden")
    first = mistakes[0]
    key = ".".join(str(part) for part in first["loc"])
    where = f"{path}: {key}" if key else str(path)
    if first["type"] == "extra_forbidden":
        tables: Mapping[str, type[BaseModel]] = {"load": LoadKeys, "matrix": _Matrix}
        table = tables[str(first["loc"][0])] if len(first["loc"]) > 1 else _Suite
        known = table.model_fields
        return UsageError("is not a key", where=where, remedy=suggestion(str(first["loc"][-1]), known))
    if first["type"] == "missing":
        return UsageError("is missing", where=where, remedy=f"add it: {first['loc'][-1]} = …")
    return UsageError(
        f"{first['msg'].removeprefix('Input ')}, not {str(first['input'])[:80]!r}",
        where=where,
        remedy="correct the value; the suites in scenarios/suites/ show its form",
    )
