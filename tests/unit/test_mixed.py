"""The scenario `mixed`, which is made of others."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from harness.records.heads import load_scenario

ROOT = Path(__file__).parents[2]
SCENARIOS = sorted((ROOT / "scenarios").glob("*.py"))
ASK = """
import json, random, sys
from types import SimpleNamespace
from locust.util.load_locustfile import load_locustfile

found = {path: sorted(load_locustfile(path)[0]) for path in sys.argv[2:]}
import mixed

class Client:
    def __init__(self):
        self.asked = []
    def get(self, path, **options):
        self.asked.append(("GET", path))
    def post(self, path, **options):
        self.asked.append(("POST", path))

def walk(answers):
    numbers = mixed.text.Numbers(0.62)
    for number in range(answers):
        numbers.answered(number, 0)
    client = Client()
    user = SimpleNamespace(client=client, headers={}, random=random.Random(1), chance=random.Random(2))
    user.numbers = numbers
    for _ in range(3000):
        user.random.choice(mixed.Mixed.tasks)(user)
    return client.asked

json.dump([found, walk(0), walk(500), len(mixed.Mixed.tasks)], sys.stdout)
"""
"""Which users Locust finds in each file; what a user of `mixed` asks for, with few answers and with many."""


@pytest.fixture(scope="module")
def told() -> Any:  # noqa: ANN401 - what ASK says
    """Return what ASK says; in a process of its own, since Locust patches the standard library."""
    ended = subprocess.run(
        (sys.executable, "-c", ASK, "--", *map(str, SCENARIOS)),
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={"PYTHONPATH": f"{ROOT}:{ROOT}/scenarios", "PATH": "/usr/bin:/bin"},
    )
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


@pytest.mark.slow
def test_each_scenario_has_one_kind_of_user(told: Any) -> None:  # noqa: ANN401 - what ASK says
    """What a scenario takes from another one brings no users of that one along."""
    users = told[0]
    assert {path: len(names) for path, names in users.items()} == {str(path): 1 for path in SCENARIOS}
    assert users[str(ROOT / "scenarios/mixed.py")] == ["Mixed"]


@pytest.mark.slow
def test_mixed_drives_what_its_head_says(told: Any) -> None:  # noqa: ANN401 - what ASK says
    """Every operation of its head is asked for, by its weight, and no other."""
    _, asked, _, tasks = told
    assert tasks == 100
    counts = Counter(f"{method} {operation(path)}" for method, path in asked)
    assert set(counts) == set(load_scenario(ROOT / "scenarios/mixed.py").endpoints)
    share = counts["GET /api/ai/history/{user_id}"] / len(asked)
    assert share == pytest.approx(0.30, abs=0.03)


@pytest.mark.slow
def test_a_user_does_the_same_whatever_the_variant(told: Any) -> None:  # noqa: ANN401 - what ASK says
    """Tasks and what they draw depend on no answers, and so not on a variant's speed."""
    _, few, many, _ = told
    assert few == many


def test_mixed_needs_what_its_parts_need() -> None:
    """Its head has the services and operations of each scenario that it takes tasks from."""
    heads = {path.stem: load_scenario(path) for path in SCENARIOS}
    mixed = heads["mixed"]
    parts = [
        heads[name]
        for name in ("auth", "classify", "documents", "hello", "history", "openapi", "text", "validate")
    ]
    assert set(mixed.services) == {name for part in parts for name in part.services}
    assert set(mixed.endpoints) == {name for part in parts for name in part.endpoints}


def operation(path: str) -> str:
    """Return a path as the contract has it."""
    for prefix, name in (("/api/ai/history/", "{user_id}"), ("/api/ai/documents/", "{document_id}")):
        if path.startswith(prefix):
            return prefix + name
    return path
