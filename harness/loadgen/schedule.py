"""When the requests of an open load are meant to be sent."""

from __future__ import annotations

import random
from collections.abc import Iterator

from harness.ground.model import Load


def intended_times(source: random.Random, opened_ns: int, load: Load, place: int) -> Iterator[int]:
    """Yield one user's moments in ns, without end; `place` is its number among all users.

    `poisson`: a Poisson process of the user's share of the rate; the sum of the users' independent
    processes is one of the whole rate (superposition). `constant`: equal steps, the users in turn.
    Either way nobody's moments wait for anybody's answers.
    """
    assert load.rate_per_s is not None
    step_ns = load.users / load.rate_per_s * 1e9
    due_ns = float(opened_ns)
    if load.arrivals == "constant":
        due_ns -= step_ns * (1 - (place + 1) / load.users)
    while True:
        due_ns += step_ns * (source.expovariate(1.0) if load.arrivals == "poisson" else 1.0)
        yield int(due_ns)
