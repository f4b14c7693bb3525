"""Claims of others about figures, as a TOML file lists them, and how each is measured here."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from harness.ground.errors import UsageError
from harness.ground.names import choose, suggestion
from harness.ground.units import parse_size

_TIME = {"ms": 1.0, "s": 1e3, "µs": 1e-3}
_SIZE = {"MiB": 1.0, "GiB": 1024.0, "MB": 1e6 / (1 << 20), "GB": 1e9 / (1 << 20)}
UNITS: Mapping[str, Mapping[str, float]] = {
    "requests_per_s": {"requests/s": 1.0},
    **{f"response_ms.{name}": _TIME for name in ("mean", "p50", "p90", "p99", "p999", "max")},
    "cpu.percent_of_cap": {"%": 1.0},
    "cpu.cores": {"cores": 1.0},
    "cpu.us_per_request": {"µs": 1.0, "ms": 1e3},
    "cpu.yardsticks_per_request": {"yardsticks": 1.0},
    **{f"memory_mib.{name}": _SIZE for name in ("idle", "mean", "peak", "kernel_peak")},
    "errors_percent": {"%": 1.0},
    "startup_s": {"s": 1.0, "ms": 1e-3},
    "hit_rate": {"%": 0.01},
}
"""By metric of `summary.json`: the units that a claim about it may have, and what one of them is there."""
COMPARED = (
    "requests_per_s",
    "response_ms.p50",
    "response_ms.p99",
    "cpu.us_per_request",
    "cpu.yardsticks_per_request",
    "memory_mib.mean",
)
"""The metrics of which a run has ratios."""


@dataclass(frozen=True, slots=True)
class Conditions:
    """Under what a figure is said to hold; None where nothing is said."""

    cpus: float | None
    memory_bytes: int | None
    users: int | None


@dataclass(frozen=True, slots=True)
class OfCell:
    """Measured as one variant's figure in a scenario."""

    metric: str
    variant: str
    scenario: str
    unit: str
    """As the claim has it; `UNITS` tells what one is."""


@dataclass(frozen=True, slots=True)
class OfPair:
    """Measured as the ratio of two variants' figures in a scenario."""

    metric: str
    variant: str
    over: str
    scenario: str


@dataclass(frozen=True, slots=True)
class OfBenchmark:
    """Measured by a script of `benchmarks/`: a figure in a file of its results."""

    file: str
    key: tuple[str, ...]
    """Where in the file the object with `value` (or `ratio`), `low` and `high` stands."""


@dataclass(frozen=True, slots=True)
class Untestable:
    """Measured by nothing here."""

    why: str


Measure = OfCell | OfPair | OfBenchmark | Untestable


@dataclass(frozen=True, slots=True)
class Claim:
    """One number that somebody published."""

    id: str
    says: str
    """In the source's words, or close to them."""
    low: float
    """The least that bears the claim out, in the claim's own unit; -inf for `at_most`."""
    high: float
    conditions: Conditions
    measure: Measure


@dataclass(frozen=True, slots=True)
class Claims:
    """A claims file."""

    title: str
    source: str
    claims: tuple[Claim, ...]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


_Number = Annotated[float, Field(allow_inf_nan=False)]


class _Conditions(_Model):
    """Under what figures are said to hold; leave out what is not told."""

    cpus: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    """CPUs of the service."""
    memory: str | None = None
    """Its memory, such as `4g`."""
    users: Annotated[int, Field(gt=0)] | None = None
    """Concurrent users."""


class _Cell(_Model):
    """One variant's figure in a scenario."""

    metric: str
    """A path of `summary.json`, such as `requests_per_s`."""
    variant: str
    scenario: str
    unit: str
    """Of the claim's number, such as `requests/s`; the metric says which there are."""


class _Pair(_Model):
    """The ratio of two variants' figures in a scenario."""

    metric: str
    """One that runs compare, such as `requests_per_s`."""
    variant: str
    over: str
    """The variant that it is divided by."""
    scenario: str


class _Benchmark(_Model):
    """A figure of a script of `benchmarks/`."""

    file: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]*\.json$")]
    """In `benchmarks/results`."""
    key: Annotated[str, Field(min_length=1)]
    """Where in it the object with `value` (or `ratio`), `low` and `high` stands, parts joined by dots."""


class _Claim(_Model):
    """One number that somebody published; give one number, and one way in which it is measured."""

    id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]
    """Its name, which no other has."""
    says: Annotated[str, Field(min_length=1, max_length=200)]
    """In the source's words, or close to them."""
    value: _Number | None = None
    """The number."""
    between: tuple[_Number, _Number] | None = None
    """The number, as a range: the lesser first."""
    at_most: _Number | None = None
    """The number, as a bound."""
    at_least: _Number | None = None
    """The number, as a bound."""
    figure: _Cell | None = None
    """It is one variant's figure."""
    ratio: _Pair | None = None
    """It is one variant's figure over another's."""
    benchmark: _Benchmark | None = None
    """It is in a file of `benchmarks/results`."""
    untestable: str | None = None
    """Nothing here measures it, and why."""
    conditions: _Conditions | None = None
    """Of this claim alone, in place of the file's."""


class ClaimsKeys(_Model):
    """The keys of a claims file."""

    title: str
    """Of what makes the claims."""
    source: str
    """Where and when it was published, and what it leaves untold."""
    conditions: _Conditions = _Conditions()
    """Of all claims that have none of their own."""
    claim: Annotated[tuple[_Claim, ...], Field(min_length=1)]
    """Tables of claims, one or more."""


