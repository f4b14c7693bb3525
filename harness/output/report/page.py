"""The HTML report of a run: one self-contained page, with its tables and pictures as files beside it."""

from __future__ import annotations

import re
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from harness.ground.errors import EnvironmentUnfit
from harness.judgement.judge import judge_trials
from harness.output import plots, table_formats, tables, wording
from harness.output.report import facts, trust
from harness.output.report.answers import answer, headline
from harness.output.standings import Group, groups, ranks_of
from harness.records.disk import write
from harness.records.store import StoredRun
from harness.records.summary import Summary
from harness.records.summary_json import to_json

HERE = Path(__file__).parent
_SVG_TAG = re.compile(r"<svg[^>]*>")
_SVG_SIZE = re.compile(r'viewBox="[^"]*"')


def write_report(run: StoredRun, summary: Summary, folder: Path) -> Path:
    """Write the page, the tables (Markdown, CSV), the pictures and the summary; return the page's path.

    Each file is written aside and renamed, the page last, so that a page never lacks what it names.
    Raises EnvironmentUnfit where the folder can't be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        files = report_files(run, summary)
        for name in plots.NAMES:
            if f"{name}.png" not in files:
                (folder / f"{name}.png").unlink(missing_ok=True)  # of an older report
        for name, content in files.items():
            write(folder / name, content)
    except OSError as error:
        raise EnvironmentUnfit(
            f"the report can't be written: {error.strerror}",
            where=str(folder),
            remedy="make room or choose another folder, then `webdyno report`; the results are kept",
        ) from error
    return folder / "index.html"


def report_files(run: StoredRun, summary: Summary) -> dict[str, bytes]:
    """Return the content of each file of a report by its name, the page last."""
    drawn = plots.pictures(summary, judge_trials(run))
    built = tables.build(summary)
    files = {f"{picture.name}.png": picture.png for picture in drawn}
    files["tables.md"] = table_formats.to_markdown(built).encode()
    files |= {name: text.encode() for name, text in table_formats.csv_files(built).items()}
    files["summary.json"] = to_json(summary).encode()
    files["index.html"] = page(run, summary, drawn, built).encode()
    return files


def page(
    run: StoredRun, summary: Summary, drawn: tuple[plots.Picture, ...], built: tuple[tables.Table, ...]
) -> str:
    """Return the page; everything that comes from a variant, a log or a record is escaped data."""
    environment = Environment(
        loader=FileSystemLoader(HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["code"] = _code
    shown = groups(summary)
    answers = [answer(group) for group in shown]
    found, unchecked = trust.findings(summary)
    return environment.get_template("page.html").render(
        style=Markup((HERE / "page.css").read_text(encoding="utf-8")),  # noqa: S704 - our own file
        title=wording.plain(f"{summary.suite}: {summary.run}"),
        state=run.state,
        headline=headline(answers),
        answers=answers,
        trials=sum(cell.trials for cell in summary.cells),
        valid_trials=sum(cell.valid_trials for cell in summary.cells),
        planned_trials=run.planned,
        found=found,
        unchecked=unchecked,
        resources=trust.resources(shown),
        resource_names=trust.RESOURCES.values(),
        noise=trust.noise(summary, shown),
        floor=trust.widest_floor(summary),
        groups=shown,
        metrics=wording.METRICS,
        standings=_standings(shown),
        tables=built,
        legend=table_formats.LEGEND,
        pictures=[(picture, _inline(picture)) for picture in drawn],
        method=facts.method(run),
        machine=facts.machine(run.record.fingerprint),
        versions=facts.versions(summary),
        command=facts.command(run),
        run=wording.plain(summary.run),
    )


def _standings(shown: tuple[Group, ...]) -> list[tuple[str, list[tuple[str, str]]]]:
    """Return for each variant its rank and its limiter on every scenario."""
    labels = sorted({cell.variant.label for group in shown for cell in group.cells})
    ranks = [ranks_of(group) for group in shown]
    rows = []
    for label in labels:
        fields: list[tuple[str, str]] = []
        for group, of_group in zip(shown, ranks, strict=True):
            cell = next((cell for cell in group.cells if cell.variant.label == label), None)
            ranked = wording.rank(of_group.get(label))
            fields.append(
                ("invalid" if cell and not cell.valid_trials else ranked, cell.limiter if cell else "")
            )
        rows.append((wording.plain(label), fields))
    return rows


def _code(text: str) -> Markup:
    """Return text whose parts between backticks are code."""
    parts = text.split("`")
    marked = (
        Markup("<code>{}</code>").format(part) if index % 2 else escape(part)
        for index, part in enumerate(parts)
    )
    return Markup("").join(marked)


def _inline(picture: plots.Picture) -> Markup:
    """Return a picture's SVG for the page, with ids of its own, the page's colours, and its words.

    matplotlib escapes the text in it.
    """
    svg = picture.svg[picture.svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    size = _SVG_SIZE.search(svg)
    head = f'<svg {size[0] if size else ""} role="img" aria-label="{escape(picture.alt)}">'
    svg = _SVG_TAG.sub(lambda _: head, svg, count=1)
    svg = re.sub(r'(\sid="|url\(#|href="#)', rf"\g<1>{picture.name}-", svg).replace("xlink:href", "href")
    svg = svg.replace(plots.INK, "currentColor").replace(plots.FAINT, "var(--line)")
    return Markup(svg)  # noqa: S704 - made by matplotlib from escaped text
