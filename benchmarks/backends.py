"""The backend `docker` beside `cgroup`: how their figures for the same variants differ.

    make PYTHON=python3.13 .venv/ready
    .venv/bin/python benchmarks/backends.py --out benchmarks/results/backends.json

Each round is a run of one block with either backend; who begins one is second in the next, and both have the
same seed. The harness's own Python must be of the image's version (3.13), since variants are started by it
without containers. A ratio is docker ÷ cgroup over the rounds. Takes two minutes a round.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from real_run import run

from harness.ground.stats import paired_ratio
from harness.judgement.comparison import name_of
from harness.judgement.judge import measured
from harness.judgement.trials import judge_trials
from harness.machine.fingerprint import fingerprint
from harness.records.run import StoredRun

BACKENDS = ("cgroup", "docker")
METRICS = ("requests_per_s", "cpu.us_per_request", "memory_mib.mean")
Figures = dict[tuple[str, str], dict[str, float | None]]
"""By scenario and variant: the metrics of a valid trial."""


def figures(made: StoredRun) -> tuple[Figures, dict[str, str]]:
    """Return a run's figures, and the version of Python that each variant ran on."""
    judged = judge_trials(made)
    records = [one.stored.record for one in judged]
    found: Figures = {}
    for one in judged:
        trial = measured(one)
        if trial.valid:
            key = trial.cell.scenario, name_of(trial.cell)
            found[key] = {metric: trial.metrics[metric] for metric in METRICS}
    return found, {record.cell.variant: record.versions["python"] for record in records}


def compared(rounds: Sequence[dict[str, Figures]]) -> list[dict[str, object]]:
    """Return a row for each scenario, variant and metric, over the rounds in which both are valid."""
    rows: list[dict[str, object]] = []
    for key in rounds[0]["cgroup"]:
        both = [each for each in rounds if all(key in each[backend] for backend in BACKENDS)]
        for metric in METRICS:
            sides = [[value for each in both if (value := each[b][key][metric])] for b in BACKENDS]
            ratio = paired_ratio(*sides)
            row = {"scenario": key[0], "variant": key[1], "metric": metric, "rounds": len(sides[0])}
            rows.append({**row, "docker_over_cgroup": ratio.ratio, "low": ratio.low, "high": ratio.high})
            rows[-1].update(zip(BACKENDS, sides, strict=True))
    return rows


def main() -> None:
    """Measure; write and show what was found."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=6)
    parser.add_argument("--scenario", action="append")
    parser.add_argument("--out", type=Path, required=True)
    wanted = parser.parse_args()
    chosen = wanted.scenario or ["hello", "history"]
    scenarios = [word for scenario in chosen for word in ("--scenario", scenario)]
    rounds: list[dict[str, Figures]] = []
    versions: dict[str, dict[str, str]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(wanted.rounds):
            found: dict[str, Figures] = {}
            for backend in BACKENDS if number % 2 else reversed(BACKENDS):
                asked = ("--backend", backend, "--blocks", "1", "--seed", str(number), *scenarios)
                made = run(*asked, "--seconds", str(wanted.seconds), results=Path(folder))
                found[backend], versions[backend] = figures(made)
            rounds.append(found)
            document = {
                "when": datetime.now(UTC).isoformat(timespec="seconds"),
                "cpu": fingerprint().cpu_model,
                "python": versions,
                "rows": compared(rounds),
            }
            text = json.dumps(document, indent=1) + "\n"
            wanted.out.write_text(text, encoding="utf-8")  # each round is kept, should a later one fail
    print(text)


if __name__ == "__main__":
    main()
