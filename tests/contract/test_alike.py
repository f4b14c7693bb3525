"""Equivalence beyond the contract's cases: whatever is sent, all base variants answer the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from typing import Any

import httpx
import jwt
import pytest
from generated import Request, requests
from hypothesis import HealthCheck, event, given, settings
from served import Served

from harness.ground.clock import SystemClock
from harness.lifecycle.credentials import credentials, filled
from harness.machine.services.keys import JWT_KEY, Keys
from harness.machine.services.valkey import ValkeyService

REQUESTS = 2000
HEADERS = ("allow", "cache-control", "location", "retry-after", "www-authenticate", "x-cache")
"""Those that matter to a client, beside the content type."""
Answer = tuple[int, dict[str, object], object]


@pytest.fixture(scope="module")
def clients(all_served: dict[str, Served]) -> Iterator[dict[str, httpx.Client]]:
    """Return a client for each variant, by its name."""
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(httpx.Client(base_url=served.url, timeout=10))
            for name, served in all_served.items()
        }


@pytest.fixture(scope="module")
def secrets(keys: Keys) -> dict[str, str]:
    """Return what placeholders stand for, by name."""
    return credentials(keys.variables, SystemClock().utc())


@pytest.mark.slow
@pytest.mark.timeout(900)
@given(request=requests())
@settings(
    max_examples=REQUESTS,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_every_request_is_answered_alike(
    clients: dict[str, httpx.Client],
    secrets: dict[str, str],
    keys: Keys,
    valkey: ValkeyService,
    request: Request,
) -> None:
    """Status, the headers that matter, and JSON are the same in all variants; no request makes them fail."""
    answers: dict[str, list[Answer]] = {}
    for name, client in clients.items():
        if request.path == "/api/ai/text":
            valkey.reset()  # a text that another variant wrote would be a hit
        answers[name] = [answer(client, request, secrets, keys) for _ in range(request.times)]
    (first, *others) = answers.values()
    for status, headers, _ in first:
        event(f"{request.method} {request.path[:14]}: {status} {headers['x-cache'] or ''}")
    assert all(other == first for other in others), (request, answers)
    assert all(status < 500 for status, _, _ in first)


def answer(client: httpx.Client, request: Request, secrets: Mapping[str, str], keys: Keys) -> Answer:
    """Return an answer's status, the headers that matter, and its JSON, without what is new each time."""
    got = client.request(
        request.method,
        request.path,
        headers={name: filled(value.encode(), secrets).decode() for name, value in request.headers.items()},
        content=filled(request.body, secrets),
    )
    heads: dict[str, object] = {name: got.headers.get(name) for name in HEADERS}
    heads["allow"] = frozenset((got.headers.get("allow") or "").replace(" ", "").split(","))
    heads["content-type"] = (got.headers.get("content-type") or "").partition(";")[0]
    body: Any = got.json() if got.content else None
    if got.status_code == 201:  # each row has an id of its own
        heads["location"] = str(heads["location"]).removesuffix(str(body.pop("id")))
    if got.status_code == 200 and request.path == "/token":  # and each token its second
        claims = jwt.decode(body["access_token"], keys.variables[JWT_KEY], algorithms=["HS256"])
        issued = claims.pop("iat")
        body["access_token"] = {**claims, "exp": claims["exp"] - issued}
    return got.status_code, heads, body
