"""Training curves and ratio schedules, as realised: means over seeds."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from ..document.panels import Panel, Report, Row
from ..document.text import clean, names
from ..records.folder import Cell, Point
from .axes import Tag, accuracy_scale, blank, finish_tagged, look_of, segments, tagged_frame
from .canvas import Drawing, finish

_SHOWN_FROM = 0.15
"""Share of the training from which on every curve lies inside the axes; the climb before it would flatten the rest."""

Curve = tuple[NDArray[np.float64], NDArray[np.float64]]


def mean_curve(
    cells: Sequence[Cell], across: Callable[[Point], float], value: Callable[[Point], float | None]
) -> Curve:
    """Mean over seeds of ``value`` against ``across``, point by point up to the shortest curve, gaps left out."""
    length = min((len(cell.curve) for cell in cells), default=0)
    rows = [[(across(cell.curve[i]), value(cell.curve[i])) for cell in cells] for i in range(length)]
    kept = [[(x, y) for x, y in row if y is not None and np.isfinite(y)] for row in rows]
    means = np.array([np.mean(row, axis=0) for row in kept if row]).reshape(-1, 2)
    return means[:, 0], means[:, 1]


def training_curves(name: str, title: str, report: Report, panel: Panel) -> Drawing:
    """Draw validation accuracy against candidate passes, one line for each arm."""
    lines = []
    for arm in (arm for arm in panel.drawn if arm["role"] != "full-all"):  # it trains on the validation images
        curve = mean_curve(report.cells(arm), lambda point: point.passes, lambda point: point.val_accuracy)
        if len(curve[0]):
            lines.append((arm, curve[0], 100 * curve[1]))
    figure, axes = tagged_frame([arm["label"] for arm, _, _ in lines], len(lines))
    if not lines:
        return blank(figure, axes, name, title, "no curve recorded yet")
    axes.set_xlim(0, max(x[-1] for _, x, _ in lines))
    late = [y[x >= _SHOWN_FROM * x[-1]] for _, x, y in lines]
    accuracy_scale(axes, min(y.min() for y in late), max(y.max() for y in late))
    looks = [look_of(report, arm) for arm, _, _ in lines]
    for strong, width in ((False, 1.2), (True, 1.8)):
        chosen = [n for n, (arm, _, _) in enumerate(lines) if (arm["role"] != "strategy") is strong]
        drawn = [np.column_stack(lines[n][1:]) for n in chosen]
        dashes = [looks[n].dashes for n in chosen]
        colours = [looks[n].colour for n in chosen]
        segments(axes, drawn, colours, linestyles=dashes, linewidths=width, zorder=2 + strong)
    tags = [Tag(arm["label"], float(x[-1]), float(y[-1]), look) for (arm, x, y), look in zip(lines, looks, strict=True)]
    finish_tagged(axes, "passes over the candidate pool", "validation accuracy, %", tags)
    ends = "; ".join(f"{clean(arm['label'])} ends at {y[-1]:.2f} %" for arm, _, y in lines)
    return finish(figure, name, title, f"Validation accuracy over training, mean of seeds: {ends}.")


def ratio_curves(name: str, title: str, report: Report, panel: Panel) -> Drawing:
    """Draw the realised keep ratio against training progress, one line for each schedule that differs."""
    groups: dict[tuple[float, ...], tuple[Curve, list[Row]]] = {}
    for arm in panel.drawn:
        curve = mean_curve(report.cells(arm), lambda point: point.progress, lambda point: point.ratio)
        if len(curve[0]):
            key = tuple(np.round(np.concatenate(curve), 2))
            groups.setdefault(key, (curve, []))[1].append(arm)
    texts = [names([arm["label"] for arm in arms], 2) for _, arms in groups.values()]
    figure, axes = tagged_frame(texts, len(groups))
    if not groups:
        return blank(figure, axes, name, title, "no curve recorded yet")
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1.03)
    tags = []
    for ((x, y), arms), text in zip(groups.values(), texts, strict=True):
        look = look_of(report, arms[0])
        edges = np.concatenate([[0.0], x])
        axes.step(edges, np.concatenate([y[:1], y]), where="pre", color=look.colour, linestyle=look.dashes)
        tags.append(Tag(text, float(x[-1]), float(y[-1]), look))
    finish_tagged(axes, "training progress", "share of each candidate batch that is trained on", tags)
    said = "; ".join(
        f"{text} from {y[0]:.2f} to {y[-1]:.2f}" for ((_, y), _), text in zip(groups.values(), texts, strict=True)
    )
    return finish(figure, name, title, f"Realised keep ratio over training: {said}.")
