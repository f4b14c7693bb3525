"""The two streams that commands print to.

Whatever is printed may hold foreign text (a variant's command, a log's lines, a record from elsewhere), so
both streams take out what would steer the terminal; the styles that rich adds are not touched.
"""

from __future__ import annotations

import os
import sys
import unicodedata
from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment


class PlainConsole(Console):
    """A console on which foreign text can neither move the cursor nor reorder a line."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Yield the segments of what is printed, control and format characters taken out of their text."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(_harmless(segment.text), segment.style)

    def on_broken_pipe(self) -> None:
        """Let the commands know that nobody reads any more; rich itself would end the program with 1."""
        os.dup2(os.open(os.devnull, os.O_WRONLY), self.file.fileno())  # or Python complains at its exit
        raise BrokenPipeError


def bear_any_text() -> None:
    """Have signs that a stream's encoding lacks written as `?`, also in a locale without UTF-8."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a test's stand-in may have none
            stream.reconfigure(errors="replace")


def _harmless(text: str) -> str:
    return "".join(sign for sign in text if sign == "\n" or not unicodedata.category(sign).startswith("C"))


out = PlainConsole(soft_wrap=True)
"""Results."""
complaints = PlainConsole(stderr=True, soft_wrap=True)
"""Errors, questions, and progress where a program reads the results."""
