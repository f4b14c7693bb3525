"""Load profiles as users write them: tables of a suite's file, and the command line's flags."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from harness.ground.errors import UsageError
from harness.ground.model import Load

Written = Literal["closed", "rate"]
"""The profiles that a user may ask for."""
MOST_USERS = 100_000
MOST_PER_S = 1_000_000.0
LONGEST_THINK_S = 3600.0
_KEYS_OF: Mapping[Written, tuple[str, ...]] = {
    "closed": ("think_s", "think"),
    "rate": ("rate_per_s", "arrivals"),
}
"""The keys that only one profile has."""


class LoadKeys(BaseModel):
    """One `[[load]]` of a suite."""

    model_config = ConfigDict(extra="forbid")
    profile: Written
    users: int = Field(ge=1, le=MOST_USERS)
    think_s: float = Field(default=0.0, ge=0, le=LONGEST_THINK_S)
    think: Literal["exponential", "constant"] = "exponential"
    rate_per_s: float | None = Field(default=None, gt=0, le=MOST_PER_S)
    arrivals: Literal["poisson", "constant"] = "poisson"
    scenarios: tuple[str, ...] = ()
    """Those that this load is for, which have no other then; all that have none of their own where empty."""


@dataclass(frozen=True, slots=True)
class LoadWishes:
    """What the command line wants of every load; None leaves the suite's own."""

    profile: Written | None = None
    users: int | None = None
    rate_per_s: float | None = None
    think_s: float | None = None


def load_of(keys: LoadKeys, where: str) -> Load:
    """Return the load of a suite's table; raises UsageError for a key that its profile lacks or has not."""
    other: Written = "closed" if keys.profile == "rate" else "rate"
    for key in _KEYS_OF[other]:
        if key in keys.model_fields_set:
            raise UsageError(
                f"is a key of the profile `{other}`, not of `{keys.profile}`",
                where=f"{where}.{key}",
                remedy=f'leave it out, or write profile = "{other}"',
            )
    if keys.profile == "rate" and keys.rate_per_s is None:
        raise UsageError("is missing", where=f"{where}.rate_per_s", remedy="add it: rate_per_s = …")
    return Load(**keys.model_dump(exclude={"scenarios"}))


def wished(load: Load, wishes: LoadWishes) -> Load:
    """Return a load with the wishes in place of its own; a rate alone asks for the profile `rate`."""
    given = load.rate_per_s if wishes.rate_per_s is None else wishes.rate_per_s
    profile = wishes.profile or ("rate" if wishes.rate_per_s is not None else load.profile)
    users = load.users if wishes.users is None else wishes.users
    if profile == "rate":
        if wishes.think_s is not None:
            raise UsageError(
                "users who follow a schedule do not think", where="--think", remedy="leave it out"
            )
        if given is None:
            raise UsageError("needs a rate", where="--profile rate", remedy="add one, such as --rate 500")
        return Load("rate", users, given, load.arrivals)
    if wishes.rate_per_s is not None:
        raise UsageError(
            "users who wait for each answer have no rate", where="--rate", remedy="leave out --profile closed"
        )
    think_s = load.think_s if wishes.think_s is None else wishes.think_s
    return Load("closed", users, think_s=think_s, think=load.think)
