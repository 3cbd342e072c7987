"""What several figures share: frames, scales for accuracies and costs, marks, and labels that never overlap."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter, NullLocator
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression

from ..document.looks import FULL, INK, PAPER, RULE, SOFT, UNIFORM, Look
from ..document.numbers import NARROW, flops, fraction, seconds
from ..document.panels import Report, Row
from ..document.text import clean, short
from .canvas import Drawing, canvas, finish, place, size_of, text_width

WIDE, PHONE = 6.2, 4.3
"""Widths in inches: half a page of a wide screen, and what fits a phone without shrinking the type."""

LABEL_GAP = 0.155
"""Inches from one label to the next."""

ROW = 0.25
"""Height of a row in inches."""

TAG_LIMIT = 26
_LEADER = 0.5

_FLOOR = 0.05
"""Smallest error, in points, that the logarithmic accuracy axis shows."""

BASELINES = {
    "full": Look(FULL, "o", "-"),
    "uniform": Look(UNIFORM, "o", (0, (4, 2))),
    "full-all": Look(FULL, "*", (0, (1, 1.5))),
}
QUANTITIES = {"flops": ("total_flops", "total FLOPs", flops), "seconds": ("seconds", "seconds", seconds)}
"""Of each cost: the field of an arm, the unit, and how a value is written."""


def look_of(report: Report, arm: Row) -> Look:
    """A strategy's own look, or the grey of its baseline."""
    return report.looks[arm["label"]] if arm["role"] == "strategy" else BASELINES[arm["role"]]


def relative_label(unit: str, base: float, to: str, shown: Any) -> str:
    """Label of an axis of costs relative to ``to``, whose cost is ``base``; the fonts lack the narrow space."""
    return f"{unit}, relative to {to} (1 = {shown(base)})".replace(NARROW, " ")


def row_frame(
    labels: Sequence[str],
    *,
    width: float = PHONE,
    row: float = ROW,
    right: float,
    top: float,
    bottom: float,
    widest: float = 1.55,
) -> tuple[Figure, Axes]:
    """A figure of one line for each of ``labels``, with at most ``widest`` inches for them at the left."""
    figure, (axes,) = canvas(width, top + row * max(len(labels), 2) + bottom)
    place(axes, left=label_room(labels, widest), right=right, top=top, bottom=bottom)
    return figure, axes


def label_room(labels: Sequence[str], widest: float) -> float:
    """Inches to leave left of axes for :func:`row_labels`."""
    return min(max(text_width(labels) + 0.15, 0.5), widest)


def tagged_frame(labels: Sequence[str], count: int, least: float = 3.6, bottom: float = 0.5) -> tuple[Figure, Axes]:
    """A figure with room at the right for ``count`` tags of these ``labels``, at least ``least`` inches high."""
    figure, (axes,) = canvas(WIDE, max(least, 0.86 + LABEL_GAP * count * 1.15))
    place(axes, left=0.52, right=tag_room(labels), top=0.34, bottom=bottom)
    return figure, axes


def finish_tagged(axes: Axes, across: str, upwards: str, tags: Sequence[Tag]) -> None:
    """Name both axes, draw the grid, and write the tags; set the limits first."""
    axes.grid(True, axis="y")
    axes.spines["left"].set_visible(False)
    axes.set_xlabel(across)
    axes.set_title(upwards, loc="left", color=SOFT, pad=3)
    tags_beside(axes, tags)


def blank(figure: Figure, axes: Axes, name: str, title: str, text: str) -> Drawing:
    """Finish a figure that has nothing to draw, with ``text`` in its middle."""
    note(axes, text)
    return finish(figure, name, title, f"{text[0].upper()}{text[1:]}.")


@dataclass(frozen=True)
class Tag:
    """A label beside the drawing for the point ``(x, y)`` in data coordinates, with the point's look."""

    text: str
    x: float
    y: float
    look: Look


