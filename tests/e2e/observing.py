"""A real Prometheus, and what tells it of a SUT's processes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest
from documentation import ROOT
from served import free_port, wait_until

from harness.ground import process

SWITCH = "WEBDYNO_PROMETHEUS"
"""`off` leaves the tests out that need Prometheus, where there can be none."""
CONFIG = ROOT / "deploy/prometheus"


def program(name: str) -> str:
    """Return the path of `prometheus` or `promtool`; skip where the switch says so, else fail without one."""
    if os.environ.get(SWITCH) == "off":
        pytest.skip(f"{SWITCH} is off")
    found = shutil.which(name)
    if found is None:
        pytest.fail(f"there is no {name}: apt install prometheus, or leave these tests out by {SWITCH}=off")
    return found


def promtool(*arguments: str | Path) -> None:
    """Have promtool check something; fail with what it says."""
    checked = subprocess.run(
        (program("promtool"), *arguments), capture_output=True, text=True, check=False, timeout=60
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


@contextmanager
def running(argv: tuple[str, ...], url: str, log: Path) -> Iterator[str]:
    """Run a program until the block's end; yield a base URL once it answers there."""
    child = process.start(process.Command(argv, str(log.parent), {"PATH": os.defpath}, str(log)))
    try:
        wait_until(lambda: answers(url), child, log)
        yield url
    finally:
        process.end(child, grace_s=10)


def answers(url: str) -> bool:
    """Tell whether anything speaks HTTP there, and does not say that it is not ready."""
    try:
        urlopen(url, timeout=5).close()
    except HTTPError as error:
        error.close()
        return error.code == 404
    except OSError:
        return False
    return True


@contextmanager
def telling_processes(root: int, log: Path, *, memory: str = "1g") -> Iterator[str]:
    """Run `deploy/processes.py` on a process; yield its address."""
    port = free_port()
    script = str(ROOT / "deploy/processes.py")
    given = ("--port", str(port), "--root", str(root), "--cpus", "1", "--memory", memory)
    with running((sys.executable, script, *given), f"http://127.0.0.1:{port}", log) as url:
        yield url


def figures_of(url: str) -> Mapping[str, float]:
    """Return the figures at an address that have no labels."""
    with urlopen(f"{url}/metrics", timeout=10) as response:
        assert response.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        lines = response.read().decode().splitlines()
    return {
        name: float(value) for name, value in (line.split() for line in lines if not line.startswith("#"))
    }


@contextmanager
def prometheus(folder: Path, targets: Mapping[str, str]) -> Iterator[str]:
    """Run Prometheus with the project's own files, only its targets being elsewhere; yield its address."""
    port = free_port()
    shutil.copytree(CONFIG, folder / "config")
    config = folder / "config/prometheus.yml"
    text = config.read_text()
    for target, place in targets.items():
        assert text.count(f'"{target}"') == 1, target
        text = text.replace(f'"{target}"', f'"{place}"')
    config.write_text(text)
    argv = (
        program("prometheus"),
        f"--config.file={config}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    )
    with running(argv, f"http://127.0.0.1:{port}", folder / "log") as url:
        yield url


def ask(url: str, query: str) -> list[tuple[Mapping[str, str], float]]:
    """Return the labels and the value of each series that a query has now."""
    with urlopen(f"{url}/api/v1/query?{urlencode({'query': query})}", timeout=10) as response:
        answer = json.load(response)
    assert answer["status"] == "success", answer
    assert answer["data"]["resultType"] == "vector"
    return [(series["metric"], float(series["value"][1])) for series in answer["data"]["result"]]
