"""A run whose second stage follows from its first, whole and interrupted."""

import json
import signal
from pathlib import Path
from typing import Any

import pytest
from parties import as_root
from running import Home

pytestmark = [as_root, pytest.mark.slow, pytest.mark.alone]
SUITE = """
title = "What each can do, then both at one rate."
variants = ["plain"]
aa = ["hello"]
scenarios = ["hello"]
blocks = 2
window_s = 1
warmup_s = 0.5
equal_load = 0.5
[[load]]
profile = "closed"
users = 20
"""


def stages_of(home: Home) -> list[dict[str, Any]]:
    """Return the stages that a run's plan has by now."""
    (folder,) = home.folders()
    stages = json.loads((folder / "run.json").read_text())["stages"]
    assert isinstance(stages, list)
    return stages


def test_an_interrupted_stage_goes_on_at_the_rate_that_it_began_with(tmp_path: Path) -> None:
    """Both twins at half of the slower's rate; after Ctrl-C amid it, resume does what is missing."""
    home = Home(tmp_path)
    (home.folder / "tiny.toml").write_text(SUITE)
    with home.run() as command:
        command.await_said("equal load")
        command.await_load()
        command.signal(signal.SIGINT)
        assert command.end().status == 130
    first, second = stages_of(home)
    planned = {trial["cell"]["load"]["rate_per_s"] for trial in second["trials"]}
    assert len(first["trials"]) == len(second["trials"]) == 4
    assert len(planned) == 1
    ended = home.do("resume", "--yes")
    assert ended.status in (0, 4), ended  # 4 where the machine is busy, and its schedule late
    assert not home.do("show", "--json").complaint
    assert stages_of(home) == [first, second]
    (folder,) = home.folders()
    cells = json.loads((folder / "summary.json").read_text())["cells"]
    closed = [cell["requests_per_s"]["value"] for cell in cells if cell["load"]["profile"] == "closed"]
    at_one_rate = [cell for cell in cells if cell["load"]["profile"] == "rate"]
    (rate,) = planned
    assert rate == pytest.approx(min(closed) / 2, rel=0.01)
    assert [cell["variant"]["replica"] for cell in at_one_rate] == [0, 1]
    for cell in at_one_rate:
        assert cell["trials"] == 2
        if cell["valid_trials"]:
            assert cell["requests_per_s"]["value"] == pytest.approx(rate, rel=0.3)
    assert home.left(set()) == []
