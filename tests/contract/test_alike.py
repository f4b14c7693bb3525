"""Equivalence beyond the contract's cases: whatever is sent, all base variants answer the same."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest
from generated import Request, requests
from hypothesis import HealthCheck, event, given, settings
from served import Served

REQUESTS = 2000
HEADERS = ("allow", "cache-control", "location", "retry-after", "www-authenticate", "x-cache")
"""Those that matter to a client, beside the content type."""


@pytest.fixture(scope="module")
def clients(all_served: dict[str, Served]) -> Iterator[dict[str, httpx.Client]]:
    """Return a client for each variant, by its name."""
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(httpx.Client(base_url=served.url, timeout=10))
            for name, served in all_served.items()
        }


@pytest.mark.slow
@given(request=requests())
@settings(
    max_examples=REQUESTS,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_every_request_is_answered_alike(clients: dict[str, httpx.Client], request: Request) -> None:
    """Status, the headers that matter, and JSON are the same in all variants; no request makes them fail."""
    answers = {name: answer(client, request) for name, client in clients.items()}
    (first, *others) = answers.values()
    event(f"status {first[0]}")
    assert all(other == first for other in others), answers
    assert first[0] < 500


def answer(client: httpx.Client, request: Request) -> tuple[int, dict[str, object], object]:
    """Return an answer's status, the headers that matter, and its JSON."""
    got = client.request(request.method, request.path, headers=dict(request.headers), content=request.body)
    heads: dict[str, object] = {name: got.headers.get(name) for name in HEADERS}
    heads["allow"] = frozenset((got.headers.get("allow") or "").replace(" ", "").split(","))
    heads["content-type"] = (got.headers.get("content-type") or "").partition(";")[0]
    body: Any = got.json() if got.content else None
    if got.status_code == 201:  # each row has an id of its own
        heads["location"] = str(heads["location"]).removesuffix(str(body.pop("id")))
    return got.status_code, heads, body