_BOUNDS = ("value", "between", "at_most", "at_least")
_MEASURES = ("figure", "ratio", "benchmark", "untestable")
_TABLES: Mapping[str, type[BaseModel]] = {
    "conditions": _Conditions,
    "figure": _Cell,
    "ratio": _Pair,
    "benchmark": _Benchmark,
    "claim": _Claim,
}


def load_claims(path: Path, variants: Collection[str], scenarios: Collection[str]) -> Claims:
    """Read a claims file; `variants` and `scenarios` are those that it may name.

    Raises UsageError, with file and key, for a file that can't be read, a key that there is not, a claim with
    no number or several, a unit that its metric can't have, and names that nothing here has.
    """
    try:
        parsed = ClaimsKeys.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(
            f"can't be read: {error}", where=str(path), remedy="claims/article.toml shows the form"
        ) from error
    except ValidationError as error:
        raise _complaint(path, error) from error
    claims = tuple(_claim(one, parsed.conditions, f"{path}: {one.id}") for one in parsed.claim)
    seen: set[str] = set()
    for claim in claims:
        where = f"{path}: {claim.id}"
        if claim.id in seen:
            raise UsageError("is the id of two claims", where=where, remedy="give each its own")
        seen.add(claim.id)
        _check_names(claim.measure, variants, scenarios, where)
    return Claims(parsed.title, parsed.source, claims)


def _claim(one: _Claim, common: _Conditions, where: str) -> Claim:
    measure = _measure(one, where)
    untested = isinstance(measure, Untestable)
    given = [name for name in _BOUNDS if getattr(one, name) is not None]
    if len(given) > 1 or (not given and not untested):
        raise UsageError(
            f"has {' and '.join(given) or 'no number'}",
            where=where,
            remedy=f"give one of {', '.join(_BOUNDS)}",
        )
    low, high = _bounds(one, where)
    own = one.conditions or common
    return Claim(
        id=one.id,
        says=one.says,
        low=low,
        high=high,
        conditions=Conditions(own.cpus, None if own.memory is None else _size(own.memory, where), own.users),
        measure=measure,
    )


def _bounds(one: _Claim, where: str) -> tuple[float, float]:
    if one.value is not None:
        return one.value, one.value
    if one.between is not None:
        low, high = one.between
        if low > high:
            raise UsageError("has no number in it", where=f"{where}.between", remedy="write the lesser first")
        return low, high
    return (
        -math.inf if one.at_least is None else one.at_least,
        math.inf if one.at_most is None else one.at_most,
    )


def _measure(one: _Claim, where: str) -> Measure:
    given = [name for name in _MEASURES if getattr(one, name) is not None]
    if len(given) != 1:
        raise UsageError(
            f"has {' and '.join(given) or 'no measure'}",
            where=where,
            remedy=f"say by one of {', '.join(_MEASURES)} how it is measured here",
        )
    if one.figure is not None:
        _choose(one.figure.metric, UNITS, "metric", f"{where}.figure.metric")
        units = UNITS[one.figure.metric]
        if one.figure.unit not in units:
            raise UsageError(
                f"{one.figure.metric} can't be in {one.figure.unit!r}",
                where=f"{where}.figure.unit",
                remedy=f"write one of {', '.join(units)}",
            )
        return OfCell(**one.figure.model_dump())
    if one.ratio is not None:
        _choose(one.ratio.metric, COMPARED, "metric with ratios", f"{where}.ratio.metric")
        return OfPair(**one.ratio.model_dump())
    if one.benchmark is not None:
        return OfBenchmark(one.benchmark.file, tuple(one.benchmark.key.split(".")))
    assert one.untestable is not None, "one of the four is given"
    return Untestable(one.untestable)


def _check_names(measure: Measure, variants: Collection[str], scenarios: Collection[str], where: str) -> None:
    if isinstance(measure, OfCell | OfPair):
        _choose(measure.variant, variants, "variant", f"{where}.variant")
        _choose(measure.scenario, scenarios, "scenario", f"{where}.scenario")
    if isinstance(measure, OfPair):
        _choose(measure.over, variants, "variant", f"{where}.over")


def _choose(name: str, known: Collection[str], kind: str, where: str) -> None:
    try:
        choose((name,), known, kind)
    except UsageError as error:
        raise UsageError(error.what, where=where, remedy=error.remedy) from error


def _size(text: str, where: str) -> int:
    try:
        return parse_size(text)
    except UsageError as error:
        raise UsageError(error.what, where=f"{where}.conditions.memory", remedy=error.remedy) from error


def _complaint(path: Path, error: ValidationError) -> UsageError:
    """Return the first mistake; unknown keys come first, since a misspelt key is missing as well."""
    mistakes = sorted(error.errors(include_url=False), key=lambda one: one["type"] != "extra_forbidden")
    first = mistakes[0]
    where = f"{path}: {'.'.join(str(part) for part in first['loc'])}"
    if first["type"] == "extra_forbidden":
        tables = [str(part) for part in first["loc"][:-1] if str(part) in _TABLES]
        known = _TABLES[tables[-1]] if tables else ClaimsKeys
        return UsageError(
            "is not a key", where=where, remedy=suggestion(str(first["loc"][-1]), known.model_fields)
        )
    if first["type"] == "missing":
        return UsageError("is missing", where=where, remedy=f"add it: {first['loc'][-1]} = …")
    return UsageError(
        f"{first['msg'].removeprefix('Input ')}, not {str(first['input'])[:80]!r}",
        where=where,
        remedy="correct the value; claims/article.toml shows the form",
    )
