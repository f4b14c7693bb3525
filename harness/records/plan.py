"""Suites, and the trials that they amount to: randomised complete blocks, fixed before the first one."""

from __future__ import annotations

import fnmatch
import random
import tomllib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from harness.ground.errors import UsageError
from harness.ground.model import (
    NO_FRAMEWORK,
    Cell,
    Load,
    PlannedTrial,
    Scenario,
    Setting,
    Stage,
    Timing,
    Variant,
)
from harness.ground.names import choose, suggestion
from harness.records.loads import LoadKeys, LoadWishes, load_of, wished
from harness.records.wishes import base_of, named, parse

TRIAL_OVERHEAD_S = 3.5
"""Start-up, the barrier, the drain and the clean-up of one trial, about, on two cores."""
FIRST_PROBES, LATER_PROBES = 12, 5
"""Of a search for capacity in its first block, and in each later one, about."""
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
    own_shares: tuple[float, ...] = ()
    """The shares of its own capacity that a later stage gives each variant."""

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

    @property
    def most(self) -> Load:
        """The load with the most users."""
        return max(
            (load for name in self.scenarios for load in self.loads_of(name)), key=lambda one: one.users
        )

    def loads_of(self, scenario: str) -> tuple[Load, ...]:
        """Return the loads of a scenario: its own, else those of all."""
        return self.own_loads.get(scenario, self.loads)


_Share = Annotated[float, Field(ge=LEAST_SHARE, le=GREATEST_SHARE)]
_Values = Annotated[tuple[int | str, ...], Field(min_length=1)]
_SettingValues = Annotated[tuple[int | float | str, ...], Field(min_length=1)]


class _Matrix(BaseModel):
    """One `[[matrix]]`: variants that run otherwise too, each combination of the values as a row."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)
    variants: tuple[str, ...] = Field(min_length=1)
    """Which of the suite's variants."""
    scenarios: tuple[str, ...] = ()
    """On which scenarios; all of the suite where absent."""
    settings: dict[str, _SettingValues] = {}
    """Values by setting, such as `threads = [32, 128]`; `cpus` is a CPU cap."""
    versions: dict[str, _Values] = {}
    """Versions by package, such as `flask = ["3.0.0", "git+https://host/path@branch"]`."""
    python: tuple[str, ...] = ()
    """Versions of Python, such as `["3.12", "3.13"]`."""


class SuiteKeys(BaseModel):
    """The keys of a suite's file."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)
    title: str
    """One sentence; shown when the run begins, where flags change nothing."""
    variants: tuple[str, ...] = Field(min_length=1)
    """Names of variants; `*` in one stands for anything."""
    scenarios: tuple[str, ...] = Field(min_length=1)
    """Names of scenarios."""
    blocks: int = Field(ge=1, le=1000)
    """Passes over all cells."""
    window_s: float = Field(ge=1, le=3600)
    """The measurement window, in seconds."""
    warmup_s: float = Field(ge=0, le=3600)
    """Load before the window, in seconds."""
    aa: tuple[str, ...] = ()
    """Scenarios on which the first variant runs twice in each block, as an A/A pair."""
    load: tuple[LoadKeys, ...] = Field(min_length=1)
    """Tables of loads, one or more."""
    matrix: tuple[_Matrix, ...] = ()
    """Tables of variants that run otherwise too."""
    equal_load: _Share | None = None
    """Then all at one rate: this share of the slowest's capacity."""
    own_shares: tuple[_Share, ...] = ()
    """Then each variant at these shares of its own capacity."""


def find_suites(folder: Path) -> dict[str, Path]:
    """Return the suites of a folder by name."""
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def load_suite(path: Path) -> Suite:
    """Read a suite's file; raises UsageError with file and key where something is wrong in it."""
    try:
        parsed = SuiteKeys.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
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
        own_shares=tuple(dict.fromkeys(parsed.own_shares)),
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
    own_shares: Sequence[float] = (),
) -> Suite:
    """Return the suite with the command line's wishes in place of its own; its title says so."""
    timing = replace(
        suite.timing,
        window_s=suite.timing.window_s if window_s is None else window_s,
        warmup_s=suite.timing.warmup_s if warmup_s is None else warmup_s,
    )
    chosen = tuple(scenarios) or suite.scenarios
    narrowed = replace(
        suite,
        variants=_canonical(variants) or suite.variants,
        scenarios=chosen,
        loads=_wished(suite.loads, load),
        own_loads={name: _wished(own, load) for name, own in suite.own_loads.items()},
        blocks=suite.blocks if blocks is None else blocks,
        equal_load=suite.equal_load if equal_load is None else equal_load,
        own_shares=tuple(dict.fromkeys(own_shares)) or suite.own_shares,
        timing=timing,
        twins=tuple(scenario for scenario in suite.twins if scenario in chosen),
    )
    if narrowed == suite:
        return suite
    return replace(narrowed, title=f"the suite {suite.name} with what your flags changed")


