"""How pictures look, and how they are rendered: as PNG, to the same bytes each time.

Made with matplotlib's objects alone, without pyplot's state.
"""

from __future__ import annotations

import hashlib
import io
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Canvas
from matplotlib.layout_engine import ConstrainedLayoutEngine

INK = "#24292f"
FAINT = "#d8dee4"
WARN = "#cf222e"
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b8860b", "#2f96d0", "#7b4ea3", "#7a7a7a")
"""Told apart with the common colour blindnesses (after Okabe and Ito, "Color universal design", 2008)."""
MARKERS = "osD^vPX*"
"""With the colours, so that lines are told apart without them."""
SETTINGS: Any = {  # its type is a list of all names that matplotlib knows
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 10,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": FAINT,
    "xtick.color": INK,
    "ytick.color": INK,
    "text.parse_math": False,
}
WIDTH = 9.0


@dataclass(frozen=True, slots=True)
class Picture:
    """A drawn picture."""

    name: str
    """The file's name without its ending."""
    png: bytes


def colours_of(labels: Iterable[str]) -> dict[str, str]:
    """Return a colour for each label: by its name, so that it keeps it from run to run where it can."""
    taken: dict[str, str] = {}
    for label in sorted(set(labels)):
        start = int.from_bytes(hashlib.sha256(label.encode("utf-8", "replace")).digest()[:4]) % len(PALETTE)
        order = [*PALETTE[start:], *PALETTE[:start]]
        used = Counter(taken.values())
        taken[label] = min(order, key=lambda colour: used[colour])
    return taken


def spaced() -> ConstrainedLayoutEngine:
    """Return a layout that leaves room between panels."""
    return ConstrainedLayoutEngine(h_pad=0.12, hspace=0.02)


def finish(axes: Axes, title: str, *, both: bool = False) -> None:
    """Give a panel its title and its looks."""
    axes.set_title(title, loc="left", fontsize=11, fontweight="bold", pad=8)
    axes.set_axisbelow(True)
    axes.grid(visible=True, axis="both" if both else "x", color=FAINT, linewidth=0.8)
    axes.spines[["top", "right", "left", "bottom"]].set_visible(False)
    axes.tick_params(length=0)


def picture(name: str, canvas: Canvas) -> Picture:
    """Render a canvas."""
    png = io.BytesIO()
    canvas.set_canvas(FigureCanvasAgg(canvas))
    canvas.savefig(png, format="png", dpi=160, metadata={"Software": None})
    return Picture(name, png.getvalue())
