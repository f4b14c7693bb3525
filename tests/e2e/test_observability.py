"""The rules, the alerts and the dashboard, in a real Prometheus that looks at the real variants."""

from __future__ import annotations

import json
import math
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import httpx
import pytest
from documentation import ROOT
from observing import CONFIG, ask, program, prometheus, promtool, telling_processes
from parties import until
from served import VARIANTS, serving

pytestmark = pytest.mark.slow

GRAFANA = ROOT / "deploy/grafana"
DASHBOARD = json.loads((GRAFANA / "dashboards/sut.json").read_text())
QUERIES = {panel["title"]: [target["expr"] for target in panel["targets"]] for panel in DASHBOARD["panels"]}
RANGE_S = 30
"""Over how long the rules look."""


def test_promtool_accepts_all_files() -> None:
    """The configuration and its rules are what Prometheus takes."""
    promtool("check", "config", CONFIG / "prometheus.yml")
    promtool("check", "rules", CONFIG / "rules.yml", CONFIG / "alerts.yml")


def test_the_rules_make_of_known_figures_what_they_must() -> None:
    """Three instrumentations become one, and each alert fires for the one that is ill, after its time."""
    promtool("test", "rules", ROOT / "tests/e2e/rules_test.yml")


def test_every_rule_has_its_figures() -> None:
    """Each recorded name and each alert is looked at by promtool's tests or shown by the dashboard."""
    looked_at = (ROOT / "tests/e2e/rules_test.yml").read_text() + json.dumps(QUERIES)
    rules = (CONFIG / "rules.yml").read_text() + (CONFIG / "alerts.yml").read_text()
    names = re.findall(r"- (?:record|alert): (\S+)", rules)
    shown = [name for name in names if name != "sut:duration_seconds_bucket:rate30s"]  # a step on the way
    assert len(names) > 8
    assert [name for name in shown if name not in looked_at] == []


def test_the_dashboard_finds_its_datasource_and_is_found() -> None:
    """The dashboard shows what it must, from the provisioned datasource, and lies where it is sought."""
    assert list(QUERIES) == ["Rate", "Errors", "Duration", "CPU", "Memory"]
    datasource = (GRAFANA / "datasources/prometheus.yml").read_text()
    (uid,) = re.findall(r"^\s+uid: (\S+)$", datasource, re.MULTILINE)
    assert {panel["datasource"]["uid"] for panel in DASHBOARD["panels"]} == {uid}
    provider = (GRAFANA / "dashboards/dashboards.yml").read_text()
    (path,) = re.findall(r"path: ([^}\s]+)}", provider)
    compose = (ROOT / "docker-compose.yml").read_text()
    assert f"./deploy/grafana:{Path(path).parent}:ro" in compose
    assert f"{path}/sut.json" in compose


@dataclass(slots=True)
class Load:
    """One client that asks some forty times a second; each fifth answer is a 5xx, for want of a database."""

    url: str
    began_s: float = field(default_factory=time.monotonic)
    sent_s: list[float] = field(default_factory=list)
    wrong: list[int] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Ask until it is ended."""
        with httpx.Client(base_url=self.url) as client:
            while not self.ended.wait(0.02):
                path, due = ("/json", 200) if len(self.sent_s) % 5 else ("/api/ai/history/1", 503)
                self.sent_s.append(time.monotonic())
                status = client.get(path).status_code
                if status != due:
                    self.wrong.append(status)

    def rate(self) -> float:
        """Return how many requests a second were sent over the rules' time, or since it began."""
        now_s = time.monotonic()
        since_s = max(now_s - RANGE_S, self.began_s)
        return sum(1 for sent_s in self.sent_s if sent_s > since_s) / (now_s - since_s)


@dataclass(frozen=True, slots=True)
class Watched:
    """A variant under load, and the Prometheus that looks at it."""

    prometheus: str
    load: Load


@pytest.fixture(scope="module", params=VARIANTS)
def watched(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """Serve a variant, load it, and have it looked at for as long as the rules do."""
    program("prometheus")
    folder = tmp_path_factory.mktemp(request.param)
    counts = folder / "counts"
    counts.mkdir()
    variables = {"WEBDYNO_METRICS": "1", "PROMETHEUS_MULTIPROC_DIR": str(counts)}
    with (
        serving(request.param, variables, folder / "sut.log") as sut,
        telling_processes(sut.group, folder / "processes.log") as processes,
        prometheus(
            folder,
            {
                "sut:8000": sut.url.removeprefix("http://"),
                "processes:9100": processes.removeprefix("http://"),
            },
        ) as url,
    ):
        load = Load(sut.url)
        thread = threading.Thread(target=load.run)
        thread.start()
        try:
            yield Watched(url, load)
        finally:
            load.ended.set()
            thread.join()


def test_every_query_of_the_dashboard_has_data(watched: Watched) -> None:
    """No panel is empty or shows what is no number, whatever the instrumentation calls its figures."""

    def shows(query: str) -> bool:
        found = ask(watched.prometheus, query)
        return bool(found) and all(math.isfinite(value) for _, value in found)

    for title, queries in QUERIES.items():
        for query in queries:
            assert until(partial(shows, query)), f"{title}: {query}"


def test_the_figures_are_those_of_the_load(watched: Watched) -> None:
    """Rate and errors are what was sent, durations are in order, CPU and memory are a web server's."""

    def one(query: str) -> float:
        found = ask(watched.prometheus, query)
        return found[0][1] if len(found) == 1 else math.nan  # there may be none yet

    total = "sum(sut:requests:rate30s)"
    assert until(lambda: 0.8 * watched.load.rate() < one(total) < 1.2 * watched.load.rate())
    assert watched.load.rate() > 10, "the machine is too busy; that shows nothing"
    assert {labels["status"] for labels, value in ask(watched.prometheus, "sut:requests:rate30s > 0")} == {
        "2xx",
        "5xx",
    }
    assert until(lambda: one("sut:errors:ratio30s") == pytest.approx(0.2, abs=0.03))
    quantiles = {
        labels["quantile"]: value for labels, value in ask(watched.prometheus, QUERIES["Duration"][0])
    }
    assert 0 < quantiles["0.5"] <= quantiles["0.9"] <= quantiles["0.99"] < 5
    assert 0 < one("sut:cpu_cores:rate30s") < 2
    assert 20 << 20 < one("sut_memory_bytes") < one("sut_memory_limit_bytes") == 1 << 30
    assert watched.load.wrong == []

    def alerts() -> list[str]:
        found = ask(watched.prometheus, 'ALERTS{alertname="SutErrors"}')
        return [labels["alertstate"] for labels, _ in found]

    assert until(lambda: alerts() in (["pending"], ["firing"]))
    assert ask(watched.prometheus, "up == 0") == []
