"""What every command that starts variants insists on."""

from __future__ import annotations

from dataclasses import replace

import pytest
import synthetic

from harness.cli.holding import insist_on_caps, wished
from harness.ground.errors import UsageError


def test_a_cap_beyond_the_runs_is_refused() -> None:
    """A row may have all that the run has, and no more; one message says which, and what to do."""
    rows = [replace(synthetic.variant(f"v[cpus={cpus}]"), cpus=cpus) for cpus in (None, 0.5, 1.0, 1.01)]
    insist_on_caps(rows[:3], synthetic.PLACEMENT)
    with pytest.raises(UsageError, match=r"(?s)v\[cpus=1\.01\]: 1\.01 CPUs are wanted, and 1 is .*--cpus"):
        insist_on_caps(rows, synthetic.PLACEMENT)


def test_a_name_that_another_checkout_has_too_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """Who names what `--apps` has as well is told what the other is called, unless both are named."""
    known = {name: synthetic.variant(name) for name in ("v", "v~own", "vv~own")}
    wished(["v", "v~own"], known)
    assert capsys.readouterr().err == ""
    wished(["v"], known)
    assert (
        capsys.readouterr().err == f"v is this checkout's own; the one in {known['v~own'].folder} is v~own\n"
    )
