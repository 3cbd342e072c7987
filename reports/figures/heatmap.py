"""Tables of colour: class balance of what was picked, how alike strategies pick, and what hangs on the reference."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, LinearSegmentedColormap, Normalize
from numpy.typing import NDArray

from ..document.looks import INK, PAPER, SOFT
from ..document.numbers import correlation, points
from ..document.panels import Panel, Report, Row
from ..document.text import clean, short
from .axes import ROW, WIDE, blank, label_room, row_frame, row_labels
from .canvas import Drawing, canvas, finish, place, text_width

LABEL_LIMIT = 22
WIDEST = 1.9  # inches for labels at the left
_WRITTEN = 14  # most strategies for which each cell of a square map has room for its number

# Type on coloured cells, which look the same on a dark page: no colour that the page replaces
ON_PALE, _ON_DARK = "#1d1c19", "#fffefc"

_TWO_SIDED = LinearSegmentedColormap.from_list(
    "orange to blue", ["#b35806", "#f1a340", "#f7f4ec", "#74a9cf", "#0b5394"]
)


def class_shares(report: Report, arm: Row) -> NDArray[np.float64] | None:
    """Share of each class among an arm's picks, all seeds together, float ``[C]``; None without picks."""
    counts = [cell.picks.class_counts for cell in report.cells(arm) if sum(cell.picks.class_counts)]
    if not counts or len({len(row) for row in counts}) > 1:
        return None
    total = np.sum(counts, axis=0, dtype=float)
    return np.asarray(total / total.sum())


def class_axis(axes: Axes, heads: Sequence[str], few: bool, ordered: str, key: str) -> None:
    """Columns named by class where they are ``few``, else counted; the key of the colours above."""
    axes.set_xticks(
        (np.arange(len(heads) if few else 0) + 0.5).tolist(), heads if few else [], rotation=90, fontsize=7.5
    )
    if not few:
        axes.set_xlabel(f"the {len(heads)} classes, {ordered}")
    axes.set_title(key, loc="left", color=SOFT, pad=5, fontsize=7.5)


def class_balance(name: str, title: str, report: Report, panel: Panel) -> Drawing:
    """Draw, for each strategy and class, how many times more or less often it was picked than by full training."""
    classes = [clean(label) for label in report.results.matrix.datasets[panel.dataset["name"]].classes]
    whole = class_shares(report, panel.full) if panel.full else None
    pool = np.full(len(classes), 1 / max(len(classes), 1)) if whole is None else whole
    arms, rows = [], []
    for arm in panel.drawn:
        mine = class_shares(report, arm)
        if arm["role"] in ("strategy", "uniform") and mine is not None and len(mine) == len(pool):
            arms.append(arm)
            rows.append(np.log2(np.maximum(mine, 1e-6) / np.maximum(pool, 1e-6)))
    few = len(classes) <= 20
    below = min(text_width(classes, 7.5) + 0.1, 1.3) if few else 0.3
    labels = [short(arm["label"], LABEL_LIMIT) for arm in arms]
    figure, axes = row_frame(labels, width=WIDE, right=0.1, top=0.42, bottom=below + 0.1, widest=WIDEST)
    if not arms:
        return blank(figure, axes, name, title, "no picks recorded yet")
    table = np.array(rows)
    reach = float(np.clip(np.abs(table).max(), 0.25, 2.0))
    two_sided(axes, table, reach)
    row_labels(axes, labels, 0.5)
    key = f"orange: picked less, down to {2**-reach:.2f}\u00d7 its share; blue: more, up to {2**reach:.2f}\u00d7"
    class_axis(axes, [short(label, 14) for label in classes], few, "in the data set's order", key)
    lines = [
        f"{clean(arm['label'])} {2 ** float(row.min()):.2f} to {2 ** float(row.max()):.2f} times"
        for arm, row in zip(arms, table, strict=True)
    ]
    return finish(figure, name, title, "How often each class was picked against its share: " + "; ".join(lines) + ".")


