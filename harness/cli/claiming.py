"""The command that holds others' claims against a run: claims."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli import completing, console, options
from harness.ground.errors import UsageError
from harness.records.claims import Claims, load_claims
from harness.records.project import Project, find_project
from harness.records.run import StoredRun
from harness.records.seal import insist_on_seal
from harness.records.store import Results
from harness.records.summary_json import round_figure

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.judgement.claims import JudgedClaim, Product


@click.command(name="claims")
@click.argument("name", metavar="RUN", default="latest", shell_complete=completing.runs)
@click.option(
    "--claims",
    "file",
    type=click.Path(path_type=Path),
    help="A claims file; claims/article.toml of the project unless given.",
)
@click.option("--markdown", is_flag=True, help="Print Markdown.")
@options.results
@options.as_json
def see_claims(name: str, file: Path | None, markdown: bool, results: Path | None, as_json: bool) -> None:
    """Hold every claim of an article against a run, with a verdict and an interval."""
    from harness.judgement.claims import judge_claims, products
    from harness.judgement.judge import judge
    from harness.output import claim_tables, table_formats

    project = find_project(Path.cwd())
    stored = Results(project.results if results is None else results).find(name)
    insist_on_seal(stored.folder)
    claims = _claims(project, stored, _article(project) if file is None else file)
    judged = judge_claims(claims.claims, judge(stored), stored.placement.caps, _benchmarks(project))
    arithmetic = products(claims.claims)
    if as_json:
        click.echo(json.dumps(_document(stored.id, claims.title, judged, arithmetic)))
        return
    tables = claim_tables.build(claims, judged, arithmetic)
    if markdown:
        click.echo(table_formats.to_markdown(tables, claim_tables.LEGEND), nl=False)
        return
    for table in tables:
        console.out.print(table_formats.to_rich(table))
    console.out.print(claim_tables.LEGEND, markup=False, highlight=False)


def reported_claims(project: Project, stored: StoredRun) -> Claims | None:
    """Return the claims that a run's report speaks of: the project's article's; None where it has none.

    A file that is no claims file costs the report that section, and a word on the terminal.
    """
    path = _article(project)
    if not path.is_file():
        return None
    try:
        return _claims(project, stored, path)
    except UsageError as error:
        words = f"the report is without claims: {error.where}: {error.what}"
        console.complaints.print(words, markup=False, highlight=False)
        return None


def _article(project: Project) -> Path:
    return project.root / "claims" / "article.toml"


def _claims(project: Project, stored: StoredRun, path: Path) -> Claims:
    variants = {*project.variants(), *(variant.id for variant in stored.variants)}
    scenarios = {*project.scenarios(), *(scenario.id for scenario in stored.record.scenarios)}
    return load_claims(path, variants, scenarios)


def _benchmarks(project: Project) -> Mapping[str, object]:
    """Return the parsed results of the project's benchmarks by the names of their files."""
    found: dict[str, object] = {}
    for path in sorted((project.root / "benchmarks" / "results").glob("*.json")):
        try:
            found[path.name] = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise UsageError(f"can't be read: {error}", where=str(path), remedy="measure it anew") from error
    return found


def _document(
    run: str, title: str, judged: Sequence[JudgedClaim], arithmetic: Sequence[Product]
) -> dict[str, Any]:
    return {
        "schema": 1,
        "run": run,
        "title": title,
        "claims": [
            {
                "id": one.claim.id,
                "says": one.claim.says,
                "claimed": {"low": round_figure(one.claim.low), "high": round_figure(one.claim.high)},
                "measured": None if one.measured is None else asdict(one.measured),
                "per_core": None
                if one.per_core is None
                else {"claimed": one.per_core[0], "measured": asdict(one.per_core[1])},
                "verdict": one.verdict,
                "why": one.why,
            }
            for one in judged
        ],
        "products": [asdict(one) for one in arithmetic],
    }
