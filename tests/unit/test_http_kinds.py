"""The kinds of errors are those that the documentation tells."""

from __future__ import annotations

import re
from pathlib import Path

from harness.loadgen.client import KINDS


def test_every_kind_of_error_is_documented_in_the_same_words() -> None:
    """docs/client.md lists exactly the kinds that there are, with their meaning."""
    text = (Path(__file__).parents[2] / "docs" / "client.md").read_text()
    table = dict(
        re.findall(r"^\| `(\w+)` \| (.*) \|$", text.split("## Errors")[1].split("##")[0], re.MULTILINE)
    )
    assert table == dict(KINDS)