def sensitivity(name: str, title: str, panels: Sequence[Panel], rows: Sequence[Sequence[Row]]) -> Drawing:
    """Draw the differences of each strategy (rows) under each reference (columns), in points.

    ``panels`` are of one data set; ``rows`` has each one's contrasts of one question.
    """
    differences = [{row["strategy"]: row["mean_difference"] for row in column} for column in rows]
    means = [{label: mean for label, mean in column.items() if mean is not None} for column in differences]
    strategies = list(dict.fromkeys(label for column in means for label in column))
    labels = [short(label, LABEL_LIMIT) for label in strategies]
    figure, axes = row_frame(labels, right=0.1, top=0.5, bottom=0.15, widest=WIDEST)
    if not strategies:
        return blank(figure, axes, name, title, "no pair of runs to compare yet")
    table = np.array([[column.get(label, np.nan) for column in means] for label in strategies], dtype=float)
    reach = float(max(np.nanquantile(np.abs(table), 0.9), 2 * panels[0].dataset["margin"]))
    two_sided(axes, table, reach)
    for (line, number), value in np.ndenumerate(table):
        write(axes, line, number, value, points(float(value)), 0.6 * reach, 8)
    row_labels(axes, labels, 0.5)
    _heads(axes, [short(panel.reference, 20) for panel in panels])
    lines = []
    for label, row in zip(strategies, table, strict=True):
        each = [f"{clean(panel.reference)} {points(float(value))}" for panel, value in zip(panels, row, strict=True)]
        lines.append(f"{clean(label)}: {', '.join(each)}")
    return finish(figure, name, title, "Difference in points by reference. " + "; ".join(lines) + ".")


def two_sided(axes: Axes, table: NDArray[np.float64], reach: float) -> None:
    """A table's cells from orange at ``-reach`` to blue at ``reach``."""
    coloured(axes, table, _TWO_SIDED, Normalize(-reach, reach), 0.8 if table.shape[1] <= 40 else 0)


def coloured(axes: Axes, table: NDArray[np.float64], colours: Colormap, norm: Normalize, line: float = 0.8) -> None:
    """A table's cells, its rows from top to bottom, without ticks and frame."""
    axes.pcolormesh(np.ma.masked_invalid(table), cmap=colours, norm=norm, edgecolors=PAPER, linewidth=line)
    axes.set_ylim(table.shape[0], 0)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def _heads(axes: Axes, labels: Sequence[str], **style: Any) -> None:
    axes.xaxis.tick_top()
    axes.set_xticks(np.arange(len(labels)) + 0.5, labels, color=INK, fontsize=8, **style)


def write(axes: Axes, line: int, number: int, value: float, text: str, dark: float, size: float) -> None:
    colour = INK if np.isnan(value) else _ON_DARK if abs(value) >= dark else ON_PALE
    axes.text(number + 0.5, line + 0.5, text, ha="center", va="center", color=colour, fontsize=size)


def overlap_map(name: str, title: str, found: Row) -> Drawing:
    """Draw an entry of ``overlap``: the correlation of how often each image was picked, mean over seeds."""
    labels = [short(label, LABEL_LIMIT) for label in found["labels"]]
    table = np.array([[np.nan if value is None else value for value in line] for line in found["matrix"]], dtype=float)
    written = len(labels) <= _WRITTEN
    side = label_room(labels, WIDEST)
    head = min(max(text_width(labels, 8) + 0.12, 0.4), WIDEST)
    count = max(len(labels), 2)
    figure, (axes,) = canvas(side + (0.42 if written else 0.2) * count + 0.1, head + ROW * count + 0.1)
    place(axes, left=side, right=0.1, top=head, bottom=0.1)
    if not labels:
        return blank(figure, axes, name, title, "no picks recorded yet")
    two_sided(axes, table, 1.0)
    for (line, number), value in np.ndenumerate(table if written else np.empty((0, 0))):
        if np.isfinite(value):
            text = "1" if line == number else correlation(float(value))
            write(axes, line, number, value, text, 0.6, 7.5)
    row_labels(axes, labels, 0.5)
    _heads(axes, labels, rotation=90)
    return finish(figure, name, title, _overlap_words(found["labels"], table))


def _overlap_words(labels: Sequence[str], table: NDArray[np.float64]) -> str:
    """The pairs most and least alike; a matrix read out whole helps nobody."""
    below = ((float(table[i, j]), i, j) for i in range(len(labels)) for j in range(i))
    pairs = sorted((pair for pair in below if np.isfinite(pair[0])), reverse=True)
    if not pairs:
        return "Correlation of how often each image was picked: no two strategies to compare."
    said = [f"{clean(labels[j])} and {clean(labels[i])} {correlation(value)}" for value, i, j in pairs]
    least = f"; least alike: {'; '.join(said[-3:][::-1])}" if len(said) > 3 else ""
    return f"Correlation of how often each image was picked. Most alike: {'; '.join(said[:3])}{least}."
