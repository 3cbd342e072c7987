"""Forest plots: one row for each strategy, its difference with interval, the margin as a band."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from ..document.looks import BAND, INK, RULE, SOFT, Look
from ..document.numbers import interval, level, points
from ..document.panels import Report, Row
from ..document.text import clean, short
from .axes import Mark, marks, row_labels, segments
from .canvas import Drawing, canvas, finish, place, text_width

WIDTH = 4.3
"""Inches: fits a phone without shrinking the type."""

ROW = 0.235
LABEL_LIMIT = 20


def forest(name: str, title: str, rows: Sequence[Row], report: Report, margin: float) -> Drawing:
    """Draw the differences of ``rows`` in the order given; filled markers are declared contrasts, hollow exploratory.

    Parameters
    ----------
    name, title : str
    rows : sequence of contrasts
    report : Report
        Gives each strategy its look.
    margin : float
        In points: the band from ``-margin`` to 0 is where a loss still counts as no worse.
    """
    shown = [row for row in rows if row["mean_difference"] is not None]
    labels = [short(row["strategy"], LABEL_LIMIT) for row in shown]
    height = 0.30 + ROW * max(len(shown), 2) + 0.46
    figure, (axes,) = canvas(WIDTH, height)
    place(axes, left=min(max(text_width(labels) + 0.15, 0.5), 1.55), right=0.12, top=0.30, bottom=0.46)
    low, high = _limits(shown, margin)
    axes.set_xlim(low, high)
    axes.set_ylim(max(len(shown), 2) - 0.5, -0.5)
    axes.axvspan(max(-margin, low), 0, color=BAND, linewidth=0, zorder=0)
    axes.axvline(0, color=INK, linewidth=0.9, zorder=1)
    axes.axvline(-margin, color=SOFT, linewidth=0.8, linestyle=(0, (3, 2)), zorder=1)
    _rows(axes, shown, report, low, high)
    row_labels(axes, labels)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel("difference in test accuracy, points")
    top = axes.get_xaxis_transform()
    axes.text(0, 1.0, " better \u2192", transform=top, ha="left", va="bottom", color=SOFT, fontsize=7.5)
    edge = f"margin \u2212{margin:g} "
    axes.text(-margin, 1.0, edge, transform=top, ha="right", va="bottom", color=SOFT, fontsize=7.5)
    return finish(figure, name, title, _words(shown, margin))


def _rows(axes: Axes, rows: Sequence[Row], report: Report, low: float, high: float) -> None:
    lines, colours, points_ = [], [], []
    for number, row in enumerate(rows):
        mean, look = row["mean_difference"], report.look(row)
        if mean < low or mean > high:
            _arrow(axes, number, mean, look, high if mean > high else low, right=mean > high)
            continue
        ends = [value if value is not None else mean for value in (row["ci_low"], row["ci_high"])]
        left, right = np.clip(ends, low, high)
        lines.append(((left, number), (right, number)))
        colours.append(look.colour)
        points_.append(Mark(mean, number, look, hollow=not row["primary"]))
    across = axes.get_yaxis_transform()
    segments(axes, [((0, n), (1, n)) for n in range(len(rows))], [RULE], linewidths=0.4, zorder=0, transform=across)
    segments(axes, lines, colours, linewidths=2, zorder=2)
    for size, hollow in ((5, True), (6, False)):
        chosen = [point for point in points_ if point.hollow is hollow]
        marks(axes, chosen, markersize=size, markeredgewidth=1.3, zorder=3)


def _arrow(axes: Axes, number: int, mean: float, look: Look, edge: float, *, right: bool) -> None:
    """A difference so far out that only its number and side are shown."""
    text = f"{points(mean)} \u2192" if right else f"\u2190 {points(mean)}"
    axes.text(edge, number, text, ha="right" if right else "left", va="center", fontsize=8, color=look.colour)


def _limits(rows: Sequence[Row], margin: float) -> tuple[float, float]:
    """Limits that hold the margin and all rows, save those so far out that they would flatten the rest."""
    ends = [
        (
            row["ci_low"] if row["ci_low"] is not None else row["mean_difference"],
            row["ci_high"] if row["ci_high"] is not None else row["mean_difference"],
        )
        for row in rows
    ] or [(0.0, 0.0)]
    reach = max(6 * margin, 2.5 * float(np.quantile(np.abs(ends), 0.75)))
    inside = [pair for pair in ends if max(abs(pair[0]), abs(pair[1])) <= reach] or [(0.0, 0.0)]
    low = min(-1.15 * margin, min(pair[0] for pair in inside))
    high = max(0.6 * margin, max(pair[1] for pair in inside))
    room = 0.04 * (high - low)
    return low - room, high + room


def _words(rows: Sequence[Row], margin: float) -> str:
    lines = [
        f"{clean(row['strategy'])} {points(row['mean_difference'])}"
        f" ({level(row)} interval {interval(row['ci_low'], row['ci_high'])}), {row['verdict']}"
        for row in rows
    ]
    return f"Differences in points; margin {margin:g}. " + ("; ".join(lines) or "No pairs yet.")