def spread(wanted: Sequence[float], gap: float, low: float, high: float) -> NDArray[np.float64]:
    """Positions nearest to ``wanted`` (in least squares) that keep ``gap`` apart, in the same order, in [low, high].

    Parameters
    ----------
    wanted : sequence of float, shape [n]
    gap, low, high : float
        In the same unit. Where ``n`` labels do not fit, the gap shrinks to what there is.
    """
    n = len(wanted)
    if n == 0:
        return np.empty(0)
    gap = min(gap, (high - low) / max(n - 1, 1))
    order = np.argsort(np.asarray(wanted), kind="stable")
    offset = gap * np.arange(n)
    even = isotonic_regression(np.asarray(wanted)[order] - offset).x
    result = np.empty(n)
    result[order] = np.clip(even, low, high - offset[-1]) + offset
    return result


def tag_room(texts: Sequence[str]) -> float:
    """Inches to leave right of axes for :func:`tags_beside`."""
    return _LEADER + 0.2 + text_width([short(text, TAG_LIMIT) for text in texts], 8)


def tags_beside(axes: Axes, tags: Sequence[Tag]) -> None:
    """Write ``tags`` in a column right of the axes, each tied to its point by a thin line; set the limits first."""
    if not tags:
        return
    box = axes.get_position()
    width, height = np.array([box.width, box.height]) * size_of(axes)
    points = (axes.transData + axes.transAxes.inverted()).transform([(tag.x, tag.y) for tag in tags])
    points = np.clip(points, 0, 1)
    gap = LABEL_GAP / height
    places = spread(points[:, 1], gap, -0.8 * gap, 1 + 0.8 * gap)
    column = 1 + _LEADER / width
    ends = [((x, y), (column - 0.06 / width, at)) for (x, y), at in zip(points, places, strict=True)]
    colours = [tag.look.colour for tag in tags]
    own: dict[str, Any] = {"transform": axes.transAxes, "clip_on": False}
    segments(axes, ends, colours, linewidths=0.5, alpha=0.5, zorder=1, **own)
    marks(
        axes, [Mark(column, float(at), tag.look) for tag, at in zip(tags, places, strict=True)], markersize=4.5, **own
    )
    for tag, at in zip(tags, places, strict=True):
        text = short(tag.text, TAG_LIMIT)
        axes.text(column + 0.08 / width, at, text, transform=axes.transAxes, va="center", fontsize=8)


@dataclass(frozen=True)
class Mark:
    """A marker at ``(x, y)``: filled with its own colour, or hollow."""

    x: float
    y: float
    look: Look
    hollow: bool = False


def marks(axes: Axes, points: Sequence[Mark], **style: Any) -> None:
    """Draw markers: one artist for all that look alike, so that hundreds of strategies take dozens of artists."""
    alike: dict[tuple[Look, bool], list[Mark]] = {}
    for point in points:
        alike.setdefault((point.look, point.hollow), []).append(point)
    for (look, hollow), group in alike.items():
        face = {"markerfacecolor": PAPER} if hollow else {}
        at = [point.x for point in group], [point.y for point in group]
        axes.plot(*at, linestyle="none", marker=look.marker, color=look.colour, **face, **style)


def segments(axes: Axes, lines: Sequence[Any], colours: Sequence[str], **style: Any) -> None:
    """Draw lines, each a sequence of points, as one artist; the limits of the axes stay as they are."""
    axes.add_collection(LineCollection(lines, colors=colours, **style), autolim=False)


def row_lines(axes: Axes, count: int) -> None:
    """Draw a thin line through each of ``count`` rows."""
    across = axes.get_yaxis_transform()
    segments(axes, [((0, n), (1, n)) for n in range(count)], [RULE], linewidths=0.4, zorder=0, transform=across)


