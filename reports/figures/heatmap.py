"""Tables of colour: class balance of what was picked, how alike strategies pick, and what hangs on the reference."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.colors import LinearSegmentedColormap, Normalize
from numpy.typing import NDArray

from ..document.looks import INK, PAPER, SOFT
from ..document.numbers import correlation, points
from ..document.panels import Panel, Report, Row
from ..document.text import clean, short
from .axes import note, row_labels
from .canvas import Drawing, canvas, finish, place, text_width

WIDTH = 6.2
ROW = 0.25
LABEL_LIMIT = 22
_WRITTEN = 14
"""Most strategies for which each cell of a square map has room for its number."""

_ON_PALE, _ON_DARK = "#1d1c19", "#fffefc"
"""Type on coloured cells, which look the same on a dark page: no colour that the page replaces."""

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
    figure, (axes,) = canvas(WIDTH, 0.42 + ROW * max(len(arms), 2) + below + 0.1)
    place(axes, left=min(max(text_width(labels) + 0.15, 0.5), 1.9), right=0.1, top=0.42, bottom=below + 0.1)
    if not arms:
        note(axes, "no picks recorded yet")
        return finish(figure, name, title, "No picks recorded yet.")
    table = np.array(rows)
    reach = float(np.clip(np.abs(table).max(), 0.25, 2.0))
    _cells(axes, table, reach)
    row_labels(axes, labels, 0.5)
    ticks = (np.arange(len(classes) if few else 0) + 0.5).tolist()
    axes.set_xticks(ticks, [short(label, 14) for label in classes] if few else [], rotation=90, fontsize=7.5)
    if not few:
        axes.set_xlabel(f"the {len(classes)} classes, in the data set's order")
    axes.set_title(
        f"orange: picked less, down to {2**-reach:.2f}\u00d7 its share; blue: more, up to {2**reach:.2f}\u00d7",
        loc="left",
        color=SOFT,
        pad=5,
        fontsize=7.5,
    )
    lines = [
        f"{clean(arm['label'])} {2 ** float(row.min()):.2f} to {2 ** float(row.max()):.2f} times"
        for arm, row in zip(arms, table, strict=True)
    ]
    return finish(figure, name, title, "How often each class was picked against its share: " + "; ".join(lines) + ".")


def sensitivity(name: str, title: str, panels: Sequence[Panel], rows: Sequence[Sequence[Row]]) -> Drawing:
    """Draw the differences of each strategy (rows) under each reference (columns), in points.

    Parameters
    ----------
    panels : sequence of panels of one data set
    rows : for each panel, its contrasts of one question
    """
    found = [{row["strategy"]: row for row in column if row["mean_difference"] is not None} for column in rows]
    strategies = list(dict.fromkeys(label for column in found for label in column))
    labels = [short(label, LABEL_LIMIT) for label in strategies]
    heads = [short(panel.reference, 20) for panel in panels]
    figure, (axes,) = canvas(4.3, 0.5 + ROW * max(len(labels), 2) + 0.15)
    place(axes, left=min(max(text_width(labels) + 0.15, 0.5), 1.9), right=0.1, top=0.5, bottom=0.15)
    if not strategies:
        note(axes, "no pair of runs to compare yet")
        return finish(figure, name, title, "No pairs yet.")
    table = np.full((len(strategies), len(panels)), np.nan)
    for number, column in enumerate(found):
        for line, label in enumerate(strategies):
            if label in column:
                table[line, number] = column[label]["mean_difference"]
    reach = float(max(np.nanquantile(np.abs(table), 0.9), 2 * panels[0].dataset["margin"]))
    _cells(axes, table, reach)
    for (line, number), value in np.ndenumerate(table):
        colour = INK if np.isnan(value) else _ON_DARK if abs(value) >= 0.6 * reach else _ON_PALE
        text = points(float(value))
        axes.text(number + 0.5, line + 0.5, text, ha="center", va="center", color=colour, fontsize=8)
    row_labels(axes, labels, 0.5)
    axes.xaxis.tick_top()
    axes.set_xticks(np.arange(len(heads)) + 0.5, heads, color=INK, fontsize=8)
    lines = [
        f"{clean(label)}: "
        + ", ".join(f"{clean(panel.reference)} {points(float(v))}" for panel, v in zip(panels, table[i], strict=True))
        for i, label in enumerate(strategies)
    ]
    return finish(figure, name, title, "Difference in points by reference. " + "; ".join(lines) + ".")


def _cells(axes, table: NDArray[np.float64], reach: float) -> None:  # type: ignore[no-untyped-def]
    axes.pcolormesh(
        np.ma.masked_invalid(table),
        cmap=_TWO_SIDED,
        norm=Normalize(-reach, reach),
        edgecolors=PAPER,
        linewidth=0.8 if table.shape[1] <= 40 else 0,
    )
    axes.set_ylim(table.shape[0], 0)
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)


def overlap_map(name: str, title: str, found: Row) -> Drawing:
    """Draw how alike two strategies pick: the correlation of how often each image was picked, mean over seeds.

    Parameters
    ----------
    found : mapping
        An entry of the summary's ``overlap``.
    """
    labels = [short(label, LABEL_LIMIT) for label in found["labels"]]
    table = np.array([[np.nan if value is None else value for value in line] for line in found["matrix"]], dtype=float)
    written = len(labels) <= _WRITTEN
    side = min(max(text_width(labels) + 0.15, 0.5), 1.9)
    head = min(max(text_width(labels, 8) + 0.12, 0.4), 1.9)
    cell = 0.42 if written else 0.2
    figure, (axes,) = canvas(side + cell * max(len(labels), 2) + 0.1, head + max(ROW, 0.18) * max(len(labels), 2) + 0.1)
    place(axes, left=side, right=0.1, top=head, bottom=0.1)
    if not labels:
        note(axes, "no picks recorded yet")
        return finish(figure, name, title, "No picks recorded yet.")
    _cells(axes, table, 1.0)
    for (line, number), value in np.ndenumerate(table if written else np.empty((0, 0))):
        if np.isfinite(value):
            colour = _ON_DARK if abs(value) >= 0.6 else _ON_PALE
            text = "1" if line == number else correlation(float(value))
            axes.text(number + 0.5, line + 0.5, text, ha="center", va="center", color=colour, fontsize=7.5)
    row_labels(axes, labels, 0.5)
    axes.xaxis.tick_top()
    axes.set_xticks(np.arange(len(labels)) + 0.5, labels, color=INK, fontsize=8, rotation=90)
    return finish(figure, name, title, _overlap_words(found["labels"], table))


def _overlap_words(labels: Sequence[str], table: NDArray[np.float64]) -> str:
    """The pairs most and least alike; a matrix read out whole helps nobody."""
    pairs = sorted(
        ((float(table[i, j]), i, j) for i in range(len(labels)) for j in range(i) if np.isfinite(table[i, j])),
        reverse=True,
    )
    if not pairs:
        return "Correlation of how often each image was picked: no two strategies to compare."
    said = [f"{clean(labels[j])} and {clean(labels[i])} {correlation(value)}" for value, i, j in pairs]
    least = f"; least alike: {'; '.join(said[-3:][::-1])}" if len(said) > 3 else ""
    return f"Correlation of how often each image was picked. Most alike: {'; '.join(said[:3])}{least}."
