from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
import synthetic

from harness.ground.errors import EnvironmentUnfit
from harness.lifecycle.resuming import job_of
from harness.records.run import StoredRun

HERE: Mapping[str, object] = {
    "cpu_model": "Abacus 9",
    "architecture": "x86_64",
    "cpus_usable": 2,
    "memory_bytes": 4 << 30,
    "cpus_awake": True,
    "kernel": "6.1.0",
    "python": "CPython 3.11.2",
}


def begun(fingerprint: Mapping[str, object]) -> StoredRun:
    """Return a run without variants or trials that was begun on such a machine."""
    return StoredRun(
        synthetic.run().folder,
        replace(synthetic.run_record((), blocks=2), fingerprint=fingerprint),
        (),
        "incomplete",
    )


def test_a_run_goes_on_where_it_was_begun() -> None:
    """On the same machine nothing stands in a run's way, whatever its load is now."""
    assert job_of(begun({**HERE, "load_average": (0, 0, 0)}), {}, HERE).seed == 7


@pytest.mark.parametrize("name", HERE)
def test_a_run_does_not_go_on_where_its_trials_could_not_be_compared(name: str) -> None:
    """Another CPU, kernel or Python, or CPUs that sleep: refused, with what differs or was not stored."""
    unlike = {**HERE, name: None}
    with pytest.raises(EnvironmentUnfit, match=f"its {name} was {HERE[name]}, here it is None"):
        job_of(begun(HERE), {}, unlike)
    with pytest.raises(EnvironmentUnfit, match=f"its {name} was None, here it is {HERE[name]}"):
        job_of(begun({key: value for key, value in HERE.items() if key != name}), {}, HERE)
