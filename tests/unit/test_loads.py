from pathlib import Path

import pytest

from harness.ground.errors import UsageError
from harness.ground.model import Load
from harness.records.loads import LoadWishes, wished
from harness.records.plan import load_suite

HEAD = """
title = ""
variants = ["a"]
scenarios = ["b"]
blocks = 1
window_s = 1
warmup_s = 0
[[load]]
profile = "closed"
users = 1
[[load]]
"""
CLOSED = Load("closed", 10, think_s=0.5, think="constant")
RATE = Load("rate", 10, 100.0, arrivals="constant")
SEARCH = Load("capacity", 10, 100.0, slo_ms=80.0)


def loaded(folder: Path, lines: str) -> Load:
    """Return the second load of a suite."""
    path = folder / "mine.toml"
    path.write_text(f"{HEAD}{lines}\n")
    return load_suite(path).loads[1]


@pytest.mark.parametrize(
    ("lines", "load"),
    [
        ('profile = "closed"\nusers = 3', Load("closed", 3)),
        ('profile = "closed"\nusers = 3\nthink_s = 1', Load("closed", 3, think_s=1.0)),
        (
            'profile = "closed"\nusers = 3\nthink_s = 0.5\nthink = "constant"',
            Load("closed", 3, think_s=0.5, think="constant"),
        ),
        ('profile = "rate"\nusers = 3\nrate_per_s = 50', Load("rate", 3, 50.0)),
        ('profile = "capacity"\nusers = 3', Load("capacity", 3, 1000.0, slo_ms=150.0)),
        (
            'profile = "capacity"\nusers = 3\nrate_per_s = 50\nslo_ms = 20\narrivals = "constant"',
            Load("capacity", 3, 50.0, "constant", slo_ms=20.0),
        ),
        (
            'profile = "rate"\nusers = 3\nrate_per_s = 0.5\narrivals = "constant"',
            Load("rate", 3, 0.5, arrivals="constant"),
        ),
    ],
)
def test_a_load_is_read_as_it_is_written(tmp_path: Path, lines: str, load: Load) -> None:
    """Each profile's keys are taken, and what is left out is drawn from chance and without think time."""
    assert loaded(tmp_path, lines) == load


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ('profile = "rtae"\nusers = 1', "load.1.profile: .*'closed', 'rate' or 'capacity', not 'rtae'"),
        ('profile = "rate"\nusers = 1', "load.1.rate_per_s: is missing\n.*add it"),
        ('profile = "rate"\nusers = 1\nrate_per_s = 0', "load.1.rate_per_s: .*greater than 0, not '0'"),
        ('profile = "rate"\nusers = 1\nrate_per_s = nan', "load.1.rate_per_s: .*not 'nan'"),
        ('profile = "rate"\nusers = 1\nrate_per_s = inf', "load.1.rate_per_s: .*less than"),
        ('profile = "rate"\nusers = 1\nrate_per_s = 1\nthink_s = 1', "think_s: is a key of the profile `clo"),
        ('profile = "rate"\nusers = 1\nrate_per_s = 1\narrivals = "even"', "arrivals: .*'poisson' or 'const"),
        (
            'profile = "closed"\nusers = 1\nrate_per_s = 1',
            "load.1.rate_per_s: is a key of the profile `rate`",
        ),
        ('profile = "closed"\nusers = 1\narrivals = "poisson"', "arrivals: is a key of the profile `rate`"),
        (
            'profile = "closed"\nusers = 1\nthink_s = -1',
            "load.1.think_s: .*greater than or equal to 0, not '-1'",
        ),
        ('profile = "closed"\nusers = 1\nthinks = 1', "load.1.thinks: is not a key\n.*did you mean think"),
        ('profile = "closed"', "load.1.users: is missing"),
        ('profile = "rate"\nusers = 1\nrate_per_s = 1\nslo_ms = 5', "slo_ms: is a key of the profile `capa"),
        ('profile = "capacity"\nusers = 1\nslo_ms = 0', "load.1.slo_ms: .*greater than 0, not '0'"),
    ],
)
def test_a_mistake_in_a_load_is_told_with_its_place(tmp_path: Path, lines: str, says: str) -> None:
    """File, number of the load, key, and what to do."""
    with pytest.raises(UsageError, match=f"(?s)mine.toml: .*{says}"):
        loaded(tmp_path, lines)


@pytest.mark.parametrize(
    ("load", "wishes", "due"),
    [
        (CLOSED, LoadWishes(), CLOSED),
        (RATE, LoadWishes(), RATE),
        (CLOSED, LoadWishes(users=3), Load("closed", 3, think_s=0.5, think="constant")),
        (CLOSED, LoadWishes(think_s=0.0), Load("closed", 10, think="constant")),
        (CLOSED, LoadWishes(rate_per_s=50.0), Load("rate", 10, 50.0)),
        (RATE, LoadWishes(rate_per_s=50.0, users=2), Load("rate", 2, 50.0, arrivals="constant")),
        (RATE, LoadWishes(profile="rate"), RATE),
        (RATE, LoadWishes(profile="closed", think_s=1.0), Load("closed", 10, think_s=1.0)),
        (CLOSED, LoadWishes(profile="capacity"), Load("capacity", 10, 1000.0, slo_ms=150.0)),
        (SEARCH, LoadWishes(rate_per_s=9.0), Load("capacity", 10, 9.0, slo_ms=80.0)),
        (SEARCH, LoadWishes(slo_ms=30.0, users=4), Load("capacity", 4, 100.0, slo_ms=30.0)),
        (SEARCH, LoadWishes(profile="rate"), Load("rate", 10, 100.0)),
    ],
)
def test_wishes_take_the_place_of_the_suites_load(load: Load, wishes: LoadWishes, due: Load) -> None:
    """A rate alone is enough to ask for the profile; what a profile lacks is dropped with it."""
    assert wished(load, wishes) == due


@pytest.mark.parametrize(
    ("load", "wishes", "says"),
    [
        (CLOSED, LoadWishes(profile="rate"), "--profile rate: needs a rate\n.*--rate 500"),
        (CLOSED, LoadWishes(profile="closed", rate_per_s=5.0), "--rate: .*no rate\n.*leave out"),
        (CLOSED, LoadWishes(rate_per_s=5.0, think_s=1.0), "--think: .*do not think"),
        (RATE, LoadWishes(think_s=1.0), "--think: .*do not think"),
        (SEARCH, LoadWishes(think_s=1.0), "--think: .*do not think"),
        (RATE, LoadWishes(slo_ms=9.0), "--slo: is for --profile capacity, not for rate\n.*leave it out"),
    ],
)
def test_wishes_that_contradict_are_told(load: Load, wishes: LoadWishes, says: str) -> None:
    """A flag that the profile has no use for is named, and nothing is dropped in silence."""
    with pytest.raises(UsageError, match=f"(?s)^{says}") as caught:
        wished(load, wishes)
    assert caught.value.remedy
