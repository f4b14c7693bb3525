"""Tokens and texts beyond the contract's cases: what is asked of the services, and what if they fail."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx
import jwt
import pytest
import redis
from gate import Gate, gate_to
from language_model import LanguageModel, Mood, text_for
from served import VARIANTS, Serve, Served, wait_for

from harness.lifecycle.verify import verify
from harness.machine.services.keys import Keys
from harness.machine.services.valkey import ValkeyService
from harness.records.contract import Case

PROMPTS = {
    "summary": "总结以下内容({language}):{content}",
    "translation": "翻译为{language}:{content}",
    "creation": "基于以下内容创作{language}文案:{content}",
}
"""The article's."""
REFUSED_WITHIN_S = 3.5
"""Less than any time-out of a request that hangs."""
HUNG_WITHIN_S = 10.0
numbers = itertools.count()

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def token(keys: Keys) -> str:
    """Return a good token."""
    now = int(time.time())
    return jwt.encode({"sub": "webdyno", "iat": now, "exp": now + 3600}, keys.jwt_key, "HS256")


@pytest.fixture
def counting(valkey: ValkeyService, model: LanguageModel) -> Callable[[], dict[str, int]]:
    """Return what counts the commands and calls since the test's beginning, connecting left out."""
    valkey.reset()
    before = len(model.asked)

    def count() -> dict[str, int]:
        with redis.Redis.from_url(valkey.url) as client:
            stats = client.info("commandstats")
        assert isinstance(stats, dict)
        commands = {name.removeprefix("cmdstat_"): told["calls"] for name, told in stats.items()}
        ours = ("auth", "info", "config|resetstat", "flushall", "client|setinfo", "hello", "ping")
        return {
            **{name: calls for name, calls in commands.items() if name not in ours},
            "llm": len(model.asked) - before,
        }

    return count


def ask(served: Served, token: str, **changes: str) -> httpx.Response:
    """Ask for a text that nobody asked for before, unless the content is given."""
    body = {"task_type": "summary", "content": f"A text that is new: {next(numbers)}", **changes}
    headers = {"authorization": f"Bearer {token}"}
    # Without TLS there is nothing to verify; to load the authorities would cost more than the request.
    return httpx.post(f"{served.url}/api/ai/text", json=body, headers=headers, timeout=30, verify=False)


@pytest.mark.parametrize("name", VARIANTS)
def test_the_prompts_are_the_articles(
    name: str, all_served: dict[str, Served], token: str, model: LanguageModel
) -> None:
    """The model is asked by the article's words, at its temperature; what it says comes back whole."""
    for (task, prompt), language in itertools.product(PROMPTS.items(), ("zh", "pt-BR")):
        content = f'{{content}} {{0}} %s \\ " 文 🚀 {next(numbers)}'
        got = ask(all_served[name], token, task_type=task, content=content, target_language=language)
        due = prompt.format(language=language, content=content)
        asked = model.asked[-1]
        assert [message["content"] for message in asked["messages"]] == [due]
        assert asked["temperature"] == 0.7
        assert not asked.get("stream")
        assert got.json() == {"task_type": task, "result": text_for(due)}


@pytest.mark.parametrize("name", VARIANTS)
def test_a_hit_is_one_command_and_a_miss_two_and_a_call(
    name: str, all_served: dict[str, Served], token: str, counting: Callable[[], dict[str, int]]
) -> None:
    """A text that is kept costs one GET; another one GET, one call and one SET; a refused one nothing."""
    served = all_served[name]
    for _ in range(10):
        assert ask(served, token, content="A text that is asked for often").status_code == 200
    assert counting() == {"get": 10, "set": 1, "llm": 1}
    for _ in range(5):
        assert ask(served, token).headers["x-cache"] == "miss"
    assert counting() == {"get": 15, "set": 6, "llm": 6}
    assert ask(served, f"{token}x").status_code == 401
    assert ask(served, token, content="short").status_code == 422
    assert counting() == {"get": 15, "set": 6, "llm": 6}


def test_the_cases_cost_the_same_everywhere(
    all_served: dict[str, Served],
    cases: tuple[Case, ...],
    valkey: ValkeyService,
    with_everything: dict[str, str],
    model: LanguageModel,
) -> None:
    """All requests of the contract make the same commands and calls in every variant."""
    counts = []
    for served in all_served.values():
        valkey.reset()
        before = len(model.asked)
        verify(served.url, cases, services=("keys", "valkey", "llm"), variables=with_everything)
        with redis.Redis.from_url(valkey.url) as client:
            stats = client.info("commandstats")
        assert isinstance(stats, dict)
        gets, sets = (stats[f"cmdstat_{command}"]["calls"] for command in ("get", "set"))
        counts.append((gets, sets, [body["messages"] for body in model.asked[before:]]))
    assert counts[0] == counts[1] == counts[2]
    assert counts[0][0] > counts[0][1] == len(counts[0][2]) > 0


