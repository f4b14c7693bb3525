"""A real browser, whose every request and complaint is kept."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright
from served import PATIENCE_S

SWITCH = "WEBDYNO_BROWSER"
"""`off` leaves the tests out that need a browser, where there can be none."""
HOST = "ai-service.example"
"""A name that is not this machine's: some scripts behave better where they see that they are at home."""


@dataclass(slots=True)
class Watched:
    """A page, and what it did."""

    page: Page
    asked: list[str] = field(default_factory=list)
    """The address of every request."""
    complaints: list[str] = field(default_factory=list)
    """Errors of the console, and exceptions that nobody caught."""

    def elsewhere(self) -> list[str]:
        """Return the requests to other hosts that were sent, or are within a minute."""
        self.page.clock.run_for(60_000)  # telemetry waits until nobody looks
        self.page.wait_for_load_state("networkidle")
        own = [url for url in self.asked if urlsplit(url).scheme in ("data", "blob")]
        return [url for url in self.asked if urlsplit(url).hostname != HOST and url not in own]


def chromium() -> str:
    """Return the browser's path; skip the test where the switch says so, else fail without one."""
    if os.environ.get(SWITCH) == "off":
        pytest.skip(f"{SWITCH} is off")
    found = shutil.which("chromium")
    if found is None:
        pytest.fail(f"there is no chromium: apt install chromium, or leave these tests out by {SWITCH}=off")
    return found


@contextmanager
def watching(url: str) -> Iterator[Watched]:
    """Open a browser that finds a server as `HOST` here and no other host at all; its page is still empty.

    It treats the server as if TLS protected it: else it complains of headers that mean something there alone.
    """
    origin = url.replace("127.0.0.1", HOST)
    args = (
        f"--host-resolver-rules=MAP {HOST} 127.0.0.1, MAP * ~NOTFOUND",
        f"--unsafely-treat-insecure-origin-as-secure={origin}",
    )
    with _browser(*args) as browser:
        page = browser.new_page(viewport={"width": 1200, "height": 1000}, base_url=origin)
        page.clock.install()
        yield _watched(page)


@contextmanager
def viewing(path: Path, **settings: Any) -> Iterator[Watched]:  # noqa: ANN401 - Playwright's own, of many kinds
    """Open a file in a browser without any host; `settings` are those of a new page."""
    with _browser("--host-resolver-rules=MAP * ~NOTFOUND") as browser:
        watched = _watched(browser.new_page(**{"viewport": {"width": 1280, "height": 900}, **settings}))
        watched.page.goto(path.as_uri())
        yield watched


@contextmanager
def _browser(*args: str) -> Iterator[Browser]:
    program = chromium()
    expect.set_options(timeout=1000 * PATIENCE_S)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", *args])
        try:
            yield browser
        finally:
            browser.close()


def _watched(page: Page) -> Watched:
    watched = Watched(page)
    page.set_default_timeout(1000 * PATIENCE_S)
    page.on("request", lambda request: watched.asked.append(request.url))
    page.on("pageerror", lambda error: watched.complaints.append(str(error)))
    page.on(
        "console",
        lambda said: watched.complaints.append(said.text) if said.type == "error" else None,
    )
    return watched
