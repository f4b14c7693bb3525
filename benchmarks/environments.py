"""How long it takes to make the environments of all variants from nothing, and how much room they need.

    .venv/bin/python benchmarks/environments.py --out benchmarks/results/environments.json

Installers and variants' setups run as before any run, into an empty cache that is removed afterwards. A file
that several environments share by hard links counts once, and what installers keep for the next time, too.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from harness.cli.holding import hold, placement_here
from harness.ground.clock import SystemClock
from harness.ground.model import NO_FRAMEWORK, Timing
from harness.lifecycle.bench import Job
from harness.lifecycle.steps import Preparing, Step
from harness.machine.fingerprint import fingerprint
from harness.records.project import find_project


def size_bytes(folder: Path) -> int:
    """Return the room that a folder takes on disk, each file once however many names it has."""
    seen: dict[tuple[int, int], int] = {}
    for parent, _, names in os.walk(folder):
        for name in names:
            facts = os.lstat(Path(parent, name))
            seen[facts.st_dev, facts.st_ino] = facts.st_blocks * 512
    return sum(seen.values())


def main() -> None:
    """Measure; write and show what was found."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    wanted = parser.parse_args()
    project, clock = find_project(Path.cwd()), SystemClock()
    variants = {name: one for name, one in project.variants().items() if one.framework != NO_FRAMEWORK}
    began: list[tuple[float, str]] = []

    def tell(step: Step) -> None:
        if isinstance(step, Preparing):
            began.append((clock.now_ns() / 1e9, step.text))

    with tempfile.TemporaryDirectory() as cache:
        Path(cache).chmod(0o755)  # as the cache is that variants read
        os.environ["WEBDYNO_CACHE"] = cache
        job = Job("environments", variants, {}, placement_here(None, None), Timing(0, 1), seed=0)
        start = clock.now_ns()
        with hold(project, job, tell):
            took_s = (clock.now_ns() - start) / 1e9
        document = {
            "when": datetime.now(UTC).isoformat(timespec="seconds"),
            "cpu": fingerprint().cpu_model,
            "variants": len(variants),
            "seconds": round(took_s, 1),
            "size_mb": round(size_bytes(Path(cache)) / 1e6),
            "steps": [
                {"seconds": round(end - at, 1), "what": what}
                for (at, what), (end, _) in zip(began, [*began[1:], (start / 1e9 + took_s, "")], strict=True)
            ],
        }
    text = json.dumps(document, indent=1) + "\n"
    wanted.out.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