@pytest.mark.parametrize("name", VARIANTS)
def test_a_text_is_kept_for_ten_minutes(
    name: str, all_served: dict[str, Served], token: str, valkey: ValkeyService
) -> None:
    """One key is kept, for 600 s, and the text as it is under it."""
    valkey.reset()
    result = ask(all_served[name], token).json()["result"]
    with redis.Redis.from_url(valkey.url) as client:
        (key,) = client.scan_iter()
        assert 595 <= int(str(client.ttl(key))) <= 600
        assert client.get(key) == result.encode()


def test_all_variants_keep_texts_alike(all_served: dict[str, Served], token: str) -> None:
    """What one variant has written another one finds."""
    content = f"A text for all three: {next(numbers)}"
    answers = [ask(served, token, content=content) for served in all_served.values()]
    assert [answer.headers["x-cache"] for answer in answers] == ["miss", "hit", "hit"]
    assert len({answer.json()["result"] for answer in answers}) == 1


@pytest.mark.parametrize("name", VARIANTS)
def test_a_token_that_is_given_is_good(name: str, all_served: dict[str, Served], keys: Keys) -> None:
    """What `POST /token` gives opens the text, names the user, and is good for an hour."""
    served = all_served[name]
    form = {"username": "webdyno", "password": keys.password}
    given = httpx.post(f"{served.url}/token", data=form).json()["access_token"]
    claims = jwt.decode(given, keys.jwt_key, ["HS256"])
    assert set(claims) == {"sub", "iat", "exp"}
    assert claims["sub"] == "webdyno"
    assert claims["exp"] - claims["iat"] == 3600
    assert abs(time.time() - claims["iat"]) < 60
    assert ask(served, given).status_code == 200


@pytest.mark.parametrize("name", VARIANTS)
def test_a_service_of_several_that_was_not_given(
    name: str, serve: Serve, with_everything: dict[str, str], token: str
) -> None:
    """Without one of its services alone the text is unavailable, and the token's only without its keys."""
    for missing in ("WEBDYNO_VALKEY_URL", "WEBDYNO_LLM_URL", "WEBDYNO_JWT_KEY", "WEBDYNO_PASSWORD"):
        given = {variable: value for variable, value in with_everything.items() if variable != missing}
        with serve(name, given) as served:
            answer = ask(served, token)
            assert (answer.status_code, answer.json()["code"]) == (503, "service_unavailable")
            status = httpx.post(f"{served.url}/token").status_code
            assert status == (503 if missing in ("WEBDYNO_JWT_KEY", "WEBDYNO_PASSWORD") else 415)


@pytest.mark.parametrize("name", VARIANTS)
def test_a_service_that_does_not_answer(
    name: str,
    serve: Serve,
    with_everything: dict[str, str],
    token: str,
    model: LanguageModel,
) -> None:
    """A cache or model that refuses, hangs or fails makes texts unavailable in time, and no longer."""
    with (
        gate_to(with_everything["WEBDYNO_VALKEY_URL"]) as valkey,
        gate_to(with_everything["WEBDYNO_LLM_URL"]) as llm,
        serve(
            name, {**with_everything, "WEBDYNO_VALKEY_URL": valkey.url, "WEBDYNO_LLM_URL": llm.url}
        ) as served,
    ):
        assert ask(served, token).status_code == 200
        for gate in (valkey, llm):
            gate.shut()
            unavailable(served, token, REFUSED_WITHIN_S)
            comes_back(served, token, gate)
            gate.stick()
            unavailable(served, token, HUNG_WITHIN_S)
            comes_back(served, token, gate)
        moods: tuple[Mood, ...] = ("failing", "busy")
        try:
            for model.mood in moods:
                unavailable(served, token, REFUSED_WITHIN_S)
        finally:
            model.mood = "well"
        assert ask(served, token).status_code == 200


def unavailable(served: Served, token: str, within_s: float) -> None:
    """Ask eight times at once: every answer says so within its time; what needs no service is answered."""
    began = time.monotonic()
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(ask, served, token) for _ in range(8)]
        assert httpx.get(f"{served.url}/healthz", timeout=3).status_code == 200
        answers = [one.result() for one in asked]
    assert time.monotonic() - began < within_s
    assert {(one.status_code, one.json()["code"]) for one in answers} == {(503, "service_unavailable")}


def comes_back(served: Served, token: str, gate: Gate) -> None:
    """Open the gate: texts come again, from the first or second request on."""
    gate.open()
    wait_for(lambda: ask(served, token).status_code == 200)
    answers = [ask(served, token).status_code for _ in range(8)]
    assert answers == [200] * 8
