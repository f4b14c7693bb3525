"""Load profiles as users write them: tables of a suite's file, and the command line's flags."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from harness.ground.errors import UsageError
from harness.ground.model import Load

Written = Literal["closed", "rate", "capacity"]
"""The profiles that a user may ask for."""
MOST_USERS = 100_000
MOST_PER_S = 1_000_000.0
LONGEST_THINK_S = 3600.0
LONGEST_SLO_MS = 60_000.0
_KEYS_OF: Mapping[Written, tuple[str, ...]] = {
    "closed": ("think_s", "think"),
    "rate": ("rate_per_s", "arrivals"),
    "capacity": ("rate_per_s", "arrivals", "slo_ms"),
}
"""The keys that not every profile has."""
SLO_MS = 150.0
"""The bound on the p99 where none is given."""
START_PER_S = 1000.0
"""Where a search for capacity begins where nothing is said."""


class LoadKeys(BaseModel):
    """One `[[load]]` of a suite."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)
    profile: Written
    """Users who wait for answers, a given rate, or a search for the highest one that keeps a bound."""
    users: int = Field(ge=1, le=MOST_USERS)
    """Concurrent users, one connection each; they share a rate."""
    think_s: float = Field(default=0.0, ge=0, le=LONGEST_THINK_S)
    """`closed`: mean think time in seconds."""
    think: Literal["exponential", "constant"] = "exponential"
    """`closed`: how think times are spread."""
    rate_per_s: float | None = Field(default=None, gt=0, le=MOST_PER_S)
    """`rate`: requests/s of all users together, required; `capacity`: where the search begins."""
    arrivals: Literal["poisson", "constant"] = "poisson"
    """`rate` and `capacity`: each user's moments are chance, or equal steps."""
    slo_ms: float | None = Field(default=None, gt=0, le=LONGEST_SLO_MS)
    """`capacity`: the bound on the p99 of the response time, in ms."""
    scenarios: tuple[str, ...] = ()
    """Those that this load is for, which have no other then; all that have none of their own where empty."""


@dataclass(frozen=True, slots=True)
class LoadWishes:
    """What the command line wants of every load; None leaves the suite's own."""

    profile: Written | None = None
    users: int | None = None
    rate_per_s: float | None = None
    think_s: float | None = None
    slo_ms: float | None = None


def load_of(keys: LoadKeys, where: str) -> Load:
    """Return the load of a suite's table; raises UsageError for a key that its profile lacks or has not."""
    for other, own in _KEYS_OF.items():
        for key in own:
            if key in keys.model_fields_set and key not in _KEYS_OF[keys.profile]:
                raise UsageError(
                    f"is a key of the profile `{other}`, not of `{keys.profile}`",
                    where=f"{where}.{key}",
                    remedy=f'leave it out, or write profile = "{other}"',
                )
    if keys.profile == "rate" and keys.rate_per_s is None:
        raise UsageError("is missing", where=f"{where}.rate_per_s", remedy="add it: rate_per_s = …")
    return wished(Load(**keys.model_dump(exclude={"scenarios"})), LoadWishes())


def wished(load: Load, wishes: LoadWishes) -> Load:
    """Return a load with the wishes in place of its own; a rate alone asks for the profile `rate`.

    Under `capacity` the rate is where the search begins.
    """
    given = load.rate_per_s if wishes.rate_per_s is None else wishes.rate_per_s
    asked = load.profile if load.profile == "capacity" else "rate"
    profile = wishes.profile or (asked if wishes.rate_per_s is not None else load.profile)
    users = load.users if wishes.users is None else wishes.users
    if profile != "capacity" and wishes.slo_ms is not None:
        raise UsageError(
            f"is for --profile capacity, not for {profile}", where="--slo", remedy="leave it out"
        )
    if profile != "closed" and wishes.think_s is not None:
        raise UsageError("users who follow a schedule do not think", where="--think", remedy="leave it out")
    if profile == "capacity":
        slo_ms = wishes.slo_ms or load.slo_ms or SLO_MS
        return Load("capacity", users, given or START_PER_S, load.arrivals, slo_ms=slo_ms)
    if profile == "rate":
        if given is None:
            raise UsageError("needs a rate", where="--profile rate", remedy="add one, such as --rate 500")
        return Load("rate", users, given, load.arrivals)
    if wishes.rate_per_s is not None:
        raise UsageError(
            "users who wait for each answer have no rate", where="--rate", remedy="leave out --profile closed"
        )
    think_s = load.think_s if wishes.think_s is None else wishes.think_s
    return Load("closed", users, think_s=think_s, think=load.think)