def with_found(suite: Suite, variants: Mapping[str, Variant]) -> Suite:
    """Return the suite with the variants that there are in place of a pattern such as `*` or `fastapi-*`.

    A null SUT is none of them. Raises UsageError for a pattern that fits none.
    """
    known = [name for name, variant in variants.items() if variant.framework != NO_FRAMEWORK]
    found: list[str] = []
    for name in suite.variants:
        fitting = fnmatch.filter(known, name) if "*" in name else [name]
        if not fitting:
            raise UsageError(f"no variant fits {name!r}", remedy=suggestion(name, known))
        found += fitting
    return replace(suite, variants=tuple(dict.fromkeys(found)))


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
    if not any(load.profile == "closed" for load in loads):
        for key in ("equal_load", "own_shares"):
            if getattr(suite, key):
                raise UsageError(
                    "needs a closed load, which finds each variant's capacity",
                    where=f"{suite.name}: {key}",
                    remedy=f"add one, or leave {key} out",
                )
    idle = [name for name in suite.scenarios if not suite.loads_of(name)]
    if idle:
        raise UsageError(
            f"has no load for {idle[0]}", where=suite.name, remedy="add a [[load]] without `scenarios`"
        )


def lay_out(
    suite: Suite,
    variants: Mapping[str, Variant],
    scenarios: Mapping[str, Scenario],
    seed: int,
    *,
    by_tls: Collection[str] = (),
) -> Stage:
    """Return the trials of a suite in the order of execution.

    A block is one pass over all cells of one scenario and load, in an order of its own; the blocks of
    all scenarios and loads take turns, so that a slow drift of the machine falls on all of them alike.
    Of a search for capacity there is the first probe; the others follow from it (`judgement.capacity`).
    Cells that a variant does not implement are left out; `by_tls` are the scenarios for which it has to speak
    TLS.
    """
    order = random.Random(seed)  # noqa: S311 - an order that can be repeated, not a secret
    trials: list[PlannedTrial] = []
    for block in range(1, suite.blocks + 1):
        for scenario in suite.scenarios:
            for load in suite.loads_of(scenario):
                if load.profile == "capacity" and block > 1:
                    continue
                cells = _cells(suite, variants, scenarios[scenario], load, by_tls)
                order.shuffle(cells)
                trials += [PlannedTrial(len(trials) + n, block, cell) for n, cell in enumerate(cells, 1)]
    return Stage("first", tuple(trials))


def estimate_s(stage: Stage, suite: Suite) -> float:
    """Return how long a run takes, about, in seconds: preparing, calibrating, the trials of all stages."""
    scenarios = {trial.cell.scenario for trial in stage.trials}
    variants = {trial.cell.variant for trial in stage.trials}
    profiles = [trial.cell.load.profile for trial in stage.trials]
    repeats = (suite.equal_load is not None) + len(suite.own_shares)
    probes = FIRST_PROBES - 1 + LATER_PROBES * (suite.blocks - 1)
    number = len(profiles) + repeats * profiles.count("closed") + probes * profiles.count("capacity")
    trials = number * (TRIAL_OVERHEAD_S + suite.timing.warmup_s + suite.timing.window_s)
    return 5 + 3 * len(variants) + 9 * len(scenarios) + trials


def _cells(
    suite: Suite, variants: Mapping[str, Variant], scenario: Scenario, load: Load, by_tls: Collection[str]
) -> list[Cell]:
    names = [
        name
        for name in suite.rows_on(scenario.id)
        if variants[name].serves(scenario)
        if variants[name].tls or scenario.id not in by_tls
    ]
    cells = [Cell(name, scenario.id, load) for name in names]
    twin = [Cell(names[0], scenario.id, load, replica=1)] if names and scenario.id in suite.twins else []
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
        table = tables[str(first["loc"][0])] if len(first["loc"]) > 1 else SuiteKeys
        known = table.model_fields
        return UsageError("is not a key", where=where, remedy=suggestion(str(first["loc"][-1]), known))
    if first["type"] == "missing":
        return UsageError("is missing", where=where, remedy=f"add it: {first['loc'][-1]} = …")
    return UsageError(
        f"{first['msg'].removeprefix('Input ')}, not {str(first['input'])[:80]!r}",
        where=where,
        remedy="correct the value; the suites in scenarios/suites/ show its form",
    )
