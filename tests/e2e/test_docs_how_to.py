"""The how-to is true: whoever does what it says, in its order, has a variant that keeps the contract."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest
from documentation import blocks, documented, text_of
from parties import as_root
from running import ROOT, Home

HOW_TO = "docs/how-to/add-a-variant.md"
FILES = {"toml": "variant.toml", "text": "requirements.txt", "python": "app.py"}
"""What each block of the how-to is, by its language."""


@as_root
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_how_to_makes_a_variant(tmp_path: Path) -> None:
    """Its commands and files, in their order, end with a variant that keeps every rule that it has to."""
    home = Home(tmp_path / "home")
    shutil.copytree(ROOT / "apps/flask-gunicorn", home.folder / "apps/flask-gunicorn")
    write, verify, run = (shlex.split(command)[1:] for command in documented(HOW_TO))
    assert home.do(*write).status == 0
    folder = home.folder / "apps/my-bottle"
    for language, name in FILES.items():
        (text,) = blocks(text_of(HOW_TO), language)
        (folder / name).write_text(text)
    ended = home.do(*verify)
    assert ended.status == 0, ended
    home.suite(variants='["flask-gunicorn", "my-bottle"]', blocks="1", scenarios='["hello", "history"]')
    assert run[:3] == ["run", "--suite", "smoke"]
    measured = home.do("run", "--suite", "tiny.toml", *run[5:])
    assert measured.status in (0, 4), measured  # on a busy machine the generator may find itself too slow
    assert len(home.trials()) == 4


def test_the_how_to_counts_its_lines() -> None:
    """The lines that it says a variant takes are those of its blocks."""
    text = text_of(HOW_TO)
    counted = [len(blocks(text, language)[0].splitlines()) for language in FILES]
    found = re.search(r"3 files of (\d+), (\d+) and (\d+) lines", " ".join(text.split()))
    assert found
    assert list(map(int, found.groups())) == counted
