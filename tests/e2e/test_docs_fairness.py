"""The tables of docs/fairness.md are what variants and PostgreSQL are really started with."""

from __future__ import annotations

import pytest
import served
from documentation import ROOT, blocks, rows, section, text_of

from harness.ground.model import NO_FRAMEWORK, Caps, Variant
from harness.ground.placeholders import names
from harness.machine.services.postgres_cluster import SETTINGS
from harness.records import manifest
from harness.records.project import Project

VARIANTS = Project(ROOT).variants()
FURTHER = [
    name
    for name, variant in VARIANTS.items()
    if name not in served.VARIANTS and variant.framework != NO_FRAMEWORK
]
COLUMNS = {
    "processes": {"workers": ""},
    "concurrency": {"threads": " threads"},
    "connections": {"worker_connections": "", "connection_limit": ""},
    "backlog": {"backlog": ""},
    "keep-alive": {"keep_alive_s": " s", "header_read_timeout_ms": " ms"},
}
"""Of the further variants' table: whatever a server calls the setting, with the unit of its value."""
NONE = "–"


def test_fairness_states_the_settings() -> None:
    """The table of servers' settings is that of the variants' files, and every value reaches the server."""
    table = [row for row in rows(section("docs/fairness.md", "## Servers")) if len(row) == 5]
    for column, name in enumerate(served.VARIANTS, 1):
        written = {row[0].strip("`"): row[column].strip("`") for row in table if row[column] != "–"}
        variant = VARIANTS[name]
        assert written == {key: str(value) for key, value in variant.settings.items()}
        command = manifest.start_command(variant, host="h", port=1, caps=Caps(2, 1 << 30), settings={})
        assert all(value.replace("{cpus}", "2") in command for value in written.values())


@pytest.mark.parametrize("name", FURTHER)
def test_fairness_states_each_further_variant(name: str) -> None:
    """Every other variant has a row of its manifest's values, and a reason for each that is not the usual."""
    variant = VARIANTS[name]
    cells = [shown(variant, column) for column in COLUMNS]
    due = [f"`{name}`", variant.server, *cells]
    (row,) = [row for row in further() if row[0] == due[0]] or [[]]
    assert row[:-1] == due, f"docs/fairness.md, by {variant.folder}/variant.toml: | {' | '.join(due)} | why |"
    reasons = dict(part.partition(": ")[::2] for part in row[-1].split("; ") if part)
    assert all(reasons.values()), f"{name}: a reason follows each *name*: {row[-1]}"
    seen = {
        column for column, cell, usual in zip(COLUMNS, cells, usually(variant), strict=True) if cell != usual
    }
    seen |= set(variant.settings) - {setting for column in COLUMNS.values() for setting in column}
    told = {reason.strip("*`") for reason in reasons}
    assert seen <= told, f"{name}: docs/fairness.md gives no reason for its {', '.join(seen - told)}"
    assert told & set(COLUMNS) <= seen, (
        f"{name}: the usual needs no reason: {', '.join(told & set(COLUMNS) - seen)}"
    )
    used = {setting for argument in variant.start for setting in names(argument)}
    assert set(variant.settings) <= used, f"{name}: its server is not told {set(variant.settings) - used}"


def test_fairness_states_no_variant_that_is_gone() -> None:
    """The table of further variants has a row of none that is not there, and none twice."""
    assert sorted(row[0].strip("`") for row in further()) == sorted(FURTHER)


def further() -> list[list[str]]:
    """Return the rows of the further variants."""
    return rows(section("docs/fairness.md", "### Of the further variants"))


def shown(variant: Variant, column: str) -> str:
    """Return what a column has to say of a variant."""
    found = [
        f"`{variant.settings[setting]}`{unit}"
        for setting, unit in COLUMNS[column].items()
        if setting in variant.settings
    ]
    return " ".join(found) or (variant.concurrency if column == "concurrency" else NONE)


def usually(variant: Variant) -> tuple[str, ...]:
    """Return what needs no reason, in the order of the columns; the section's first sentence."""
    concurrency = "`16` threads" if variant.concurrency == "threads" else variant.concurrency
    connections = NONE if variant.concurrency == "async" else "`16384`"
    return "`{cpus}`", concurrency, connections, "`4096`", "`75` s"


def test_fairness_states_postgresqls_settings() -> None:
    """Each setting of PostgreSQL in the documentation is one that the server is started with."""
    (block,) = blocks(text_of("docs/fairness.md"), "ini")
    assert all(line in SETTINGS.read_text().splitlines() for line in block.splitlines())
