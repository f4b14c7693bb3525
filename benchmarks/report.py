"""How long the report of a full run takes to build, in what memory, and how long a large chart takes to draw.

    .venv/bin/python benchmarks/report.py --out benchmarks/results/report.json

The run is made up: all variants on all scenarios in ten blocks, by `tests/report/full.py`. `webdyno report`
is a process of its own each time, after one that is not counted; the browser is Debian's chromium without a
screen.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from harness.machine.fingerprint import fingerprint

TESTS = Path(__file__).parents[1] / "tests"
MAKE = """
import sys
from pathlib import Path
from full import full_run
print(len(full_run(Path(sys.argv[1])).trials))
"""
DRAW = """
import sys
from pathlib import Path
from full import TEN_THOUSAND
from browser import viewing
with viewing(Path(sys.argv[1])) as watched:
    print(watched.page.evaluate(TEN_THOUSAND))
"""


def asked(program: str, *arguments: str) -> str:
    """Return what a program says that uses the tests' modules."""
    paths = os.pathsep.join(map(str, (TESTS, TESTS / "report")))
    command = (sys.executable, "-c", program, *arguments)
    environment = {**os.environ, "PYTHONPATH": paths}
    return subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout


def build(results: Path, out: Path) -> dict[str, float]:
    """Write the report by a process of its own; return its time and CPU time in s, its peak in MiB."""
    began = time.monotonic()
    command = (
        sys.executable,
        "-m",
        "harness",
        "report",
        "latest",
        "--results",
        str(results),
        "--out",
        str(out),
    )
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        sys.exit(f"webdyno report ended with {child.returncode}")
    return {
        "wall_s": round(time.monotonic() - began, 2),
        "cpu_s": round(used.ru_utime + used.ru_stime, 2),
        "peak_mib": round(used.ru_maxrss / 1024, 1),
    }


def main() -> None:
    """Measure; write and show what was found."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=5)
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        results, report = Path(folder, "results"), Path(folder, "report")
        trials = int(asked(MAKE, str(results)))
        build(results, report)
        built = [build(results, report) for _ in range(wanted.rounds)]
        page = report / "index.html"
        document = {
            "when": datetime.now(UTC).isoformat(timespec="seconds"),
            "cpu": fingerprint().cpu_model,
            "trials": trials,
            "page_mb": round(page.stat().st_size / 1e6, 2),
            "built": built,
            "ten_thousand_points_drawn_ms": [round(float(asked(DRAW, str(page)))) for _ in built],
        }
    text = json.dumps(document, indent=1) + "\n"
    wanted.out.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
