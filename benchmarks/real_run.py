"""A run of webdyno, for benchmarks that compare several."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from harness.ground.errors import VariantFailed
from harness.records.run import StoredRun
from harness.records.store import Results


def run(*arguments: str, results: Path, prefix: Sequence[str] = ()) -> StoredRun:
    """Measure once; of invalid trials the others count. Ends with the exit code where it can't be done."""
    webdyno = Path(sys.executable).with_name("webdyno")
    command = [*prefix, str(webdyno), "run", *arguments, "--results", str(results)]
    print(*command, file=sys.stderr)
    ended = subprocess.run(command, check=False, stdout=subprocess.DEVNULL)
    if ended.returncode not in (0, VariantFailed.exit_code):
        raise SystemExit(ended.returncode)
    return Results(results).find("latest")
