"""How often webdyno's verdicts are wrong: false ones on equal variants, missed ones on a known difference.

    .venv/bin/webdyno run --suite benchmarks/slowed/verdicts.toml --apps benchmarks/slowed --yes
    .venv/bin/python benchmarks/verdicts.py latest --out benchmarks/results/verdicts.json

The run takes 30 minutes on a quiet machine. It measures a variant, its twin, and the same variant with about
5 % more CPU a request, in 50 blocks. Real experiments are its blocks in the order of time, five or ten at a
time. Simulated ones draw blocks with replacement and swap the twins by chance, so that there is no difference
to be found; a difference is then put in by multiplying. All go through the comparison that reports use.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from scipy.stats import binomtest, skew

from harness.ground.model import Cell
from harness.judgement.comparison import HIGHER_IS_BETTER, METRICS, Measured, compare, name_of
from harness.judgement.judge import measured
from harness.judgement.trials import judge_trials
from harness.records.project import find_project
from harness.records.store import Results

EFFECT = 0.05
Block = tuple[Measured, Measured]
"""A variant's trial and its contender's of one block."""


@dataclass(frozen=True, slots=True)
class Count:
    """How many of some experiments came out in a way, with the Clopper-Pearson interval of the share."""

    hits: int
    experiments: int

    def __str__(self) -> str:
        """Return the share in % with its 95 % interval."""
        if not self.experiments:
            return "–"
        low, high = binomtest(self.hits, self.experiments).proportion_ci(0.95, "exact")
        share = self.hits / self.experiments
        return f"{100 * share:.1f} % [{100 * low:.1f}, {100 * high:.1f}] ({self.hits} of {self.experiments})"


def pairs_of(trials: Sequence[Measured], base: str, contender: str) -> list[Block]:
    """Return the blocks in which both have a valid trial, in the order of time."""
    sides = [
        {t.block: t for t in trials if t.valid and name_of(t.cell) == name} for name in (base, contender)
    ]
    return [(sides[0][block], sides[1][block]) for block in sorted(sides[0].keys() & sides[1].keys())]


def verdict(blocks: Sequence[Block], metric: str) -> tuple[str | None, float, float]:
    """Return the verdict on a metric, and its interval, of two cells that are called `a` and `b`."""
    cell = blocks[0][0].cell
    a, b = (Cell(name, cell.scenario, cell.load) for name in ("a", "b"))
    trials = [
        replace(trial, cell=name, block=number)
        for number, block in enumerate(blocks)
        for name, trial in zip((a, b), block, strict=True)
    ]
    (found,) = [one for one in compare(trials) if one.metric == metric]
    assert found.low is not None
    assert found.high is not None
    return found.verdict, found.low, found.high


def groups(blocks: Sequence[Block], size: int) -> Iterator[Sequence[Block]]:
    """Yield whole groups in the order of time."""
    return (blocks[start : start + size] for start in range(0, len(blocks) - size + 1, size))


def drawn(blocks: Sequence[Block], size: int, chance: random.Random) -> list[Block]:
    """Draw blocks with replacement, each with its sides swapped or not: no difference is left."""
    return [
        block if chance.random() < 0.5 else (block[1], block[0]) for block in chance.choices(blocks, k=size)
    ]


def worsened(block: Block, metric: str, effect: float) -> Block:
    """Return a block whose contender is worse on a metric by an effect."""
    worse = 1 / (1 + effect) if HIGHER_IS_BETTER[metric] else 1 + effect
    value = block[1].metrics[metric]
    assert value is not None
    return block[0], replace(block[1], metrics={**block[1].metrics, metric: value * worse})


def count(experiments: Iterator[bool]) -> Count:
    """Count the experiments that came out."""
    found = list(experiments)
    return Count(sum(found), len(found))


def examine(
    twins: Sequence[Block], slowed: Sequence[Block], metric: str, experiments: int, seed: int
) -> Mapping[str, object]:
    """Return everything about one metric."""
    chance = random.Random(seed)  # noqa: S311 - to be repeated, no secret
    logs = [_log_ratio(block, metric) for block in twins]

    def simulated(size: int, effect: float = 0.0) -> Iterator[tuple[str | None, float, float]]:
        for _ in range(experiments):
            yield verdict([worsened(b, metric, effect) for b in drawn(twins, size, chance)], metric)

    return {
        "blocks": len(twins),
        "noise_percent": 100 * statistics.stdev(logs),
        "skewness": float(skew(logs)),
        "real A/A, false verdicts (5 blocks)": str(
            count(verdict(group, metric)[0] != "tie" for group in groups(twins, 5))
        ),
        **{
            f"simulated A/A, false verdicts ({size} blocks)": str(
                count(v != "tie" for v, _, _ in simulated(size))
            )
            for size in (5, 10)
        },
        **{
            f"interval holds the truth ({size} blocks)": str(
                count(low <= 1 <= high for _, low, high in simulated(size))
            )
            for size in (5, 10)
        },
        "real slowed variant found (10 blocks)": str(
            count(verdict(group, metric)[0] == "slower" for group in groups(slowed, 10))
        ),
        "simulated 5 % found (10 blocks)": str(count(v == "slower" for v, _, _ in simulated(10, EFFECT))),
    }


def _log_ratio(block: Block, metric: str) -> float:
    base, contender = (side.metrics[metric] for side in block)
    assert base is not None
    assert contender is not None
    return math.log(contender / base)


def main() -> None:
    """Examine a stored run; print and write what was found."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("run")
    parser.add_argument("--experiments", type=int, default=2000)
    parser.add_argument("--results", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    wanted = parser.parse_args()
    run = Results(wanted.results or find_project(Path.cwd()).results).find(wanted.run)
    trials = [measured(trial) for trial in judge_trials(run)]
    names = dict.fromkeys(name_of(trial.cell) for trial in trials)
    twin = next(name for name in names if "#" in name)
    base = twin.partition("#")[0]
    slowed = next(name for name in names if name not in (base, twin))
    blocks = pairs_of(trials, base, twin), pairs_of(trials, base, slowed)
    found = {m: examine(*blocks, m, wanted.experiments, run.seed) for m in METRICS}
    document = {
        "run": run.id,
        "examined": datetime.now(UTC).isoformat(timespec="seconds"),
        "cpu": run.fingerprint.get("cpu_model"),
        "trials": len(trials),
        "valid_trials": sum(trial.valid for trial in trials),
        "metrics": found,
    }
    wanted.out.parent.mkdir(exist_ok=True)
    text = json.dumps(document, indent=1, ensure_ascii=False) + "\n"
    wanted.out.write_text(text)
    print(text)


if __name__ == "__main__":
    main()
