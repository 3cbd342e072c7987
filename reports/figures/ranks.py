"""Critical-difference diagram: mean ranks over data sets on one line; bars join what Nemenyi's test cannot part."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from ..document.looks import INK, RULE, SOFT, Look
from ..document.panels import Report, Row
from ..document.text import clean, short
from .axes import Mark, marks, segments
from .canvas import Drawing, canvas, finish, place, text_width

WIDTH = 6.2
ROW = 0.2
LABEL_LIMIT = 24
_BAR = 0.1  # inches from one bar of a clique to the next


def rank_plot(name: str, title: str, report: Report, ranks: Row) -> Drawing:
    """Draw ``ranks`` of the summary, with a critical distance: without one the diagram says nothing.

    The best arm stands at the left, labels down both sides in the order of their ranks.
    """
    arms, distance = ranks["arms"], float(ranks["critical_distance"])
    means = np.array([arm["mean_rank"] for arm in arms])
    order = np.argsort(means, kind="stable")
    left, right = order[: (len(order) + 1) // 2], order[(len(order) + 1) // 2 :][::-1]
    labels = [_label(arm) for arm in arms]
    cliques = [sorted(means[group]) for group in ranks["cliques"] if len(group) > 1]
    top, rows = 0.62, 0.16 + _BAR * len(cliques)
    height = top + rows + ROW * max(len(left), len(right), 1) + 0.12
    figure, (axes,) = canvas(WIDTH, height)
    sides = [text_width([labels[i] for i in half], 8) + 0.2 for half in (left, right)]
    place(axes, left=max(sides[0], 0.4), right=max(sides[1], 0.4), top=top, bottom=0.02)
    axes.set_axis_off()
    last = max(len(arms), 2)
    axes.set_xlim(1, last)
    axes.set_ylim(height - top - 0.02, 0)  # inches below the line of ranks
    numbers = range(1, last + 1, max(1, round(last / 12)))
    own = {"clip_on": False, "zorder": 1}
    line = [((1, 0), (last, 0)), *(((at, 0), (at, -0.06)) for at in numbers)]
    segments(axes, line, [SOFT], linewidths=0.9, **own)
    for at in numbers:
        axes.text(at, -0.09, str(at), ha="center", va="bottom", color=SOFT, fontsize=8)
    end = min(1 + distance, float(last))
    bar = [((1, -0.34), (end, -0.34)), ((1, -0.38), (1, -0.30)), ((end, -0.38), (end, -0.30))]
    segments(axes, bar, [INK], linewidths=1.2, **own)
    axes.text(1, -0.42, f"critical distance {distance:.2f}", ha="left", va="bottom", color=INK, fontsize=8)
    ends = [(group[0] - 0.04, group[-1] + 0.04, 0.12 + _BAR * n) for n, group in enumerate(cliques)]
    bars = [((start, at), (end, at)) for start, end, at in ends]
    segments(axes, bars, [INK], linewidths=3, zorder=3, clip_on=False)
    looks = [report.look(arm) for arm in arms]
    for half, edge, align in ((left, 1.0, "right"), (right, float(last), "left")):
        _names(axes, [(means[i], labels[i], looks[i]) for i in half], edge, rows, align)
    joined = [" and ".join(labels[i] for i in group) for group in ranks["cliques"] if len(group) > 1]
    said = (
        f"Mean ranks over {ranks['datasets']} data sets, 1 is best: {', '.join(labels[i] for i in order)}. "
        f"Critical distance {distance:.2f}. Not told apart: {'; '.join(joined) or 'none'}."
    )
    return finish(figure, name, title, said)


def _label(arm: Row) -> str:
    name = clean(arm["label"]) + (f", {clean(arm['reference'])}" if arm["reference"] else "")
    return short(f"{name}  {arm['mean_rank']:.2f}", LABEL_LIMIT + 6)


def _names(axes: Axes, items: Sequence[tuple[float, str, Look]], edge: float, first: float, align: str) -> None:
    lines, ends = [], []
    for number, (rank, text, look) in enumerate(items):
        at = first + ROW * (number + 0.5)
        lines.append(((rank, 0), (rank, at), (edge, at)))
        ends.append(Mark(rank, 0, look))
        gap = "  " if align == "left" else ""
        axes.text(edge, at, gap + text + ("" if gap else "  "), ha=align, va="center_baseline", fontsize=8, color=INK)
    segments(axes, lines, [RULE], linewidths=0.9, zorder=0, clip_on=False)
    marks(axes, ends, markersize=5, zorder=4, clip_on=False)
