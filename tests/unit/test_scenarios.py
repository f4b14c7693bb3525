import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from harness.machine.services.seed_documents import DOCUMENTS, seeded

ROOT = Path(__file__).parents[2]
ASK = """
import importlib.util, json, random, sys
from types import SimpleNamespace
from harness.loadgen.expect import expectation
from harness.loadgen.http import Response

class Client:
    def __init__(self):
        self.expected = []
    def get(self, path, *, expect=None, name=None, **_):
        self.expected.append((path, expect))
    post = get

path, user, task, bodies = sys.argv[1], sys.argv[2], sys.argv[3], json.load(sys.stdin)
spec = importlib.util.spec_from_file_location("scenario", path)
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
client = Client()
fake = SimpleNamespace(client=client, random=random.Random(1), headers={})
fake.numbers = getattr(module, "NUMBERS", None)
getattr(getattr(module, user), task)(fake)
(_, expect), = client.expected
told = []
for status, body, *lines in bodies:
    head = "\\r\\n".join(["HTTP/1.1 200 OK", *lines]).encode()
    answer = Response(status, head, json.dumps(body).encode(), True)
    told.append(expectation(expect).complaint(answer) if expect is not None else None)
print(json.dumps([client.expected[0][0], told]))
"""
"""Performs one task with a client that keeps what is expected, and asks that about made-up answers."""


def complaints(
    scenario: str, user: str, task: str, *answers: tuple[int, object, *tuple[str, ...]]
) -> list[list[str] | None]:
    """Return what a scenario's task has to say about each of these answers: kind and words, or None."""
    ended = subprocess.run(
        (sys.executable, "-c", ASK, str(ROOT / f"scenarios/{scenario}.py"), user, task),
        input=json.dumps(answers),
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={"PYTHONPATH": f"{ROOT}:{ROOT}/scenarios", "PATH": "/usr/bin:/bin"},
    )
    assert ended.returncode == 0, ended.stderr
    told: list[list[str] | None] = json.loads(ended.stdout.splitlines()[-1])[1]
    return told


def kinds(told: list[list[str] | None]) -> list[str | None]:
    """Return the kinds of these complaints."""
    return [None if one is None else one[0] for one in told]


@pytest.mark.slow
def test_body_check_of_hello() -> None:
    """`hello` takes the greeting alone: without its body check a wrong greeting would pass."""
    told = complaints(
        "hello",
        "Hello",
        "hello",
        (200, {"message": "Hello, World!"}),
        (200, {"message": "Hello, Word!"}),
        (200, {"message": "Hello, World!", "more": 1}),
        (500, {"message": "Hello, World!"}),
    )
    assert kinds(told) == [None, "body", "body", "status"]


@pytest.mark.slow
def test_body_check_of_history() -> None:
    """`history` reads owner, number, content and order of the rows: without its body check these pass."""
    import random

    user_id = random.Random(1).randint(1, 1000)
    rows = [
        {"content": f"chat {n} of user {user_id}: x", "time": f"2025-01-01T00:00:{n:02d}"} for n in range(60)
    ]
    rows += [
        {"content": f"chat {n} of user {user_id}: x", "time": f"2025-01-01T00:01:{n - 60:02d}"}
        for n in range(60, 100)
    ]
    foreign = [*rows[:-1], {**rows[-1], "content": "chat 1 of user 0: x"}]
    told = complaints(
        "history",
        "History",
        "history",
        (200, {"user_id": user_id, "history": rows}),
        (200, {"user_id": user_id + 1, "history": rows}),
        (200, {"user_id": user_id, "history": rows[1:]}),
        (200, {"user_id": user_id, "history": foreign}),
        (200, {"user_id": user_id, "history": rows[::-1]}),
        (200, {"user_id": user_id, "history": []}),
    )
    assert kinds(told) == [None, "body", "body", "body", "body", "body"]


@pytest.mark.slow
def test_body_check_of_documents() -> None:
    """`documents` knows every seeded document, and takes new ids alone for added ones."""
    import random

    one = seeded(random.Random(1).randint(1, DOCUMENTS))
    due = {"id": one.id, "title": one.title, "content": one.content, "created": one.created.isoformat()}
    told = complaints(
        "documents",
        "Documents",
        "read",
        (200, due),
        (200, {**due, "content": one.content + "x"}),
        (200, {**due, "title": "x"}),
        (200, {**due, "created": "2026-01-01"}),
        (200, {**due, "more": 1}),
        (404, due),
    )
    assert kinds(told) == [None, "body", "body", "body", "body", "status"]
    told = complaints(
        "documents",
        "Documents",
        "add",
        (201, {"id": 1001}),
        (201, {"id": 1000}),
        (201, {}),
        (200, {"id": 1001}),
    )
    assert kinds(told) == [None, "body", "body", "status"]


@pytest.mark.slow
def test_check_of_refused() -> None:
    """`refused` takes nothing but a refusal that says for how long; one who is let in is an error."""
    due = {"status": "error", "code": "too_many_requests", "message": "x", "details": []}
    told = complaints(
        "refused",
        "Refused",
        "ask",
        (429, due, "Retry-After: 3600"),
        (429, due),
        (429, due, "Retry-After: 0"),
        (429, due, "Retry-After: 3601"),
        (429, {**due, "code": "http_429"}, "Retry-After: 3600"),
        (200, {"status": "success", "data": {"task_id": "task_123456"}}),
    )
    assert kinds(told) == [None, "body", "body", "body", "body", "status"]


