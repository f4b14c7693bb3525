"""How well runs agree: requests/s, closed, and CPU time a request at one rate, in µs and in yardsticks.

    .venv/bin/python benchmarks/repeatability.py --out benchmarks/results/repeatability.json

The same runs, several times, minutes apart: the base variants on a scenario, closed, then all at one rate,
the same each time: a share of a capacity that is found anew is not. Per variant it tells the runs' figures,
how far they are apart (greatest over least), and the coefficient of variation of all trials; per pair of
variants the runs' ratios, paired by block, and how far these are apart. Takes ten minutes a time.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from operator import attrgetter
from pathlib import Path

from real_run import run

from harness.ground.stats import coefficient_of_variation
from harness.judgement.judge import judge, measured
from harness.judgement.trials import judge_trials
from harness.machine.fingerprint import fingerprint
from harness.records.run import StoredRun
from harness.records.summary import Figure

WHAT = (
    ("closed", "requests_per_s"),
    ("rate", "cpu.us_per_request"),
    ("rate", "cpu.yardsticks_per_request"),
)
"""The metrics that are said to repeat, each after its profile."""


def rows(runs: Sequence[StoredRun]) -> list[dict[str, object]]:
    """Return a row for each metric and variant."""
    found: list[dict[str, object]] = []
    trials = [measured(one) for made in runs for one in judge_trials(made)]
    for profile, metric in WHAT:
        for variant in sorted({one.cell.variant for one in trials}):
            means = [_mean(made, profile, metric, variant) for made in runs if _has(made, profile)]
            each = [
                value
                for one in trials
                if (one.cell.load.profile, one.cell.variant, one.valid) == (profile, variant, True)
                if (value := one.metrics[metric]) is not None
            ]
            known = [mean for mean in means if mean is not None]
            variation = coefficient_of_variation(each)
            found.append(
                {
                    "profile": profile,
                    "metric": metric,
                    "variant": variant,
                    "runs": means,
                    "apart_percent": _apart(known),
                    "trials": len(each),
                    "variation_percent": None if variation is None else 100 * variation,
                }
            )
    return found


def pairs(runs: Sequence[StoredRun]) -> list[dict[str, object]]:
    """Return a row for each metric and pair of variants, twins left out."""
    ratios: dict[tuple[str, str, str, str], list[float]] = {}
    for made in runs:
        for one in judge(made).comparisons:
            asked = (one.load.profile, one.metric)
            if one.ratio is None or asked not in WHAT or "#" in one.base + one.contender:
                continue
            ratios.setdefault((*asked, one.base, one.contender), []).append(one.ratio)
    return [
        {
            "profile": profile,
            "metric": metric,
            "base": base,
            "contender": contender,
            "ratios": known,
            "apart_percent": _apart(known),
        }
        for (profile, metric, base, contender), known in ratios.items()
    ]


def _apart(known: Sequence[float]) -> float | None:
    """Return by how many percent the greatest exceeds the least."""
    return 100 * (max(known) / min(known) - 1) if known else None


def _has(made: StoredRun, profile: str) -> bool:
    """Tell whether a run measured under a profile."""
    return any(cell.load.profile == profile for cell in judge(made).cells)


def _mean(made: StoredRun, profile: str, metric: str, variant: str) -> float | None:
    """Return a run's figure of a variant, twins left out."""
    for cell in judge(made).cells:
        if (cell.load.profile, cell.variant.label) == (profile, variant):
            figure: Figure | None = attrgetter(metric)(cell)
            return None if figure is None else figure.value
    return None


def main() -> None:
    """Measure; write and show what was found."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--scenario", default="history")
    parser.add_argument("--rate", type=float, default=200.0)
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--blocks", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=12)
    parser.add_argument("--out", type=Path, required=True)
    wanted = parser.parse_args()
    asked = ["--scenario", wanted.scenario, "--backend", "cgroup"]
    asked += ["--blocks", str(wanted.blocks), "--seconds", str(wanted.seconds)]
    runs: list[StoredRun] = []
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(wanted.times):
            runs.append(run(*asked, "--profile", "closed", results=Path(folder)))
            runs.append(run(*asked, "--rate", str(wanted.rate), results=Path(folder)))
            document = {
                "when": datetime.now(UTC).isoformat(timespec="seconds"),
                "cpu": fingerprint().cpu_model,
                "scenario": wanted.scenario,
                "rate_per_s": wanted.rate,
                "blocks": wanted.blocks,
                "window_s": wanted.seconds,
                "rows": rows(runs),
                "pairs": pairs(runs),
            }
            text = json.dumps(document, indent=1) + "\n"
            wanted.out.write_text(text, encoding="utf-8")  # each run is kept, should a later one fail
    print(text)


if __name__ == "__main__":
    main()
