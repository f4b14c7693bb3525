"""Runs at a given rate, from the suite to the report: one that is kept, and one far above what is served."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from parties import as_root
from running import Ended, Home

pytestmark = [as_root, pytest.mark.slow, pytest.mark.alone]
SUITE = """
title = "Two rates."
variants = ["plain"]
scenarios = ["hello"]
blocks = 3
window_s = 3
warmup_s = 0.5
[[load]]
profile = "rate"
rate_per_s = 100
users = 40
[[load]]
profile = "rate"
rate_per_s = 3000
arrivals = "constant"
users = 5
"""


RULES_BROKEN = {"rate-not-reached": "invalid", "send-lag": "invalid"}
"""By the rate that is far above what is served: requests queue in the generator."""


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Home, Ended]]:
    """Run both rates; each answer takes 10 ms, so five connections carry 500 requests/s at most."""
    home = Home(tmp_path_factory.mktemp("rate"))
    (home.folder / "tiny.toml").write_text(SUITE)
    with home.run() as command:
        yield home, command.end()


def cell_of(home: Home, rate: float) -> dict[str, Any]:
    """Return a cell of the summary by its rate."""
    (folder,) = home.folders()
    cells = json.loads((folder / "summary.json").read_text())["cells"]
    (found,) = [cell for cell in cells if cell["load"]["rate_per_s"] == rate]
    assert isinstance(found, dict)
    return found


def test_a_rate_that_is_served_is_kept(ended: tuple[Home, Ended]) -> None:
    """All that was due is answered, in what the server takes, and both times and the lag are there."""
    cell = cell_of(ended[0], 100)
    assert cell["valid_trials"], cell["findings"]
    assert cell["requests_per_s"]["value"] == pytest.approx(100, rel=0.25)
    assert 10 < cell["service_ms"]["p50"]["value"] <= cell["response_ms"]["p50"]["value"] < 20
    assert cell["send_lag_ms"]["idle_p99"]["value"] > 0
    assert cell["limiter"] == "schedule"


def test_a_yardstick_lies_beside(ended: tuple[Home, Ended]) -> None:
    """Pieces of work were timed in each window, a request costs some, and none counts as others' work."""
    home, _ = ended
    (folder,) = home.folders()
    records = [json.loads(path.read_bytes()) for path in folder.glob("trials/*/trial.json")]
    assert len(records) == 6
    for record in records:
        pieces, cpu_ns = record["yardstick"]["pieces"], record["yardstick"]["cpu_ns"]
        assert 20 < pieces <= 300  # one each 10 ms at most
        assert 20_000 < cpu_ns / pieces < 20_000_000
    assert min(record["host"]["foreign_ns"] / record["yardstick"]["cpu_ns"] for record in records) < 0.5
    assert cell_of(home, 100)["cpu"]["yardsticks_per_request"]["value"] > 0
    assert not home.processes()


def test_a_rate_far_above_what_is_served_is_called_so(ended: tuple[Home, Ended]) -> None:
    """It is invalid, with the share that was reached; nothing of it is ranked, and the run ends with 4."""
    home, run = ended
    cell = cell_of(home, 3000)
    worst = {found["code"]: found["severity"] for found in reversed(cell["findings"])}
    assert {code: worst.get(code) for code in RULES_BROKEN} == RULES_BROKEN, worst
    (missed,) = [found for found in cell["findings"] if found["code"] == "rate-not-reached"]
    assert 5 < missed["figure"] < 20
    assert (cell["valid_trials"], cell["response_ms"]["p50"]) == (0, None)
    assert run.status == 4
    assert "rate-not-reached" in run.output
    assert "did not keep up" in run.output
    (page,) = home.folder.glob("reports/*/index.html")
    assert "plain did not keep up with the rate" in page.read_text()


def test_the_plan_says_its_loads(ended: tuple[Home, Ended]) -> None:
    """`list` names every load of a run, as it was stored before the first trial."""
    listed = ended[0].do("list").output
    assert "rate, 40 users, 100 requests/s (poisson)" in listed
    assert "rate, 5 users, 3000 requests/s (constant)" in listed
