"""The compose file, used by hand as the documents say."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator

import pytest
from containing import marks
from documentation import ROOT, documented
from parties import until

from harness.lifecycle.sut import free_port
from harness.lifecycle.verify import failures, verify
from harness.records.contract import load_cases

pytestmark = [*marks, pytest.mark.timeout(900)]  # all images are built from nothing
_GIVEN = {"keys", "postgres", "valkey", "llm", "metrics"}


def _compose(command: str, port: int) -> subprocess.CompletedProcess[str]:
    """Carry a documented command out with whichever compose there is, in a project of its own."""
    plugin = (
        subprocess.run(("docker", "compose", "version"), capture_output=True, check=False).returncode == 0
    )
    program = "docker compose" if plugin else shutil.which("docker-compose")
    assert program, "there is no compose"
    environment = {**os.environ, "PORT": str(port), "COMPOSE_PROJECT_NAME": f"webdyno-test-{port}"}
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


@pytest.fixture
def port() -> Iterator[int]:
    """Start the documented variant, yield its port, and end it as documented."""
    up, _, down = documented("docs/containers.md")
    port = free_port()
    try:
        started = _compose(f"{up} --detach", port)
        assert started.returncode == 0, started.stderr[-2000:]
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
