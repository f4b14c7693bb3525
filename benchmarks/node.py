"""Starlette beside Node's own http server, whose equal the article says it is.

    .venv/bin/python benchmarks/node.py --out benchmarks/results/node.json

One run of both on `validate` with half a CPU each; the ratio of their requests/s is paired by block. With a
whole one Node's server takes more than one CPU of a generator can ask for. Takes three minutes.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from real_run import run

from harness.judgement.judge import judge
from harness.machine.fingerprint import fingerprint

NODE, STARLETTE = "node-http", "starlette-uvicorn"
CPUS = "0.5"


def main() -> None:
    """Measure; write and show what was found."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--blocks", type=int, default=5)
    parser.add_argument("--out", type=Path, required=True)
    wanted = parser.parse_args()
    both = ("--variant", NODE, "--variant", STARLETTE, "--scenario", "validate")
    caps = ("--cpus", CPUS, "--backend", "cgroup")
    with tempfile.TemporaryDirectory() as folder:
        summary = judge(run(*both, *caps, "--blocks", str(wanted.blocks), results=Path(folder)))
    (pair,) = [
        one
        for one in summary.comparisons
        if (one.base, one.contender, one.metric) == (NODE, STARLETTE, "requests_per_s")
    ]
    rates = {cell.variant.label: cell.requests_per_s for cell in summary.cells if not cell.variant.replica}
    document = {
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "cpu": fingerprint().cpu_model,
        "cpus": float(CPUS),
        "blocks": pair.blocks,
        "requests_per_s": {name: None if rate is None else rate.value for name, rate in rates.items()},
        "starlette_over_node": {"ratio": pair.ratio, "low": pair.low, "high": pair.high},
    }
    text = json.dumps(document, indent=1) + "\n"
    wanted.out.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
