"""The rate limit beyond the contract's cases: what is asked of Valkey, when it ends, and what if it fails."""

from __future__ import annotations

import math
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
import redis
from gate import gate_to
from served import APPS, EVERYTHING, VARIANTS, Serve, Served, wait_for

from harness.lifecycle.verify import failures, verify
from harness.machine import environments
from harness.machine.services.rate_limit import LIMIT, VARIABLE
from harness.machine.services.valkey import ValkeyService
from harness.records import manifest
from harness.records.contract import Case

REFUSED_WITHIN_S = 3.5
"""Less than any time-out of a request that hangs."""
HUNG_WITHIN_S = 10.0
AMOUNT, PERIOD_S = 10, 3600
"""What LIMIT says."""
PROMPT = {"model_name": "gpt-4", "prompt": "Tell me more.", "contact_email": "someone@example.com"}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def limited(serve: Serve, with_everything: dict[str, str]) -> Iterator[dict[str, Served]]:
    """Serve the three base variants with every service, the limit among them."""
    given = {**with_everything, VARIABLE: LIMIT}
    fastapi, flask, django = VARIANTS
    with serve(fastapi, given) as first, serve(flask, given) as second, serve(django, given) as third:
        yield {fastapi: first, flask: second, django: third}


def commands(valkey: ValkeyService) -> dict[str, int]:
    """Return how often each command was sent since Valkey was emptied, connecting left out."""
    with redis.Redis.from_url(valkey.url) as client:
        stats = client.info("commandstats")
    assert isinstance(stats, dict)
    sent = {name.removeprefix("cmdstat_"): told["calls"] for name, told in stats.items()}
    ours = ("auth", "info", "config|resetstat", "flushall", "client|setinfo", "hello", "ping")
    return {name: calls for name, calls in sent.items() if name not in ours}


def ask(served: Served, client: str | None = None) -> httpx.Response:
    """Ask once, over a connection of its own, from an address of this machine."""
    # Without TLS there is nothing to verify; to load the authorities would cost more than the request.
    with httpx.Client(transport=httpx.HTTPTransport(local_address=client, verify=False), timeout=30) as way:
        return way.post(f"{served.url}/api/ai/generate", json=PROMPT)


def statuses(served: Served, client: str, times: int) -> list[int]:
    """Ask as often, and return the statuses."""
    return [ask(served, client).status_code for _ in range(times)]


@pytest.mark.parametrize("name", VARIANTS)
def test_a_limited_variant_keeps_the_contract(
    name: str,
    limited: dict[str, Served],
    cases: tuple[Case, ...],
    valkey: ValkeyService,
    with_everything: dict[str, str],
) -> None:
    """Every case of the limit passes."""
    valkey.reset()
    of_limit = [case for case in cases if "rate-limit" in case.needs]
    services = EVERYTHING | {"rate-limit"}
    results = verify(limited[name].url, of_limit, services=services, variables=with_everything)
    assert failures(results) == ()
    assert all(result.passed for result in results)


@pytest.mark.parametrize("name", VARIANTS)
def test_a_request_is_one_command_and_a_refusal_three(
    name: str, limited: dict[str, Served], valkey: ValkeyService
) -> None:
    """Each request is one script; a refused one a GET and a TTL more; what is not limited costs nothing."""
    served = limited[name]
    ask(served)  # Valkey has the script by then
    valkey.reset()
    assert statuses(served, "127.1.1.1", AMOUNT + 5) == [200] * AMOUNT + [429] * 5
    for _ in range(5):
        assert httpx.get(f"{served.url}/json").status_code == 200
    in_script = {"incrby": AMOUNT + 5, "expire": 1}
    assert commands(valkey) == {"evalsha": AMOUNT + 5, **in_script, "get": 5, "ttl": 5}


@pytest.mark.parametrize("name", VARIANTS)
def test_a_refusal_says_when_it_ends(name: str, limited: dict[str, Served], valkey: ValkeyService) -> None:
    """One key is kept for the period from the first request on; who waits as long as told is let in again."""
    valkey.reset()
    served, client = limited[name], "127.1.1.2"
    (*_, refused) = [ask(served, client) for _ in range(AMOUNT + 1)]
    assert PERIOD_S - 60 <= int(refused.headers["retry-after"]) <= PERIOD_S
    with redis.Redis.from_url(valkey.url) as cache:
        (key,) = cache.scan_iter()
        cache.pexpire(key, 4400)  # of which TTL would say four seconds
        wait_s = int(ask(served, client).headers["retry-after"])
        assert math.ceil(cache.pttl(key) / 1000) <= wait_s <= 5  # four on a machine that took half a second
    time.sleep(wait_s)
    assert statuses(served, client, AMOUNT + 1) == [200] * AMOUNT + [429]


