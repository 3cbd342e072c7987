"""How every figure looks: one palette, one type size, one way to become SVG.

Text in the SVG files stays text. It can then be searched, selected and read aloud, takes the page's own font, and
weighs a tenth of outlines; layout is measured in DejaVu Sans, which is wider than the fonts that replace it, so nothing
grows out of its place.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path

from ..document.looks import INK, PAPER, RULE, SOFT
from ..document.text import clean

_RC: Any = {
    "svg.fonttype": "none",
    "text.parse_math": False,  # names are untrusted: "$\\frac{" is a name, not a formula
    "text.usetex": False,
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    **dict.fromkeys(("font.size", "axes.titlesize", "axes.labelsize"), 8.5),
    **dict.fromkeys(("xtick.labelsize", "ytick.labelsize"), 8),
    **dict.fromkeys(("axes.labelcolor", "xtick.labelcolor", "ytick.labelcolor"), SOFT),
    **dict.fromkeys(("axes.edgecolor", "xtick.color", "ytick.color", "grid.color"), RULE),
    **dict.fromkeys(("axes.spines.top", "axes.spines.right"), False),
    **dict.fromkeys(("axes.unicode_minus", "axes.axisbelow"), True),
    **dict.fromkeys(("ytick.major.size", "xtick.minor.size", "ytick.minor.size"), 0),
    "xtick.major.size": 3,
    "axes.facecolor": "none",
    "axes.titley": 1.0,  # where it stands anyhow; else it is looked for
    "axes.linewidth": 0.8,
    "figure.facecolor": PAPER,
    "text.color": INK,
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.5,
    "lines.solid_capstyle": "round",
}


@dataclass(frozen=True)
class Drawing:
    """A finished figure."""

    name: str  # of its files, without ending
    title: str
    description: str  # stands for the figure where it cannot be seen
    svg: bytes
    width: float  # natural width in CSS pixels
    figure: Figure | None = field(default=None, repr=False, compare=False)  # as drawn, for who wants its axes


@contextmanager
def drawing_rules() -> Iterator[None]:
    """Matplotlib's own defaults plus ours, whatever the user's configuration says; restored on leaving."""
    with matplotlib.rc_context(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_RC)
        yield


def canvas(width: float, height: float, *, columns: int = 1) -> tuple[Figure, list[Axes]]:
    """A figure of ``width`` x ``height`` inches and its axes, side by side; call under :func:`drawing_rules`."""
    figure = Figure(figsize=(width, height))
    return figure, [figure.add_subplot(1, columns, column + 1) for column in range(columns)]


def place(axes: Axes, *, left: float, right: float, top: float, bottom: float) -> None:
    """Set the axes' margins in inches: the same type and row height whatever the size of the figure."""
    width, height = size_of(axes)
    axes.set_position((left / width, bottom / height, (width - left - right) / width, (height - top - bottom) / height))


def size_of(axes: Axes) -> tuple[float, float]:
    """Width and height in inches of the figure that ``axes`` are on."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    width, height = figure.get_size_inches()
    return float(width), float(height)


def text_width(texts: Iterable[str], size: float = 8.5) -> float:
    return max((_width(text, size) for text in texts), default=0.0)


@lru_cache(maxsize=4096)
def _width(text: str, size: float) -> float:
    font = FontProperties(family="DejaVu Sans", size=size)
    return float(text_to_path.get_text_width_height_descent(text, font, ismath=False)[0]) / 72


def finish(figure: Figure, name: str, title: str, description: str) -> Drawing:
    """Write ``figure`` as SVG: no date, no version, no random id, so equal data give equal bytes."""
    matplotlib.rcParams["svg.hashsalt"] = name
    vector = io.BytesIO()
    figure.savefig(vector, format="svg", metadata={"Date": None, "Creator": None, "Title": clean(title)})
    svg, said = vector.getvalue(), (clean(title), clean(description))
    return Drawing(name, *said, svg, float(figure.get_size_inches()[0]) * 96, figure)