@pytest.mark.slow
@pytest.mark.parametrize("task", ["valid", "broken"])
def test_body_check_of_validate(task: str) -> None:
    """`validate` wants the task's id, or exactly the three broken fields: without its body check all pass."""
    accepted = {"status": "success", "data": {"task_id": "task_123456"}}
    details = [
        {"field": name, "rule": "x", "message": "x"} for name in ("model_name", "prompt", "temperature")
    ]
    refused = {"status": "error", "code": "validation_failed", "message": "x", "details": details}
    answers = {
        "valid": [(200, accepted), (200, {**accepted, "data": {}}), (422, refused)],
        "broken": [(422, refused), (422, {**refused, "details": details[:2]}), (200, accepted)],
    }
    assert kinds(complaints("validate", "Validate", task, *answers[task])) == [None, "body", "status"]


@pytest.mark.slow
def test_body_check_of_openapi() -> None:
    """`openapi` wants a document that is whole: of OpenAPI 3, with the service's paths and schemas."""
    paths: dict[str, object] = {
        path: {} for path in ("/healthz", "/json", "/api/ai/history/{user_id}", "/api/ai/generate")
    }
    whole = {"openapi": "3.1.0", "paths": paths, "components": {"schemas": {"A": {}}}}
    told = complaints(
        "openapi",
        "OpenApi",
        "document",
        (200, whole),
        (200, {**whole, "openapi": "2.0"}),
        (200, {**whole, "paths": {"/json": {}}}),
        (200, {**whole, "components": {"schemas": {}}}),
        (200, {"status": "ok"}),
        (404, whole),
    )
    assert kinds(told) == [None, "body", "body", "body", "body", "status"]


@pytest.mark.slow
@pytest.mark.parametrize("scenario", ["classify", "classify-int8"])
def test_body_check_of_classify(scenario: str) -> None:
    """`classify` wants the text's category and nothing else: without its body check any other passes."""
    due = [{"category": name} for name in ("billing", "cooking", "health", "sport", "technology", "travel")]
    told = complaints(scenario, "Classify", "classify", *((200, body) for body in due))
    assert Counter(kinds(told)) == {None: 1, "body": 5}
    right = due[told.index(None)]
    told = complaints(scenario, "Classify", "classify", (200, {**right, "more": 1}), (200, {}), (503, right))
    assert kinds(told) == ["body", "body", "status"]


@pytest.mark.slow
def test_body_check_of_auth() -> None:
    """`auth` wants a signed bearer token, good for an hour: without its body check all of these pass."""
    jwt = f"eyJ{'a' * 33}.eyJ{'b' * 70}.{'c' * 43}"
    whole: dict[str, object] = {"access_token": jwt, "token_type": "bearer", "expires_in": 3600}
    told = complaints(
        "auth",
        "Auth",
        "token",
        (200, whole),
        (200, {**whole, "access_token": jwt.rpartition(".")[0] + "."}),
        (200, {**whole, "expires_in": 60}),
        (200, {}),
        (401, whole),
    )
    assert kinds(told) == [None, "body", "body", "body", "status"]


TEXTS = """
import hashlib, json, random, sys
sys.path.insert(0, "scenarios")
import text
from harness.loadgen.http import Response

asked = text.question(3)
prompt = text.PROMPTS[asked["task_type"]].format(asked["content"])
right = hashlib.sha256(prompt.encode()).hexdigest()[:16] + " and more"
answers = [{"task_type": asked["task_type"], "result": right}, {"task_type": "creation", "result": right},
           {"task_type": asked["task_type"], "result": "x" + right}, {"task_type": asked["task_type"]}]
expect = text.text_for(asked)
told = [expect.complaint(Response(200, b"", json.dumps(one).encode(), True)) for one in answers]
second, chance, now, again, numbers = 10**9, random.Random(1), 0, 0, text.Numbers(0.62)
waiting, early, asked_at = [], 0, {}
for turn in range(20_000):
    now += second // 500
    while waiting and waiting[0][0] <= now:
        numbers.answered(waiting.pop(0)[1], now)
    number, new = numbers.next(chance, now)
    if new:
        waiting.append((now + second // 2, number))
        asked_at[number] = now
    else:
        again += 1
        early += now - asked_at[number] < second * 3 // 2
cold = text.Numbers(0.0)
seen = []
for turn in range(3000):
    number, new = cold.next(chance, turn * second)
    cold.answered(number, turn * second)
    seen.append(number)
print(json.dumps([[one and one[0] for one in told], again, early, len(set(seen))]))
"""


@pytest.mark.slow
def test_texts_are_checked_and_repeated_by_a_fixed_share() -> None:
    """Another prompt's text is found; 62 % are asked again, none before it has settled, cold ones never."""
    ended = subprocess.run(
        (sys.executable, "-c", TEXTS),
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
    )
    assert ended.returncode == 0, ended.stderr
    told, again, early, cold = json.loads(ended.stdout.splitlines()[-1])
    assert told == [None, "body", "body", "body"]
    assert again / 20_000 == pytest.approx(0.62, abs=0.03)
    assert early == 0
    assert cold == 3000
