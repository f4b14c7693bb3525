"""webdyno's load engine beside wrk and a raw-epoll client, where the system under test is the limit.

    .venv/bin/python benchmarks/sut_bound.py --rounds 5 --out benchmarks/results/sut-bound.json

Interleaved rounds, a fresh SUT a reading, SUT and client on a core each. All clients send the same bytes,
since a server in Python pays for each header. At 64 connections the reference is wrk; at 1000 it is
`raw_epoll.py`, because wrk has no barrier. The reference runs twice a round, so that its agreement with
itself stands beside. Needs wrk, and takes about 20 minutes.

wrk adds times that nobody measured ("correction of coordinated omission", `stats_correct` in its
`stats.c`), and more of them the wider the times are spread. The same are added to webdyno's times before
these are compared with wrk's; the line "webdyno, as measured" has them without.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydantic import TypeAdapter

from harness.cli.holding import hold, placement_here
from harness.ground.clock import SystemClock
from harness.ground.histogram import Histogram, index_of, read_log, value_of
from harness.ground.model import Load, Timing
from harness.ground.observations import Assignment, GeneratorRecord
from harness.ground.process import Command
from harness.lifecycle.bench import Bench, Job
from harness.lifecycle.sut import free_port
from harness.machine.backends.backend import Confinement
from harness.machine.fingerprint import fingerprint
from harness.machine.generator import locust_command
from harness.records.project import find_project

VARIANTS = ("fastapi-uvicorn", "flask-gunicorn", "django-gunicorn")
WARMUP_S, WINDOW_S = 2.0, 8.0
HEADERS = ("User-Agent: webdyno", "Accept: */*")
"""As webdyno sends them; `raw_epoll.py` does too."""
HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Reading:
    """One client on one fresh SUT."""

    round: int
    variant: str
    connections: int
    client: str
    requests_per_s: float
    p50_ms: float
    p99_ms: float


Figures = tuple[float, float, float]
"""Requests/s, p50 and p99 in ms."""


def webdyno(bench: Bench, base_url: str, connections: int, folder: Path) -> dict[str, Figures]:
    """Measure by the load engine."""
    assignment = Assignment(Load("closed", connections), Timing(WARMUP_S, WINDOW_S), 1, 1, str(folder))
    run(bench, locust_command(bench.job.scenarios["hello"], base_url, assignment, folder / "log"))
    record = TypeAdapter(GeneratorRecord).validate_json((folder / "load.json").read_bytes())
    assert record.load.errors == 0, record.load.first_errors
    window = [i for i in read_log((folder / "latency.hlog").read_text()) if i.start_s >= 0]
    times = Histogram.merge(i.histogram for i in window if i.tag.startswith("response"))
    rate = record.load.requests / WINDOW_S
    if REFERENCE[connections] == "raw epoll":
        return {"webdyno": figures(rate, times)}
    interval_us = WINDOW_S * 1e6 // (record.load.requests // connections)
    corrected = as_wrk_counts(times, interval_us)
    return {"webdyno": figures(rate, corrected), "webdyno, as measured": figures(rate, times)}


def figures(rate: float, times: Histogram) -> Figures:
    """Return what is compared."""
    p50, p99 = times.percentile_ms(50), times.percentile_ms(99)
    assert p50 is not None
    assert p99 is not None
    return rate, p50, p99


def as_wrk_counts(times: Histogram, interval_us: float) -> Histogram:
    """Add to each time of two intervals or more the shorter ones, an interval apart, that wrk adds to it."""
    counts = list(times.counts)
    for index, count in times.nonzero():
        time_us = value_of(index)
        added_us = time_us - interval_us
        while time_us >= 2 * interval_us and added_us > interval_us:
            counts[index_of(int(added_us))] += count
            added_us -= interval_us
    return Histogram.of(counts)


def wrk(bench: Bench, base_url: str, connections: int, folder: Path) -> dict[str, Figures]:
    """Measure by wrk; its warm-up is a run of its own."""
    for seconds in (WARMUP_S, WINDOW_S):
        log = folder / f"wrk-{seconds:g}"
        argv: tuple[str, ...] = (
            "wrk",
            "-t1",
            f"-c{connections}",
            f"-d{seconds:g}s",
            "--latency",
            "--timeout",
            "30s",
        )
        argv += tuple(word for header in HEADERS for word in ("-H", header))
        run(bench, Command((*argv, f"{base_url}/json"), str(folder), {"PATH": "/usr/bin:/bin"}, str(log)))
    text = log.read_text()
    rate = re.search(r"Requests/sec:\s+([\d.]+)", text)
    assert rate is not None, text
    return {"wrk": (float(rate[1]), wrk_time(text, "50"), wrk_time(text, "99"))}


def wrk_time(text: str, percent: str) -> float:
    """Return one line of wrk's latency distribution in ms."""
    found = re.search(rf"^\s+{percent}%\s+([\d.]+)(us|ms|s)$", text, re.MULTILINE)
    assert found is not None, text
    return float(found[1]) * {"us": 1e-3, "ms": 1.0, "s": 1e3}[found[2]]


