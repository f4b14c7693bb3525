"""What a picture shows, to read: as SVG whose text is text."""

import io

import matplotlib as mpl
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure


def shown(canvas: Figure) -> str:
    """Return the picture's SVG."""
    text = io.StringIO()
    with mpl.rc_context({"svg.fonttype": "none"}):
        canvas.set_canvas(FigureCanvasSVG(canvas))
        canvas.savefig(text, format="svg")
    return text.getvalue()
