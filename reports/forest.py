"""Forest plots: one row for each strategy, its difference with interval, the margin as a band."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .style import BAND, INK, PAPER, RULE, SOFT, Drawing, Look, canvas, clean, finish, place, short, text_width
from .view import Report, Row
from .wording import interval, level, points

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
    for number, row in enumerate(shown):
        _row(axes, number, row, report.look(row), low, high)
    axes.set_yticks(range(len(labels)), labels, color=INK, fontsize=8.5)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel("difference in test accuracy, points")
    top = axes.get_xaxis_transform()
    axes.text(0, 1.0, " better \u2192", transform=top, ha="left", va="bottom", color=SOFT, fontsize=7.5)
    edge = f"margin \u2212{margin:g} "
    axes.text(-margin, 1.0, edge, transform=top, ha="right", va="bottom", color=SOFT, fontsize=7.5)
    return finish(figure, name, title, _words(shown, margin))


def _row(axes, number: int, row: Row, look: Look, low: float, high: float) -> None:  # type: ignore[no-untyped-def]
    mean = row["mean_difference"]
    ends = [value if value is not None else mean for value in (row["ci_low"], row["ci_high"])]
    axes.axhline(number, color=RULE, linewidth=0.4, zorder=0)
    if mean < low or mean > high:
        right = mean > high
        axes.annotate(
            f"{points(mean)} \u2192" if right else f"\u2190 {points(mean)}",
            ((high if right else low), number),
            ha="right" if right else "left",
            va="center",
            fontsize=8,
            color=look.colour,
        )
        return
    axes.plot(np.clip(ends, low, high), [number, number], color=look.colour, linewidth=2, zorder=2)
    axes.plot(
        mean,
        number,
        marker=look.marker,
        markersize=6 if row["primary"] else 5,
        markerfacecolor=look.colour if row["primary"] else PAPER,
        markeredgecolor=look.colour,
        markeredgewidth=1.3,
        zorder=3,
    )


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
