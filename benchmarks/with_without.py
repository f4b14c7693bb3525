"""What a part of the instrument does to a request at part load: variants measured with it and without.

    .venv/bin/python benchmarks/with_without.py awake --out benchmarks/results/sleep.json
    .venv/bin/python benchmarks/with_without.py yardstick --out benchmarks/results/yardstick.json

The base variants on `history` at one rate that leaves the SUT's CPU idle for a third of the time or more, in
rounds: once as ever, once where the part can't be had (Linux, as root): CPUs kept awake, or the yardstick
beside the SUT. Per variant and metric it tells the mean and the coefficient of variation over all valid
trials. Takes eight minutes.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean

from real_run import run

from harness.ground.stats import coefficient_of_variation
from harness.judgement.judge import measured
from harness.judgement.trials import judge_trials
from harness.machine import piece
from harness.machine.fingerprint import fingerprint
from harness.machine.idling import DEVICE
from harness.records.run import StoredRun

RATE_PER_S = 350
METRICS = ("cpu.us_per_request", "cpu.yardsticks_per_request", "response_ms.p50", "response_ms.p99")


@dataclass(frozen=True, slots=True)
class Part:
    """What a run may have or lack."""

    hide: str
    """By a shell, in a mount namespace of its own."""
    had: Callable[[StoredRun], bool]


PARTS = {
    # No device can be opened on a file system without devices.
    "awake": Part(
        f"mount --bind /{DEVICE} /{DEVICE} && mount -o remount,bind,nodev /{DEVICE}",
        lambda made: made.fingerprint["cpus_awake"] is True,
    ),
    # An empty script does no work.
    "yardstick": Part(
        f"empty=$(mktemp) && mount --bind $empty {piece.__file__} && rm $empty",
        lambda made: any(trial.record.yardstick is not None for trial in made.trials),
    ),
}


def rows(runs: Mapping[bool, Sequence[StoredRun]]) -> list[dict[str, object]]:
    """Return a row for each metric and variant, with the part and without."""
    found: dict[tuple[str, str, bool], list[float]] = {}
    for had, of_state in runs.items():
        for one in (measured(trial) for made in of_state for trial in judge_trials(made)):
            for metric in METRICS:
                if one.valid and (value := one.metrics[metric]) is not None:
                    found.setdefault((metric, one.cell.variant, had), []).append(value)
    return [
        {
            "metric": metric,
            "variant": variant,
            "with": had,
            "trials": len(values),
            "mean": fmean(values),
            "variation_percent": 100 * variation if (variation := coefficient_of_variation(values)) else None,
        }
        for (metric, variant, had), values in sorted(found.items())
    ]


def main() -> None:
    """Measure; write and show what was found."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--blocks", type=int, default=2)
    parser.add_argument("--seconds", type=int, default=6)
    parser.add_argument("--out", type=Path, required=True)
    wanted = parser.parse_args()
    part = PARTS[wanted.part]
    asked = ["--scenario", "history", "--profile", "rate", "--rate", str(RATE_PER_S), "--backend", "cgroup"]
    asked += ["--blocks", str(wanted.blocks), "--seconds", str(wanted.seconds)]
    prefix = {True: (), False: ("unshare", "--mount", "sh", "-c", f'{part.hide} && exec "$@"', "sh")}
    runs: dict[bool, list[StoredRun]] = {had: [] for had in prefix}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(wanted.rounds):
            for had, by in prefix.items():
                made = run(*asked, results=Path(folder, str(had)), prefix=by)
                if part.had(made) is not had:
                    raise SystemExit(f"{wanted.part}: could not be {'had' if had else 'left out'} here")
                runs[had].append(made)
        found = rows(runs)
    document = {
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "cpu": fingerprint().cpu_model,
        "part": wanted.part,
        "rate_per_s": RATE_PER_S,
        "window_s": wanted.seconds,
        "rows": found,
    }
    text = json.dumps(document, indent=1) + "\n"
    wanted.out.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
