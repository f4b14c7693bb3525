"""A page of ours as a browser would take it apart."""

from __future__ import annotations

from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

from harness.records.run import StoredRun

Written = Callable[[StoredRun], Path]
"""What writes a run's page and returns its path."""


class Tags(HTMLParser):
    """Collects what a browser would see as elements and ids."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.ids: list[str] = []
        self.addresses: list[str] = []
        self.handlers: list[str] = []
        self.styled: list[str] = []
        self.policies: list[str] = []
        self.scripts: dict[str | None, list[str]] = {}
        """By type, None for what runs."""
        self._inside: list[str] | None = None
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        self.tags.add(tag)
        if tag == "script":
            self._inside = self.scripts.setdefault(dict(attrs).get("type"), [])
            self._inside.append("")
        if dict(attrs).get("http-equiv") == "Content-Security-Policy":
            self.policies.append(dict(attrs)["content"] or "")
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            if name in ("src", "href", "xlink:href", "action"):
                self.addresses.append(value or "")
            if name.startswith("on"):
                self.handlers.append(name)
            if name == "style":
                self.styled.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Note the end of a script."""
        if tag == "script":
            self._inside = None

    def handle_data(self, data: str) -> None:
        """Keep a script's text."""
        if self._inside is not None:
            self._inside[-1] += data
