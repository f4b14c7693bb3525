"""Our generator beside others, on one null SUT, in interleaved rounds.

The null SUT itself counts what arrives, so that no client's own account is believed.
"""

from __future__ import annotations

import json
import shutil
import statistics
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.ground.model import Load, Scenario, Timing
from harness.ground.observations import Assignment
from harness.ground.process import Command
from harness.lifecycle.bench import Bench
from harness.lifecycle.calibrate import NULL
from harness.lifecycle.steps import Preparing, Tell
from harness.lifecycle.sut import Sut, free_port
from harness.machine.backends.backend import Confinement, Party
from harness.machine.generator import locust_command

STOCK = {"FastHttpUser": "fast_http_user.py", "HttpUser": "http_user.py"}
"""Locust's own users, by their files in the folder of peers."""
TOOLS = ("wrk", "oha")
_SETTLE_S = 4.0
"""From a generator's start to the first reading: by then all of its users are at work."""


@dataclass(frozen=True, slots=True)
class PeerReading:
    """One generator in one round against the null SUT; requests are counted by the SUT."""

    generator: str
    users: int
    round: int
    requests_per_s: float
    cpu_us_per_request: float | None
    """Of the generator."""


@dataclass(frozen=True, slots=True)
class PeerSummary:
    """One generator over the rounds: medians, and their least and greatest."""

    generator: str
    users: int
    rounds: int
    requests_per_s: tuple[float, float, float]
    """Least, median, greatest."""
    cpu_us_per_request: tuple[float, float, float] | None
    of_wrk: float | None
    """Median of the ratios round by round to wrk's requests/s."""
    cpu_of_fast_http_user: float | None
    """Median of the ratios round by round: FastHttpUser's CPU a request over this one's."""


def compare_peers(
    bench: Bench, users: Sequence[int], rounds: int, seconds: float, peers: Path, tell: Tell
) -> Iterator[PeerReading]:
    """Let every generator that is installed drive the null SUT, in interleaved rounds.

    `peers` is the folder of the stock Locust files. One fresh SUT a reading.
    """
    there = ("webdyno", *STOCK, *(tool for tool in TOOLS if shutil.which(tool)))
    for number in range(1, rounds + 1):
        for count in users:
            for generator in there:
                tell(Preparing(f"round {number} of {rounds}: {generator}, {count} users"))
                folder = bench.folder / f"{number}-{generator}-{count}"
                folder.mkdir()
                sut = bench.start(bench.job.variants[NULL], None, port=free_port(), log=folder / "sut.log")
                try:
                    yield _reading(bench, sut, generator, count, number, seconds, peers, folder)
                finally:
                    sut.party.stop()


def _reading(
    bench: Bench, sut: Sut, generator: str, users: int, number: int, seconds: float, peers: Path, folder: Path
) -> PeerReading:
    command = _command(bench, sut.base_url, generator, users, seconds, peers, folder)
    party = bench.backend.start(
        Confinement("generator", command, bench.job.placement.generator_cpus[:1], None, unprivileged=False)
    )
    try:
        bench.clock.sleep(_SETTLE_S)
        first = _look(sut, party)
        bench.clock.sleep(seconds)
        last = _look(sut, party)
    finally:
        party.stop(grace_s=1.0)
    answered, elapsed_ns = last[0] - first[0] - 1, last[1] - first[1]
    cpu_ns = None if last[2] is None or first[2] is None else last[2] - first[2]
    return PeerReading(
        generator=generator,
        users=users,
        round=number,
        requests_per_s=answered * 1e9 / elapsed_ns,
        cpu_us_per_request=None if cpu_ns is None or not answered else cpu_ns / 1e3 / answered,
    )


def _look(sut: Sut, party: Party) -> tuple[int, int, int | None]:
    """Return what the SUT has answered so far, when that was, and the generator's CPU time."""
    with urllib.request.urlopen(f"{sut.base_url}/answered", timeout=10) as response:  # noqa: S310 - ours
        answered: int = json.load(response)["answered"]
    counters = party.look().counters
    return answered, counters.at_ns, counters.cpu_ns


def _command(
    bench: Bench, base_url: str, generator: str, users: int, seconds: float, peers: Path, folder: Path
) -> Command:
    log = folder / "generator.log"
    if generator == "webdyno":
        timing = Timing(warmup_s=0.0, window_s=_SETTLE_S + seconds + 5)
        assignment = Assignment(Load("closed", users), timing, bench.job.seed, 1, str(folder))
        return locust_command(bench.job.scenarios["hello"], base_url, assignment, log)
    total_s = round(_SETTLE_S + seconds + 5)
    url = f"{base_url}/json"
    argv = {
        "wrk": ("wrk", "-t1", f"-c{users}", f"-d{total_s}s", "--timeout", "30s", url),
        "oha": ("oha", "--no-tui", "-c", str(users), "-z", f"{total_s}s", url),
    }.get(generator)
    if argv is None:
        scenario = Scenario(
            generator, str(peers / f"{'fast_' if generator == 'FastHttpUser' else ''}http_user.py")
        )
        return locust_command(scenario, base_url, None, log, users=users)
    return Command(argv, str(folder), {"PATH": "/usr/local/bin:/usr/bin:/bin"}, str(log))


def summarise(readings: Sequence[PeerReading]) -> tuple[PeerSummary, ...]:
    """Return each generator's medians and its ratios, round by round, to wrk and to FastHttpUser."""
    by_key: dict[tuple[str, int], dict[int, PeerReading]] = {}
    for reading in readings:
        by_key.setdefault((reading.generator, reading.users), {})[reading.round] = reading
    return tuple(_summary(key, rounds, by_key) for key, rounds in by_key.items())


def _summary(
    key: tuple[str, int],
    rounds: Mapping[int, PeerReading],
    by_key: Mapping[tuple[str, int], Mapping[int, PeerReading]],
) -> PeerSummary:
    generator, users = key
    wrk, fast = by_key.get(("wrk", users), {}), by_key.get(("FastHttpUser", users), {})
    costs = [r.cpu_us_per_request for r in rounds.values() if r.cpu_us_per_request is not None]
    of_wrk = [r.requests_per_s / wrk[n].requests_per_s for n, r in rounds.items() if n in wrk]
    of_fast = [
        theirs / ours
        for n, r in rounds.items()
        if n in fast and (ours := r.cpu_us_per_request) and (theirs := fast[n].cpu_us_per_request)
    ]
    return PeerSummary(
        generator=generator,
        users=users,
        rounds=len(rounds),
        requests_per_s=_spread([r.requests_per_s for r in rounds.values()]),
        cpu_us_per_request=_spread(costs) if costs else None,
        of_wrk=statistics.median(of_wrk) if of_wrk else None,
        cpu_of_fast_http_user=statistics.median(of_fast) if of_fast else None,
    )


def _spread(values: Sequence[float]) -> tuple[float, float, float]:
    return min(values), statistics.median(values), max(values)
