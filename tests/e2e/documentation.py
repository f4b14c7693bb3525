"""The documents, and what stands in them: commands, tables, sections."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click

from harness.cli.main import cli

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted(
    path.relative_to(ROOT)
    for pattern in (
        "*.md",
        "docs/*.md",
        "docs/how-to/*.md",
        "results/README.md",
        "reports/README.md",
        "apps/**/README.md",
    )
    for path in ROOT.glob(pattern)
)


def text_of(document: str) -> str:
    """Return a document's text."""
    return (ROOT / document).read_text(encoding="utf-8")


def prose_of(text: str) -> str:
    """Return a text without its code blocks."""
    return re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)


def blocks(text: str, language: str) -> list[str]:
    """Return the code blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def documented(document: Path | str) -> list[str]:
    """Return the commands of a document's `sh` blocks, comments and repetitions left out."""
    lines = [line for block in blocks(text_of(str(document)), "sh") for line in block.splitlines()]
    commands = (re.sub(r"\s+#.*$", "", line).strip() for line in lines)
    return list(dict.fromkeys(command for command in commands if command and not command.startswith("#")))


def commands() -> list[str]:
    """Return the commands of all documents in the order in which they are read."""
    order = [Path("README.md"), *(path for path in DOCUMENTS if path != Path("README.md"))]
    return list(dict.fromkeys(command for path in order for command in documented(path)))


def command_names() -> list[str]:
    """Return the names of webdyno's commands."""
    return cli.list_commands(click.Context(cli))


def command_of(name: str) -> click.Command:
    """Return a command of webdyno by its name."""
    found = cli.get_command(click.Context(cli), name)
    assert found is not None, f"there is no command {name}"
    return found


def section(document: str, heading: str) -> str:
    """Return the text between a heading and the next one of its level or above."""
    level = heading.partition(" ")[0]
    found = re.search(
        rf"^{re.escape(heading)}\n(.*?)(?=^#{{1,{len(level)}}} |\Z)",
        prose_of(text_of(document)),
        re.MULTILINE | re.DOTALL,
    )
    assert found, f"{document} has no {heading!r}"
    return found[1]


def rows(text: str) -> list[list[str]]:
    """Return the body rows of all tables in a text."""
    found = []
    for table in re.findall(r"(?:^\|.*\|\n)+", text, re.MULTILINE):
        for line in table.splitlines()[2:]:
            cells = re.split(r"(?<!\\)\|", line.strip().strip("|"))
            found.append([cell.strip() for cell in cells])
    return found


def keys(text: str) -> list[str]:
    """Return what stands in backticks in the first column of the tables in a text."""
    return [key for row in rows(text) for key in re.findall(r"`([^`]+)`", row[0])]


def anchors(text: str) -> set[str]:
    """Return the anchors that headings get."""
    headings = re.findall(r"^#+ (.+)$", prose_of(text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def listed_after(words: str) -> list[str]:
    """Return what stands in backticks in the paragraph of the results folder that begins with some words."""
    text = section("docs/reference.md", "## The results folder")
    (paragraph,) = [part for part in text.split("\n\n") if part.strip().startswith(words)]
    return re.findall(r"`([a-z_0-9]+)`", paragraph.strip().removeprefix(words))


def section_with_code(document: str, mark: str) -> str:
    """Return what follows a mark."""
    return text_of(document).partition(mark)[2]


def contains(whole: Any, part: Any) -> bool:  # noqa: ANN401 - any JSON
    """Tell whether a part is in a whole: keys may be missing from objects, and items from lists."""
    if isinstance(part, dict):
        return isinstance(whole, dict) and all(
            key in whole and contains(whole[key], value) for key, value in part.items()
        )
    if isinstance(part, list):
        return isinstance(whole, list) and all(any(contains(w, p) for w in whole) for p in part)
    return bool(whole == part)
