"""What CPUs that fall asleep between requests do to the CPU time of a request at part load.

    .venv/bin/python benchmarks/sleep.py --out benchmarks/results/sleep.json

The base variants on `history` at one rate that leaves the SUT's CPU idle for a third of the time or more, in
rounds: once as ever, once where the device that keeps CPUs awake can't be opened (Linux, as root). Per
variant it tells the mean CPU time of a request and its coefficient of variation over all valid trials. Takes
eight minutes.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean

from real_run import run

from harness.ground.stats import coefficient_of_variation
from harness.judgement.judge import measured
from harness.judgement.trials import judge_trials
from harness.machine.fingerprint import fingerprint
from harness.machine.idling import DEVICE
from harness.records.run import StoredRun

RATE_PER_S = 350
_CLOSED = f'mount --bind /{DEVICE} /{DEVICE} && mount -o remount,bind,nodev /{DEVICE} && exec "$@"'
"""In a mount namespace of its own: no device can be opened where this one is."""
PREFIX = {"awake": (), "asleep": ("unshare", "--mount", "sh", "-c", _CLOSED, "sh")}


def rows(runs: Mapping[str, Sequence[StoredRun]]) -> list[dict[str, object]]:
    """Return a row for each state of the CPUs and variant."""
    found: dict[tuple[str, str], list[float]] = {}
    for cpus, of_state in runs.items():
        for one in (measured(trial) for made in of_state for trial in judge_trials(made)):
            value = one.metrics["cpu.us_per_request"]
            if one.valid and value is not None:
                found.setdefault((one.cell.variant, cpus), []).append(value)
    return [
        {
            "variant": variant,
            "cpus": cpus,
            "trials": len(values),
            "us_per_request": fmean(values),
            "variation_percent": 100 * variation if (variation := coefficient_of_variation(values)) else None,
        }
        for (variant, cpus), values in sorted(found.items())
    ]


def main() -> None:
    """Measure; write and show what was found."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--blocks", type=int, default=2)
    parser.add_argument("--seconds", type=int, default=6)
    parser.add_argument("--out", type=Path, required=True)
    wanted = parser.parse_args()
    asked = ["--scenario", "history", "--profile", "rate", "--rate", str(RATE_PER_S), "--backend", "cgroup"]
    asked += ["--blocks", str(wanted.blocks), "--seconds", str(wanted.seconds)]
    runs: dict[str, list[StoredRun]] = {cpus: [] for cpus in PREFIX}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(wanted.rounds):
            for cpus, prefix in PREFIX.items():
                made = run(*asked, results=Path(folder, cpus), prefix=prefix)
                if made.fingerprint["cpus_awake"] is not (cpus == "awake"):
                    raise SystemExit(f"CPUs could not be {cpus} here")
                runs[cpus].append(made)
        found = rows(runs)
    document = {
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "cpu": fingerprint().cpu_model,
        "rate_per_s": RATE_PER_S,
        "window_s": wanted.seconds,
        "rows": found,
    }
    text = json.dumps(document, indent=1) + "\n"
    wanted.out.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