def raw_epoll(bench: Bench, base_url: str, connections: int, folder: Path) -> dict[str, Figures]:
    """Measure by the small client."""
    log = folder / "raw"
    script = (sys.executable, str(HERE / "raw_epoll.py"), f"{base_url}/json")
    argv = (*script, str(connections), str(WARMUP_S), str(WINDOW_S))
    run(bench, Command(argv, str(folder), {"PATH": "/usr/bin:/bin"}, str(log)))
    found = json.loads(log.read_text())
    return {"raw epoll": (found["requests_per_s"], found["p50_ms"], found["p99_ms"])}


CLIENTS = {"webdyno": webdyno, "wrk": wrk, "raw epoll": raw_epoll}
REFERENCE = {64: "wrk", 1000: "raw epoll"}


def run(bench: Bench, command: Command) -> None:
    """Run a client on the generator's core to its end."""
    confinement = Confinement(
        "generator", command, bench.job.placement.generator_cpus, None, unprivileged=False
    )
    party = bench.backend.start(confinement)
    try:
        while party.look().exit is None:
            bench.clock.sleep(0.1)
    finally:
        party.stop()


def readings(bench: Bench, rounds: int, connections: Sequence[int]) -> Iterator[Reading]:
    """Yield every reading, in interleaved rounds."""
    for number in range(1, rounds + 1):
        for count in connections:
            reference = REFERENCE[count]
            for variant in VARIANTS:
                for client, again in (("webdyno", ""), (reference, ""), (reference, " again")):
                    with tempfile.TemporaryDirectory(prefix="webdyno-") as folder:
                        log = Path(folder) / "sut.log"
                        sut = bench.start(bench.job.variants[variant], None, port=free_port(), log=log)
                        try:
                            found = CLIENTS[client](bench, sut.base_url, count, Path(folder))
                        finally:
                            sut.party.stop()
                    for name, each in found.items():
                        reading = Reading(number, variant, count, f"{name}{again}", *each)
                        print(reading, file=sys.stderr)
                        yield reading


def table(found: Sequence[Reading]) -> str:
    """Return medians, and the medians of the ratios to the reference with their least and greatest."""
    lines = [
        "| variant | connections | client | requests/s | p50 ms | p99 ms | rate ÷ its | p50 ÷ | p99 ÷ |",
        "| --- | ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    keys = dict.fromkeys((r.variant, r.connections, r.client) for r in found)
    for variant, count, client in keys:
        key = (variant, count, client)
        mine = [r for r in found if (r.variant, r.connections, r.client) == key]
        theirs = {
            r.round: r
            for r in found
            if (r.variant, r.connections, r.client) == (variant, count, REFERENCE[count])
        }
        cells = [f"{statistics.median(getattr(r, name) for r in mine):.1f}" for name in FIGURES]
        for name in FIGURES:
            each = sorted(getattr(r, name) / getattr(theirs[r.round], name) for r in mine)
            cells.append(f"{statistics.median(each):.3f} ({each[0]:.3f} to {each[-1]:.3f})")
        lines.append(f"| {variant} | {count} | {client} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


FIGURES = ("requests_per_s", "p50_ms", "p99_ms")


def main() -> None:
    """Measure, write the readings and the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--connections", type=int, nargs="*", default=list(REFERENCE), choices=list(REFERENCE)
    )
    parser.add_argument("--out", type=Path, required=True)
    wanted = parser.parse_args()
    project = find_project(Path.cwd())
    job = Job(
        run=f"{SystemClock().utc():%Y%m%d-%H%M%S}-benchmark",
        variants={name: project.variants()[name] for name in VARIANTS},
        scenarios={"hello": project.scenarios()["hello"]},
        placement=placement_here(1, None),
        timing=Timing(WARMUP_S, WINDOW_S),
        seed=1,
    )
    with hold(project, job, lambda step: print(step, file=sys.stderr)) as bench:
        found = list(readings(bench, wanted.rounds, wanted.connections))
    machine = asdict(fingerprint())
    wanted.out.parent.mkdir(exist_ok=True)
    wanted.out.write_text(
        json.dumps(
            {
                "when": datetime.now(UTC).isoformat(timespec="seconds"),
                "machine": {"cpu": machine.get("cpu_model"), "python": sys.version.split()[0]},
                "readings": [asdict(reading) for reading in found],
            },
            indent=1,
        )
        + "\n"
    )
    wanted.out.with_suffix(".md").write_text(table(found))
    print(table(found))


if __name__ == "__main__":
    main()
