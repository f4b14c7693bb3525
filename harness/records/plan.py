"""Suites, and the trials that they amount to: randomised complete blocks, fixed before the first one."""

from __future__ import annotations

import random
import tomllib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from harness.ground.errors import UsageError
from harness.ground.model import Cell, Load, PlannedTrial, Scenario, Setting, Stage, Timing, Variant
from harness.ground.names import choose, suggestion
from harness.records.loads import LoadKeys, LoadWishes, load_of, wished

TRIAL_OVERHEAD_S = 3.5
"""Start-up, the barrier, the drain and the clean-up of one trial, about, on two cores."""


@dataclass(frozen=True, slots=True)
class Sweep:
    """Variants that run with other values of one of their settings too, each as a row of its own."""

    variants: tuple[str, ...]
    scenarios: tuple[str, ...]
    setting: str
    values: tuple[Setting, ...]


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
    sweeps: tuple[Sweep, ...] = ()

    def loads_of(self, scenario: str) -> tuple[Load, ...]:
        """Return the loads of a scenario: its own, else those of all."""
        return self.own_loads.get(scenario, self.loads)


class _Sweep(BaseModel):
    model_config = ConfigDict(extra="forbid")
    variants: tuple[str, ...] = Field(min_length=1)
    scenarios: tuple[str, ...] = Field(min_length=1)
    setting: str = Field(min_length=1)
    values: tuple[int | str, ...] = Field(min_length=1)


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
    sweep: tuple[_Sweep, ...] = ()


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
        variants=parsed.variants,
        scenarios=parsed.scenarios,
        loads=tuple(load for keys, load in loads if not keys.scenarios),
        blocks=parsed.blocks,
        timing=Timing(warmup_s=parsed.warmup_s, window_s=parsed.window_s),
        twins=parsed.aa,
        own_loads=own,
        sweeps=tuple(Sweep(**sweep.model_dump()) for sweep in parsed.sweep),
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
        variants=tuple(variants) or suite.variants,
        scenarios=chosen,
        loads=_wished(suite.loads, load),
        own_loads={name: _wished(own, load) for name, own in suite.own_loads.items()},
        blocks=suite.blocks if blocks is None else blocks,
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
    """Raise UsageError for a variant, a scenario, a setting or a load that there is not."""
    swept = [(name, sweep) for sweep in suite.sweeps for name in sweep.variants]
    choose((*suite.variants, *(name for name, _ in swept)), variants, "variant")
    swept_scenarios = [name for sweep in suite.sweeps for name in sweep.scenarios]
    choose((*suite.scenarios, *suite.twins, *suite.own_loads, *swept_scenarios), scenarios, "scenario")
    for name, sweep in swept:
        choose((sweep.setting,), variants[name].settings, f"setting of {name}")
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


def estimate_s(stage: Stage, timing: Timing) -> float:
    """Return how long a run of one stage takes, about, in seconds: preparing, calibrating, the trials."""
    scenarios = {trial.cell.scenario for trial in stage.trials}
    variants = {trial.cell.variant for trial in stage.trials}
    trials = len(stage.trials) * (TRIAL_OVERHEAD_S + timing.warmup_s + timing.window_s)
    return 5 + 3 * len(variants) + 9 * len(scenarios) + trials


def _cells(
    suite: Suite, variants: Mapping[str, Variant], scenario: str, load: Load, by_tls: Collection[str]
) -> list[Cell]:
    names = [
        name
        for name in suite.variants
        if variants[name].serves(scenario)
        if variants[name].tls or scenario not in by_tls
    ]
    cells = [Cell(name, scenario, load) for name in names]
    twin = [Cell(names[0], scenario, load, replica=1)] if names and scenario in suite.twins else []
    swept = [
        Cell(name, scenario, load, {sweep.setting: value})
        for sweep in suite.sweeps
        if scenario in sweep.scenarios
        for name in sweep.variants
        if name in names
        for value in sweep.values
    ]
    return cells + twin + swept


def _complaint(path: Path, error: ValidationError) -> UsageError:
    """Return the first mistake; unknown keys come first, since a misspelt key is missing as well."""
    mistakes = sorted(error.errors(include_url=False), key=lambda one: one["type"] != "extra_forbidden")
    first = mistakes[0]
    key = ".".join(str(part) for part in first["loc"])
    where = f"{path}: {key}" if key else str(path)
    if first["type"] == "extra_forbidden":
        tables: Mapping[str, type[BaseModel]] = {"load": LoadKeys, "sweep": _Sweep}
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
