"""What a recorded run amounts to, to the byte. `WEBDYNO_UPDATE_GOLDEN=1` writes the files anew."""

import os
from pathlib import Path

import pytest
import synthetic

from harness.judgement.judge import judge
from harness.output import table_formats, tables
from harness.records.run import StoredRun
from harness.records.summary_json import to_json

HERE = Path(__file__).parent


def results(run: StoredRun) -> dict[str, str]:
    """Return each golden file's text as it is made now."""
    summary = judge(run)
    built = tables.build(summary)
    return {
        "summary.json": to_json(summary),
        "tables.md": table_formats.to_markdown(built),
        **table_formats.csv_files(built),
    }


@pytest.mark.parametrize("name", ["summary.json", "tables.md", *(f"{kind}.csv" for kind in tables.TITLES)])
def test_same_bytes(name: str) -> None:
    """The stored trials give the bytes that they gave before."""
    made = results(synthetic.recorded())[name]
    path = HERE / name
    if os.environ.get("WEBDYNO_UPDATE_GOLDEN"):
        path.write_text(made, encoding="utf-8")
    assert made == path.read_text(encoding="utf-8")


def test_same_bytes_from_disk(tmp_path: Path) -> None:
    """A run that was written and read back gives the bytes of the run in memory."""
    made = synthetic.recorded()
    assert results(synthetic.on_disk(made, tmp_path)) == results(made)
