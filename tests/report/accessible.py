"""What axe-core finds on a page with everything unfolded and drawn."""

from __future__ import annotations

import json

from browser import Watched
from playwright.sync_api import expect

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
"""Of axe-core: what WCAG 2.2 asks on its levels A and AA."""
SCHEMES_AND_WIDTHS = [("light", 1280), ("dark", 1280), ("light", 390), ("dark", 390)]


def violations(watched: Watched, axe: str) -> list[str]:
    """Return what axe finds, with the elements."""
    watched.page.evaluate(axe)
    found = watched.page.evaluate(f"axe.run({{runOnly: {json.dumps(RULES)}}})")
    assert found["passes"], "axe has looked at nothing"
    return [f"{one['id']}: {[node['html'][:200] for node in one['nodes']]}" for one in found["violations"]]


def everything_open(watched: Watched) -> None:
    """Open what is folded, and have every chart drawn."""
    watched.page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    for figure in watched.page.locator("figure[data-chart]").all():
        figure.scroll_into_view_if_needed()
        expect(figure.locator("svg").first).to_be_attached()
