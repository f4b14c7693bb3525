"""The page of a report in a real browser, opened from the disk."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import synthetic
from browser import Watched, viewing
from pages import Written
from playwright.sync_api import Locator, expect

from harness.records.run import StoredRun

pytestmark = pytest.mark.slow

HIT = "document.title='hit'"
HOSTILE = f'</script><script>{HIT}</script><img src=x onerror="{HIT}">\u202e\'"`{{a|b}}'


def figures(watched: Watched) -> Locator:
    """Return the charts that are shown, after each was scrolled to."""
    shown = watched.page.locator("figure[data-chart]:visible")
    for place in range(shown.count()):
        shown.nth(place).scroll_into_view_if_needed()
        expect(shown.nth(place).locator("svg").first).to_be_attached()
    return shown


def tables(watched: Watched, section: str) -> Locator:
    """Return the tables of a section that are shown."""
    return watched.page.locator(f"#{section} table:visible")


def names(table: Locator) -> list[str]:
    """Return the first column of the rows that are shown."""
    return table.locator("tbody tr:visible > :first-child").all_inner_texts()


def opened_at(watched: Watched, path: Path, state: str) -> None:
    """Open the page anew at an address."""
    watched.page.goto("about:blank")
    watched.page.goto(f"{path.as_uri()}#{state}")


def test_charts_are_drawn_and_nothing_is_asked_for(written: Written) -> None:
    """Every chart draws from the page alone, under its policy, without a complaint and without a request."""
    path = written(synthetic.recorded())
    with viewing(path) as watched:
        assert figures(watched).count() == 8
        assert watched.asked == [path.as_uri()]
        assert watched.complaints == []


def test_a_foreign_script_does_not_run(written: Written) -> None:
    """The policy stops a script that the page does not name, should one ever get in."""
    path = written(synthetic.recorded())
    path.write_text(path.read_text().replace("</main>", "</main><script>document.title='hit'</script>"))
    with viewing(path) as watched:
        assert watched.page.title() != "hit"
        assert any("Content Security Policy" in said for said in watched.complaints)


@pytest.mark.parametrize("name", [HOSTILE, "x" * 10_000, "=cmd|' /C calc'!A0", "__proto__"])
def test_hostile_names_break_nothing(written: Written, name: str) -> None:
    """Names, failures and versions that attack the page are text in it: nothing runs, all is drawn."""
    path = written(hostile(name))
    with viewing(path) as watched:
        assert figures(watched).count() == 4
        assert watched.page.title() != "hit"
        assert watched.page.locator("img").count() == 0
        assert watched.page.evaluate("document.documentElement.scrollWidth") == 1280
        assert watched.asked == [path.as_uri()]
        assert watched.complaints == []


def hostile(name: str) -> StoredRun:
    """Return a run whose variants, scenario, versions, failure, command and fingerprint are this text."""
    speed = synthetic.Speed(900, 900, 50)
    run = synthetic.run({name: speed, f"{name}-2": speed}, (name,), twin=None)
    failed = replace(run.trials[0].record, failure=name, load=None, phases=None, versions={"x": name})
    record = replace(run.record, fingerprint={name: name}, command=name, services={name: name})
    return replace(run, trials=(replace(run.trials[0], record=failed), *run.trials[1:]), record=record)


def test_the_filters_choose_what_is_shown_and_stand_in_the_address(written: Written) -> None:
    """A scenario, a metric and variants are chosen; the address that comes of it opens the same view."""
    path = written(synthetic.recorded())
    with viewing(path) as watched:
        page = watched.page
        page.locator("select[name=scenario]").select_option("history")
        page.locator("select[name=metric]").select_option("latency")
        page.get_by_label("django-gunicorn", exact=True).uncheck()
        address = page.url
        for _ in range(2):
            (table,) = tables(watched, "figures").all()
            assert table.locator("caption").inner_text() == "Latency (response time)"
            assert names(table) == ["fastapi-uvicorn", "flask-gunicorn"]
            assert names(tables(watched, "ranking").first) == ["fastapi-uvicorn", "flask-gunicorn"]
            assert tables(watched, "ranking").first.locator("thead th:visible").count() == 2
            shown = figures(watched)
            assert [shown.nth(n).get_attribute("data-chart") for n in range(shown.count())] == [
                "percentiles",
                "over-time",
            ]
            opened_at(watched, path, address.partition("#")[2])
        assert page.locator("select[name=scenario]").input_value() == "history"
        page.get_by_role("button", name="Reset").click()
        expect(tables(watched, "figures")).to_have_count(8)
        assert page.url.endswith("#")
        assert watched.complaints == []


def test_a_filtered_chart_shows_no_other_variant(written: Written) -> None:
    """Bars and labels of variants that are not chosen are not drawn."""
    with viewing(written(synthetic.recorded())) as watched:
        chart = watched.page.locator("figure[data-chart=ranked]").first
        chart.scroll_into_view_if_needed()
        expect(chart.locator("svg text", has_text="django-gunicorn")).to_have_count(1)
        watched.page.get_by_label("django-gunicorn", exact=True).uncheck()
        expect(chart.locator("svg text", has_text="django-gunicorn")).to_have_count(0)
        expect(chart.locator("svg text", has_text="flask-gunicorn")).to_have_count(1)


def test_an_address_that_fits_no_run_shows_all(written: Written) -> None:
    """Names that this run does not have choose nothing."""
    path = written(synthetic.recorded())
    with viewing(path) as watched:
        opened_at(watched, path, "scenario=nowhere&variant=nobody&metric=%3Cscript%3E")
        expect(tables(watched, "figures")).to_have_count(8)
        assert watched.complaints == []


def test_tables_sort_by_their_heads_from_the_keyboard(written: Written) -> None:
    """A head sorts by its numbers, then the other way, and says so; what is not measured stays last."""
    with viewing(written(synthetic.recorded())) as watched:
        table = tables(watched, "figures").nth(5)  # latency on history, where one is invalid
        head = table.get_by_role("columnheader", name="p99 ms")
        assert names(table) == ["fastapi-uvicorn", "flask-gunicorn", "django-gunicorn"]
        head.get_by_role("button").focus()
        for order, due in (
            ("ascending", ["fastapi-uvicorn", "flask-gunicorn", "django-gunicorn"]),
            ("descending", ["flask-gunicorn", "fastapi-uvicorn", "django-gunicorn"]),
        ):
            watched.page.keyboard.press("Enter")
            expect(head).to_have_attribute("aria-sort", order)
            assert names(table) == due


def test_the_star_of_the_best_is_no_part_of_its_figure(written: Written) -> None:
    """What is significantly better than all others is sorted by its figure, first or last as that is."""
    with viewing(written(synthetic.run())) as watched:
        table = tables(watched, "figures").first  # throughput on hello
        assert "★" in table.locator("tbody tr").first.inner_text()
        head = table.get_by_role("columnheader", name="requests/s")
        for order, place in (("ascending", -1), ("descending", 0)):
            head.get_by_role("button").click()
            expect(head).to_have_attribute("aria-sort", order)
            assert names(table)[place] == "fastapi-uvicorn"


def test_a_table_is_saved_as_numbers(written: Written) -> None:
    """The page saves what the file beside it holds: CSV and JSON with the bounds of every interval."""
    run = synthetic.recorded()
    with viewing(written(run), accept_downloads=True) as watched:
        saved = {}
        for ending in ("CSV", "JSON"):
            with watched.page.expect_download() as download:
                watched.page.get_by_role(
                    "button", name=f"Save as {ending}: Throughput", exact=True
                ).first.click()
            saved[download.value.suggested_filename] = Path(download.value.path()).read_text()
        lines = saved["hello-throughput.csv"].splitlines()
        assert lines[0].startswith("scenario,load,variant,requests/s,requests/s low,requests/s high,")
        assert lines[1].startswith('hello,"closed, 1000 users",fastapi-uvicorn,7')
        assert '"requests/s low": 7' in saved["hello-throughput.json"]


def test_a_saved_name_is_no_formula(written: Written) -> None:
    """What a spreadsheet would take for a formula is led by an apostrophe."""
    speeds = {"=1+1": synthetic.Speed(900, 900, 50), "b": synthetic.Speed(800, 900, 50)}
    with viewing(written(synthetic.run(speeds, ("hello",), twin=None)), accept_downloads=True) as watched:
        with watched.page.expect_download() as download:
            watched.page.get_by_role("button", name="Save as CSV: Ranks by scenario").click()
        assert "\n'=1+1," in Path(download.value.path()).read_text()


def test_without_scripts_all_figures_are_there(written: Written) -> None:
    """Where no script runs the answer, the trust and all tables are shown, and no dead control."""
    with viewing(written(synthetic.recorded()), java_script_enabled=False) as watched:
        page = watched.page
        assert "fastapi-uvicorn is fastest" in page.locator("h1").inner_text()
        assert tables(watched, "figures").count() == 8
        assert page.locator("form:visible").count() == 0
        assert page.locator("#trust button, #figures button").count() == 0
        page.locator("#evidence summary").first.click()
        assert names(tables(watched, "evidence").first).count("flask-gunicorn") == 5


def test_a_tooltip_tells_a_trial_as_text(written: Written) -> None:
    """Over a bar its figure stands with interval and unit, drawn as text and never as HTML."""
    with viewing(written(synthetic.recorded())) as watched:
        chart = watched.page.locator("figure[data-chart=ranked]").first
        chart.scroll_into_view_if_needed()
        place = chart.locator(".chart")
        expect(place.locator("svg").first).to_be_attached()
        box = place.bounding_box()
        assert box is not None
        watched.page.mouse.move(box["x"] + 300, box["y"] + 24)
        expect(place.locator("svg text", has_text="requests/s")).to_have_count(2)
        assert place.locator("div:has(> br), span").count() == 0
