from __future__ import annotations

import re
from pathlib import Path

import httpx
import pytest
from served import VARIANTS, Serve, wait_for

from harness.lifecycle.verify import failures, verify
from harness.records.contract import Case

GREETINGS = {
    "fastapi-uvicorn": 'http_requests_total{handler="/json",method="GET",status="2xx"}',
    "flask-gunicorn": 'flask_http_request_duration_seconds_count{method="GET",status="200",url_rule="/json"}',
    "django-gunicorn": "django_http_responses_total_by_status_view_method_total"
    '{method="GET",status="200",view="django_api.urls.hello"}',
}
"""What each framework's usual instrumentation calls the number of greetings."""


def metrics_in(folder: Path) -> dict[str, str]:
    """Return the variables of a variant that keeps metrics."""
    return {"WEBDYNO_METRICS": "1", "PROMETHEUS_MULTIPROC_DIR": str(folder)}


def sample(url: str, name: str) -> float | None:
    """Return one figure of a variant's metrics; None where it is not there."""
    answer = httpx.get(f"{url}/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith(("text/plain", "application/openmetrics-text"))
    found = [line for line in answer.text.splitlines() if line.startswith(f"{name} ")]
    assert len(found) <= 1
    return float(found[0].rpartition(" ")[2]) if found else None


def counting(folder: Path) -> set[str]:
    """Return the pids of the workers that have counted anything."""
    return {pid for path in folder.glob("*.db") for pid in re.findall(r"_(\d+)\.db$", path.name)}


@pytest.mark.slow
@pytest.mark.parametrize("name", VARIANTS)
def test_metrics_sum_over_the_workers(name: str, serve: Serve, tmp_path: Path) -> None:
    """Whichever of two workers is asked, its metrics count what both have answered."""
    with serve(name, metrics_in(tmp_path), cpus=2) as served:
        asked = 0
        while asked < 60 or len(counting(tmp_path)) < 2:  # each on a connection of its own: both get some
            assert httpx.get(f"{served.url}/json").status_code == 200
            asked += 1
        wait_for(lambda: sample(served.url, GREETINGS[name]) == asked)
        assert {sample(served.url, GREETINGS[name]) for _ in range(30)} == {asked}
    assert len(counting(tmp_path)) == 2


@pytest.mark.slow
@pytest.mark.parametrize("name", VARIANTS)
def test_a_user_is_no_series(name: str, serve: Serve, tmp_path: Path) -> None:
    """Paths are counted by their template: the number of series does not grow with the users."""
    with serve(name, metrics_in(tmp_path)) as served:
        for user in range(12345, 12350):
            httpx.get(f"{served.url}/api/ai/history/{user}")
        metrics = httpx.get(f"{served.url}/metrics").text
    assert "history" in metrics
    labels = re.findall(r'="([^"]*)"', metrics)  # the digits of a time may be any
    assert labels
    assert not [label for label in labels if "1234" in label]


@pytest.mark.slow
@pytest.mark.parametrize("name", VARIANTS)
def test_metrics_change_no_answer(name: str, serve: Serve, tmp_path: Path, cases: tuple[Case, ...]) -> None:
    """A variant that keeps metrics keeps the contract."""
    with serve(name, metrics_in(tmp_path)) as served:
        assert failures(verify(served.url, cases)) == ()


@pytest.mark.slow
@pytest.mark.parametrize("name", VARIANTS)
def test_without_the_switch_there_are_none(name: str, serve: Serve, tmp_path: Path) -> None:
    """A folder alone switches nothing on: the path is unknown, and nothing is written."""
    with serve(name, {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}) as served:
        answer = httpx.get(f"{served.url}/metrics")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert list(tmp_path.iterdir()) == []
