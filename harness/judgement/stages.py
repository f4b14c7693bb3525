"""What a run measures next: each kind of later stage asked in turn. Pure."""

from __future__ import annotations

from harness.ground.model import Stage
from harness.judgement import capacity, equal_load
from harness.records.run import StoredRun


def next_stage(run: StoredRun) -> Stage | None:
    """Return the stage that follows from what a run has measured; None where none does."""
    return capacity.next_stage(run) or equal_load.next_stage(run)
