"""How a variant looks in all charts of a report: by its name, in its colour, with a sign and a stroke."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from harness.output import drawing

Stroke = tuple[int, ...]
"""Lengths of dashes and gaps; empty where a line is solid."""
_STROKES: tuple[Stroke, ...] = ((), (6, 3), (2, 2), (9, 3, 2, 3))
_SIGNS = (
    "M5,0A5,5,0,1,1,5,10A5,5,0,1,1,5,0Z",
    "M0.6,0.6H9.4V9.4H0.6Z",
    "M5,0L10,5L5,10L0,5Z",
    "M5,0.5L10,9.5H0Z",
    "M0,0.5H10L5,9.5Z",
    "M3.4,0H6.6V3.4H10V6.6H6.6V10H3.4V6.6H0V3.4H3.4Z",
    "M2,0L5,3L8,0L10,2L7,5L10,8L8,10L5,7L2,10L0,8L3,5L0,2Z",
    "M5,0L6.5,3.4L10,3.8L7.4,6.2L8.1,10L5,8L1.9,10L2.6,6.2L0,3.8L3.5,3.4Z",
)
"""Of each colour of the palette, in a box of 10 × 10, so that lines are told apart without colours."""
assert len(_SIGNS) == len(drawing.PALETTE)


@dataclass(frozen=True, slots=True)
class Look:
    """How one variant is drawn."""

    colour: str
    sign: str
    """The path of its sign, in a box of 10 × 10."""
    stroke: Stroke
    """Tells those apart that share a colour, where there are more variants than colours."""

    @property
    def symbol(self) -> str:
        """The sign as ECharts names it."""
        return f"path://{self.sign}"

    @property
    def mark(self) -> dict[str, object]:
        """The sign as a point of a chart: hollow where another variant has the colour to itself."""
        if not self.stroke:
            return {"symbol": self.symbol, "color": self.colour}
        hollow = {"color": "var(--paper)", "borderColor": self.colour, "borderWidth": 2}
        return {"symbol": self.symbol, "color": self.colour, "itemStyle": hollow}

    @property
    def line(self) -> dict[str, object]:
        """The stroke as ECharts has it."""
        return {"type": list(self.stroke)} if self.stroke else {}


def looks_of(labels: Iterable[str]) -> dict[str, Look]:
    """Return a look for each label, in the colours of the pictures."""
    shared: Counter[str] = Counter()
    looks = {}
    for label, colour in drawing.colours_of(labels).items():
        stroke = _STROKES[shared[colour] % len(_STROKES)]
        looks[label] = Look(colour, _SIGNS[drawing.PALETTE.index(colour)], stroke)
        shared[colour] += 1
    return looks
