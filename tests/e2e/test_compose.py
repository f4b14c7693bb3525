"""The compose file, used by hand as the documents say."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator

import httpx
import pytest
from containing import marks
from documentation import ROOT, documented
from parties import until
from served import healthy

from harness.lifecycle.sut import free_port
from harness.lifecycle.verify import failures, verify
from harness.records.contract import load_cases

pytestmark = [*marks, pytest.mark.timeout(900)]  # all images are built from nothing
_GIVEN = {"keys", "postgres", "valkey", "llm", "metrics"}


def _command(words: str) -> str:
    """Return the one documented command that has some words."""
    (found,) = [command for command in documented("docs/containers.md") if words in command]
    return found


def _compose(command: str, port: int, **variables: str) -> subprocess.CompletedProcess[str]:
    """Carry a documented command out with whichever compose there is, in a project of its own."""
    plugin = (
        subprocess.run(("docker", "compose", "version"), capture_output=True, check=False).returncode == 0
    )
    program = "docker compose" if plugin else shutil.which("docker-compose")
    assert program, "there is no compose"
    environment = {
        **os.environ,
        "PORT": str(port),
        "COMPOSE_PROJECT_NAME": f"webdyno-test-{port}",
        **variables,
    }
    if not plugin:
        environment |= {"DOCKER_BUILDKIT": "0", "COMPOSE_DOCKER_CLI_BUILD": "0"}
    return subprocess.run(
        ("sh", "-c", command.replace("docker compose", program)),
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """Start the documented variant, yield its port, and end it and what the profiles added as documented."""
    up = _command("compose up")
    down = _command("--profile locust down").replace("--profile", "--profile observability --profile")
    port = free_port()
    try:
        started = _compose(f"{up} --detach", port)
        assert started.returncode == 0, started.stderr[-2000:]
        assert until(lambda: healthy(f"http://127.0.0.1:{port}"), bound_s=60)
        yield port
    finally:
        ended = _compose(down, port)
        assert ended.returncode == 0, ended.stderr[-2000:]


def test_a_variant_keeps_its_contract_by_hand(port: int) -> None:
    """The composed variant answers and keeps the contract of whatever its services allow."""
    cases = load_cases(ROOT / "apps/contract")
    url = f"http://127.0.0.1:{port}"
    healthz = [case for case in cases if case.path == "/healthz" and case.method == "GET"]
    assert until(lambda: not failures(verify(url, healthz)), bound_s=60)
    text = (ROOT / "docker-compose.yml").read_text()
    known = dict(re.findall(r"^      (WEBDYNO_\w+): \$\{\w+:-(.*)\}$", text, re.MULTILINE))
    assert {"WEBDYNO_PASSWORD", "WEBDYNO_JWT_KEY"} <= known.keys()
    found = verify(url, cases, services=_GIVEN, variables=known)
    assert len(found) > 300
    assert [(case.name, case.difference) for case in failures(found)] == []


def _loaded(port: int) -> int:
    """Return how many requests of the scenario `hello` the variant has answered."""
    metrics = httpx.get(f"http://127.0.0.1:{port}/metrics").text
    name = 'flask_http_request_duration_seconds_count{method="GET",status="200",url_rule="/json"}'
    figures = dict(line.rsplit(" ", 1) for line in metrics.splitlines())
    return int(float(figures.get(name, 0)))


def test_locust_loads_it(port: int) -> None:
    """A master and two workers load the variant for the time given; the table has what the variant counts."""
    before = _loaded(port)
    given = {"SCENARIO": "hello", "USERS": "20", "RUN_TIME": "10s"}
    started = _compose(_command("--profile locust up"), port, **given)
    assert started.returncode == 0, started.stderr[-2000:]
    told = _compose(_command("--profile locust logs"), port, **given).stdout
    assert "2 workers connected" in told, told[-2000:]
    assert "Shutting down (exit code 0)" in told, told[-2000:]
    requests, failures = re.findall(r"Aggregated +(\d+) +(\d+)\(", told)[-1]
    assert int(failures) == 0
    assert 0 <= _loaded(port) - before - int(requests) <= 20  # one a user may have been cut off
    assert int(requests) > 500


def test_processes_are_those_of_the_variant(port: int) -> None:
    """What tells Prometheus of CPU and memory sees the variant's processes, and no others."""
    up = _command("--profile observability up")
    started = _compose(f"{up} processes", port)  # the others' images are a registry's
    assert started.returncode == 0, started.stderr[-2000:]
    code = (
        "from urllib.request import urlopen; print(urlopen('http://127.0.0.1:9100/metrics').read().decode())"
    )
    exec_ = up.partition(" up ")[0] + f' exec -T processes python -c "{code}"'
    assert until(lambda: "sut_memory_bytes" in _compose(exec_, port).stdout, bound_s=20)
    figures = dict(re.findall(r"^(\w+) (\S+)$", _compose(exec_, port).stdout, re.MULTILINE))
    assert float(figures["sut_memory_limit_bytes"]) == 1 << 30
    assert 30 << 20 < float(figures["sut_memory_bytes"]) < 1 << 30  # what tells it has a dozen
    assert float(figures["sut_cpu_seconds_total"]) > 0.5


def test_every_profile_is_valid() -> None:
    """The compose file is one for this compose, with every profile."""
    checked = _compose(
        "VARIANT=x docker compose --profile locust --profile observability config --services", free_port()
    )
    assert checked.returncode == 0, checked.stderr
    assert {"locust-master", "locust-worker", "processes", "prometheus", "grafana"} < set(
        checked.stdout.split()
    )