def test_all_variants_count_alike(limited: dict[str, Served], valkey: ValkeyService) -> None:
    """What a client has asked one variant the others know of: key, period and scope are the same."""
    valkey.reset()
    client = "127.1.1.3"
    for served, times in zip(limited.values(), (5, 3, 2), strict=True):
        assert statuses(served, client, times) == [200] * times
    began = time.monotonic()
    refused = [ask(served, client) for served in limited.values()]
    assert [answer.status_code for answer in refused] == [429] * 3
    told = [int(answer.headers["retry-after"]) for answer in refused]
    assert max(told) - min(told) <= 1 + time.monotonic() - began


@pytest.mark.parametrize("name", VARIANTS)
def test_two_workers_count_together(
    name: str, serve: Serve, with_everything: dict[str, str], valkey: ValkeyService
) -> None:
    """Of many requests at once, to whichever process, as many are let in as the limit says."""
    valkey.reset()
    with (
        serve(name, {**with_everything, VARIABLE: LIMIT}, cpus=2) as served,
        ThreadPoolExecutor(4 * AMOUNT) as pool,
    ):
        asked = list(pool.map(lambda _: ask(served, "127.1.1.4").status_code, range(4 * AMOUNT)))
    assert sorted(asked) == [200] * AMOUNT + [429] * 3 * AMOUNT


@pytest.mark.parametrize("name", VARIANTS)
def test_a_counter_that_does_not_answer(name: str, serve: Serve, with_everything: dict[str, str]) -> None:
    """What is limited is unavailable in time while Valkey is away, and no longer; all else goes on."""
    with (
        gate_to(with_everything["WEBDYNO_VALKEY_URL"]) as gate,
        serve(name, {**with_everything, "WEBDYNO_VALKEY_URL": gate.url, VARIABLE: "100000/hour"}) as served,
    ):
        assert ask(served).status_code == 200
        for fail, within_s in ((gate.shut, REFUSED_WITHIN_S), (gate.stick, HUNG_WITHIN_S)):
            fail()
            unavailable(served, within_s)
            gate.open()
            wait_for(lambda: ask(served).status_code == 200)
            assert [ask(served).status_code for _ in range(8)] == [200] * 8


def unavailable(served: Served, within_s: float) -> None:
    """Ask eight times at once: every answer says so within its time; what is not limited is answered."""
    began = time.monotonic()
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(ask, served) for _ in range(8)]
        assert httpx.get(f"{served.url}/json", timeout=3).status_code == 200
        answers = [one.result() for one in asked]
    assert time.monotonic() - began < within_s
    assert {(one.status_code, one.json()["code"]) for one in answers} == {(503, "service_unavailable")}


@pytest.mark.parametrize(
    ("limit", "valkey_url", "words"),
    [
        ("0/minute", "redis://x", "WEBDYNO_RATE_LIMIT is '0/minute'"),
        ("60 per minute", "redis://x", "WEBDYNO_RATE_LIMIT is '60 per minute'"),
        ("60/minute; 5/second", "redis://x", "WEBDYNO_RATE_LIMIT is '60/minute; 5/second'"),
        ("60/minute", "", "WEBDYNO_VALKEY_URL names no server that could count"),
    ],
)
def test_a_limit_that_is_none_is_told_at_the_start(limit: str, valkey_url: str, words: str) -> None:
    """A variant with a limit that can't be kept does not start, and says why."""
    environment = environments.ensure(manifest.load_variant(APPS / "flask-gunicorn"))
    given = {"PYTHONPATH": str(APPS), VARIABLE: limit, "WEBDYNO_VALKEY_URL": valkey_url}
    script = "from domain.settings import Settings; Settings.from_environment()"
    ran = subprocess.run((environment.python, "-c", script), env=given, capture_output=True, check=False)
    assert ran.returncode == 1
    assert words in ran.stderr.decode()
