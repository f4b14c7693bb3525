"""The page for everyone: in light and dark, on a phone, on paper, and for those who don't see it."""

from __future__ import annotations

from pathlib import Path

import pytest
import synthetic
from accessible import SCHEMES_AND_WIDTHS, everything_open, violations
from browser import viewing
from pages import Written

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(("scheme", "width"), SCHEMES_AND_WIDTHS)
def test_no_violation_of_wcag(written: Written, axe: str, scheme: str, width: int) -> None:
    """axe-core finds nothing on levels A and AA of WCAG 2.2, with everything unfolded and drawn."""
    run = synthetic.with_errors(synthetic.recorded(), "flask-gunicorn", "hello", [1])
    with viewing(
        written(run), color_scheme=scheme, viewport={"width": width, "height": 900}, bypass_csp=True
    ) as watched:
        everything_open(watched)
        assert violations(watched, axe) == []


def test_a_chart_is_told_in_words(written: Written) -> None:
    """To a screen reader a chart is a picture with its figures, and its table follows."""
    with viewing(written(synthetic.recorded())) as watched:
        everything_open(watched)
        chart = watched.page.locator("figure[data-chart=ranked]").first
        told = chart.get_by_role("img").first.get_attribute("aria-label") or ""
        assert told.startswith("Throughput in requests/s, the best first: fastapi-uvicorn 7")
        assert "±" in told
        assert chart.get_by_role("table").count() == 1


def test_nothing_is_wider_than_a_phone(written: Written) -> None:
    """On 390 pixels only tables scroll sideways, each in a frame of its own that the keyboard reaches."""
    with viewing(written(synthetic.recorded()), viewport={"width": 390, "height": 844}) as watched:
        everything_open(watched)
        assert watched.page.evaluate("document.documentElement.scrollWidth") == 390
        for frame in watched.page.locator(".scroll").all():
            assert frame.get_attribute("tabindex") == "0"


def test_everything_is_printed(written: Written, tmp_path: Path) -> None:
    """On paper every chart is drawn, also what nobody scrolled to, in light colours and without controls."""
    paper = tmp_path / "report.pdf"
    with viewing(written(synthetic.recorded()), color_scheme="dark") as watched:
        watched.page.pdf(path=paper, format="A4")
        assert paper.read_bytes().startswith(b"%PDF")
        figures = watched.page.locator("figure[data-chart]")
        assert figures.locator("svg").count() >= figures.count() == 8
        watched.page.emulate_media(media="print")
        assert (
            watched.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        )
        assert watched.page.locator("nav:visible, form:visible, .downloads:visible").count() == 0
        assert watched.complaints == []