def row_labels(axes: Axes, labels: Sequence[str], first: float = 0.0) -> None:
    """Name the rows ``first``, ``first + 1``, ... of the axes at their left.

    They are plain texts: a tick is five artists.
    """
    width, _ = size_of(axes)
    left = -0.05 / (width * axes.get_position().width)
    axes.set_yticks([])
    for row, label in enumerate(labels):
        at = axes.get_yaxis_transform()
        axes.text(left, first + row, label, transform=at, ha="right", va="center_baseline", color=INK, fontsize=8.5)


def accuracy_scale(axes: Axes, lowest: float, highest: float) -> bool:
    """Set the vertical axis for accuracies in per cent; True where it became logarithmic in the error.

    Where the worst error is more than five times the best, equal steps on the axis are equal *ratios* of errors:
    95 to 97.5 is as far as 97.5 to 98.75. A straight axis would push all that matters into its last tenth.
    """
    worst, best = 100 - lowest, max(100 - highest, _FLOOR)
    logarithmic = worst > 5 * best
    if not logarithmic:
        room = 0.08 * max(highest - lowest, 0.2)
        axes.set_ylim(lowest - room, min(highest + room, 100.0))
        return False
    axes.set_yscale("function", functions=(_to_height, _to_accuracy))
    stretch = (worst / best) ** 0.06
    axes.set_ylim(100 - min(worst * stretch, 100.0), 100 - best / stretch)
    ticks = [t for t in (10, 25, 50, 75, 80, 85, 90, 95, 97, 98, 99, 99.5, 99.8, 99.9) if lowest <= t <= 100 - best]
    axes.yaxis.set_major_locator(FixedLocator(_thinned(ticks, _to_height(np.array(ticks)))))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_locator(NullLocator())
    return True


def _to_height(accuracy: NDArray[np.float64]) -> NDArray[np.float64]:
    return -np.log10(np.maximum(100.0 - np.asarray(accuracy, dtype=float), 1e-3))


def _to_accuracy(height: NDArray[np.float64]) -> NDArray[np.float64]:
    return 100.0 - 10.0 ** (-np.asarray(height, dtype=float))


def _thinned(ticks: list[float], heights: NDArray[np.float64]) -> list[float]:
    kept: list[float] = []
    last = -math.inf
    span = (heights[-1] - heights[0]) if len(ticks) else 0.0
    for tick, height in zip(ticks, heights, strict=True):
        if height - last >= span / 9:
            kept.append(tick)
            last = height
    return kept


def relative_scale(axes: Axes, lowest: float, highest: float) -> None:
    """A horizontal axis of costs relative to full training: logarithmic, with ticks at powers of two where they fit."""
    low, high = math.log2(lowest), math.log2(highest)
    room = 0.05 * max(high - low, 1.0)
    axes.set_xscale("log", base=2)
    axes.set_xlim(2 ** (low - room), 2 ** (high + room))
    axes.xaxis.set_major_locator(FixedLocator(_ratio_ticks(low - room, high + room)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: fraction(value)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_minor_formatter(NullFormatter())


def _ratio_ticks(low: float, high: float) -> list[float]:
    """Powers of two between two exponents; where hardly any lie between them, round decimals instead."""
    step = max(1, round((high - low) / 7))
    ticks = [2.0**power for power in range(math.ceil(low), math.floor(high) + 1) if power % step == 0]
    if len(ticks) >= 3:
        return ticks
    scale = 10.0 ** math.floor(low * math.log10(2))
    for digits in (
        (1, 2, 5, 10, 20, 50),
        (1, 1.5, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 15, 20),
        [n / 10 for n in range(10, 121)],
    ):
        fine = [scale * digit for digit in digits if low <= math.log2(scale * digit) <= high]
        if len(fine) >= 3:
            return fine[:: max(1, round(len(fine) / 6))]
    return ticks


def note(axes: Axes, text: str) -> None:
    """A remark in the middle of axes that have nothing to draw."""
    axes.text(0.5, 0.5, clean(text), transform=axes.transAxes, ha="center", va="center", color=SOFT)
