from __future__ import annotations

from collections.abc import Iterator

import pytest
from browser import watching
from playwright.sync_api import expect
from served import VARIANTS, Serve, Served

pytestmark = pytest.mark.slow


@pytest.fixture(params=VARIANTS)
def served(request: pytest.FixtureRequest, serve: Serve) -> Iterator[Served]:
    """Serve a variant that needs nothing."""
    with serve(request.param, {}) as one:
        yield one


@pytest.mark.parametrize(
    ("operation", "answer"),
    [("hello", "Hello, World!"), ("generate", "task_123456")],
)
def test_swagger_ui_sends_a_request(served: Served, operation: str, answer: str) -> None:
    """`/docs` loads all by itself, and "Try it out", "Execute" shows the service's answer."""
    with watching(served.url) as watched:
        page = watched.page
        page.goto("/docs")
        block = page.locator(f"[id$='-{operation}'].opblock")
        block.locator(".opblock-summary-control").click()
        block.get_by_role("button", name="Try it out").click()
        block.get_by_role("button", name="Execute").click()
        live = block.locator(".live-responses-table")
        expect(live.locator(".response-col_status").last).to_contain_text("200")
        expect(live).to_contain_text(answer)
        assert watched.elsewhere() == []
        assert watched.complaints == []


def test_redoc_shows_the_document(served: Served) -> None:
    """`/redoc` shows every operation and loads nothing but the document."""
    with watching(served.url) as watched:
        watched.page.goto("/redoc")
        expect(watched.page.get_by_text("/api/ai/generate").first).to_be_visible()
        assert watched.elsewhere() == []
        assert watched.complaints == []
