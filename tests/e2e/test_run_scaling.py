"""A run over users and CPU caps: the caps hold, row by row, and what was measured is told as curves."""

import json
from pathlib import Path
from typing import Any

import pytest
from parties import as_root
from running import APPS, Home

pytestmark = [as_root, pytest.mark.slow, pytest.mark.alone]
USERS = (2, 8, 128)
CAPS = {"plain": 1.0, "plain[cpus=0.1]": 0.1, "plain[cpus=0.15]": 0.15}
"""Those of the capped rows are less than many users would use: 0.18 CPUs, where the machine is quick."""
SUITE = """
title = "Users and caps."
variants = ["plain"]
scenarios = ["hello"]
blocks = 1
window_s = 2
warmup_s = 0.5
[[load]]
profile = "closed"
users = 2
[[load]]
profile = "closed"
users = 8
[[load]]
profile = "closed"
users = 128
[[matrix]]
variants = ["plain"]
settings.cpus = [0.1, 0.15]
"""


def window_cores(trial: dict[str, Any]) -> float:
    """Return the CPUs that the SUT used over its window, by the kernel's counter."""
    (sut,) = [usage for usage in trial["usage"] if usage["party"] == "sut"]
    start, end = sut["start"], sut["end"]
    return float(end["cpu_ns"] - start["cpu_ns"]) / float(end["at_ns"] - start["at_ns"])


def alone(trial: dict[str, Any]) -> bool:
    """Tell whether so little else ran, here and on the host, that the SUT's cap was there to be used."""
    host = trial["host"]
    lost_ns = host["foreign_ns"] + (host["steal_ns"] or 0)
    stalled_ns = max(one["stall_max_ns"] for one in trial["watch"])
    return bool(lost_ns < 0.2 * host["elapsed_ns"] and stalled_ns < 100e6)


@pytest.mark.timeout(300)
def test_each_row_has_its_own_cap(tmp_path: Path) -> None:
    """No row uses more than its cap, many users use a small one up, and a curve has each as a level."""
    home = Home(tmp_path)
    (home.folder / "tiny.toml").write_text(SUITE)
    with home.start(
        "run", "--suite", "tiny.toml", "--apps", str(APPS), "--yes", "--cpus", "1", "--json"
    ) as command:
        ended = command.end(bound_s=240)
    assert ended.output, ended.complaint  # the status is 4 where the machine is too busy to measure
    (run,) = home.folders()
    trials = [json.loads(path.read_bytes()) for path in run.glob("trials/*/trial.json")]
    assert len(trials) == len(USERS) * len(CAPS)
    for trial in trials:
        name, cap = trial["cell"]["variant"], CAPS[trial["cell"]["variant"]]
        assert trial["caps_enforced"], name
        assert window_cores(trial) <= 1.15 * cap, name  # the kernel ends a turn within a tick of its quota
        if cap < 1 and trial["cell"]["load"]["users"] == USERS[-1] and alone(trial):
            assert window_cores(trial) >= 0.8 * cap, name  # of so many users the cap is what bounds them
    summary = json.loads(ended.output)
    for cell in summary["cells"]:
        label = cell["variant"]["label"]
        assert cell["variant"]["cpus"] == (None if label == "plain" else CAPS[label])
        if cell["valid_trials"]:
            assert cell["cpu"]["percent_of_cap"]["value"] <= 115
            expected = 100 * cell["cpu"]["cores"]["value"] / CAPS[label]
            assert cell["cpu"]["percent_of_cap"]["value"] == pytest.approx(expected, rel=1e-4)
    curves = {(one["variant"], one["varied"], one["load"]["users"]): one for one in summary["scaling"]}
    assert set(curves) == {
        *((name, "users", USERS[-1]) for name in CAPS),
        *(("plain", "cpus", users) for users in USERS),
    }
    for (_, varied, _), curve in curves.items():
        due = [float(users) for users in USERS] if varied == "users" else sorted(CAPS.values())
        assert [point["level"] for point in curve["points"]] == due
        assert curve["fit"] is None
        assert "6 are needed" in curve["no_fit"] or curve["no_fit"] == "no level has a valid trial"
    shown = home.do("show").output
    assert "hello (closed, 2 to 128 users): Scaling" in shown
    report = home.do("report", "--format", "csv").output
    assert "scaling.csv" in report
