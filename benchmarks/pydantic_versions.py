"""Pydantic 2 beside Pydantic 1, both as pip installs them: how much faster it validates.

    .venv/bin/python benchmarks/pydantic_versions.py --out benchmarks/results/pydantic.json

The article says 5 to 10 times. Two processes on one CPU, one for each version, take turns; who begins a round
is second in the next. `two_over_one` is the ratio of the rates (2 ÷ 1) on the article's own request,
`order` that on nested models without e-mail address and URLs, whose checks are other libraries' work. A
round's figure is the mean CPU time of a request. Takes two minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from harness.ground.stats import mean_interval, paired_ratio
from harness.machine.fingerprint import fingerprint

VERSIONS = {"one": "pydantic[email]==1.10.24", "two": "pydantic[email]==2.14.3"}
MODELS = ("article", "order")


def start(version: str, folder: Path) -> subprocess.Popen[str]:
    """Install one version into an environment of its own, and start what validates there."""
    uv = Path(sys.executable).with_name("uv")
    python = folder / version / "bin" / "python"
    subprocess.run((uv, "venv", "-q", "--python", sys.executable, folder / version), check=True)
    subprocess.run((uv, "pip", "install", "-q", "--python", python, VERSIONS[version]), check=True)
    script = Path(__file__).with_name("pydantic") / "validating.py"
    return subprocess.Popen((python, "-I", script), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def ask(process: subprocess.Popen[str], model: str) -> float:
    """Return one round's µs a request."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{model}\n")
    process.stdin.flush()
    return float(process.stdout.readline())


def main() -> None:
    """Measure; write and show what was found."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--out", type=Path, required=True)
    wanted = parser.parse_args()
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    load_before = os.getloadavg()[0]
    found = {model: {version: list[float]() for version in VERSIONS} for model in MODELS}
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        processes = {version: stack.enter_context(start(version, Path(folder))) for version in VERSIONS}
        installed = {
            version: (each.stdout or sys.stdin).readline().strip() for version, each in processes.items()
        }
        for number in range(wanted.rounds + 1):
            for model in MODELS:
                for version in VERSIONS if number % 2 else reversed(VERSIONS):
                    took = ask(processes[version], model)
                    if number:  # the first round is thrown away
                        found[model][version].append(took)
        for each in processes.values():
            assert each.stdin is not None
            each.stdin.close()
    ratios = {model: asdict(paired_ratio(found[model]["two"], found[model]["one"])) for model in MODELS}
    document = {
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {
            "cpu": fingerprint().cpu_model,
            "python": sys.version.split()[0],
            "load_before": round(load_before, 2),
            "load_after": round(os.getloadavg()[0], 2),
        },
        "versions": installed,
        "rounds": wanted.rounds,
        "cpu_us_a_request": {
            model: {version: asdict(mean_interval(each)) for version, each in found[model].items()}
            for model in MODELS
        },
        "two_over_one": ratios["article"],
        "order_two_over_one": ratios["order"],
    }
    text = json.dumps(document, indent=1) + "\n"
    wanted.out.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
