"""Who pays for the mean: each strategy's difference from full training on each class of the test images."""

from __future__ import annotations

import numpy as np

from ..document.looks import INK
from ..document.numbers import percent, points
from ..document.panels import Panel, Report, Row
from ..document.text import clean, short
from .axes import WIDE, blank, row_frame, row_labels
from .canvas import Drawing, finish, text_width
from .heatmap import LABEL_LIMIT, WIDEST, class_axis, two_sided, write

_WRITTEN, _NAMED = 10, 20  # most classes with room for numbers in cells, and for names


def class_differences(name: str, title: str, report: Report, panel: Panel, found: Row) -> Drawing:
    """Draw ``found`` of the summary's ``classes``, those where full training is least accurate first."""
    drawn = {arm["key"]: arm for arm in panel.drawn if arm["role"] == "strategy"}
    rows = [row for row in found["contrasts"] if row["question"] == "accuracy" and row["arm"] in drawn]
    labels = [short(row["strategy"], LABEL_LIMIT) for row in rows]
    full = np.array([np.nan if value is None else value for value in found["full"] or ()], dtype=float)
    order = np.argsort(full, kind="stable")[: int(np.isfinite(full).sum())]
    classes, few = [clean(found["classes"][i]) for i in order], len(order) <= _NAMED
    heads = [f"{short(label, 14)}  {percent(full[i])}" for label, i in zip(classes, order, strict=True)]
    below = min(text_width(heads, 7.5) + 0.1, 1.7) if few else 0.3
    figure, axes = row_frame(labels, width=WIDE, right=0.1, top=0.42, bottom=below + 0.1, widest=WIDEST)
    if not rows:
        return blank(figure, axes, name, title, "no pair of runs to compare yet")
    table = np.array([[row["mean_difference"][i] for i in order] for row in rows], dtype=float)
    reach = float(max(np.quantile(np.abs(table), 0.95), 2 * panel.dataset["margin"]))
    two_sided(axes, table, reach)
    for (line, at), value in np.ndenumerate(table if len(order) <= _WRITTEN else np.empty((0, 0))):
        write(axes, line, at, value, points(float(value)), 0.6 * reach, 7.5)
    axes.axvline(len(found["worst"]), color=INK, linewidth=1.4)
    row_labels(axes, labels, 0.5)
    key = f"orange: worse than full training, blue: better; full colour from {reach:.2g} points"
    class_axis(axes, heads, few, "by the accuracy of full training, lowest first", key)
    lines = [
        f"{clean(row['strategy'])} {points(float(line.min()))} on {classes[int(line.argmin())]} "
        f"to {points(float(line.max()))} on {classes[int(line.argmax())]}"
        for row, line in zip(rows, table, strict=True)
    ]
    worst = ", ".join(classes[: len(found["worst"])][:5])
    said = f"Difference from full training by class, in points, least to most: {'; '.join(lines)}."
    return finish(figure, name, title, f"{said} Worst under full training: {worst}.")
