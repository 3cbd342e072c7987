"""What the learning rate does: validation accuracy by factor, and each declared difference at every pair of factors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.patches import Rectangle
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from ..document.looks import PAPER, Look
from ..document.numbers import fraction, points
from ..document.panels import Panel, Report, Row
from ..document.text import clean, short
from .axes import Mark, Tag, accuracy_scale, blank, finish_tagged, look_of, marks, segments, tagged_frame
from .canvas import Drawing, canvas, finish, place
from .heatmap import ON_PALE, bare

_CELL = 0.42
_WORSE, _WITHIN, _BETTER = "#f4c08a", "#e9e6dd", "#9cc3e2"


def tuned_rows(report: Report, panel: Panel) -> list[tuple[Row, Row]]:
    """The panel's arms at the whole budget that were tuned, each with its line of the summary's tuning."""
    lines = {row["arm"]: row for row in report.summary["tuning"]["arms"]}
    return [(arm, lines[arm["key"]]) for arm in panel.drawn if arm["key"] in lines]


def tuning_curves(name: str, title: str, report: Report, panel: Panel) -> Drawing:
    """Draw mean validation accuracy against the factor of the learning rate; the factor chosen has a large marker."""
    drawn: list[tuple[Row, Row, Look, list[tuple[float, float]]]] = []
    for arm, row in tuned_rows(report, panel):
        known = [(score["factor"], score["mean"]) for score in row["scores"] if score["mean"] is not None]
        if known and row["lr_from"] == "val":
            drawn.append((arm, row, look_of(report, arm), known))
    figure, axes = tagged_frame([arm["label"] for arm, *_ in drawn], len(drawn), least=3.3)
    if not drawn:
        return blank(figure, axes, name, title, "no tuning run has finished yet")
    factors = sorted(report.summary["tuning"]["factors"])
    axes.set_xscale("log", base=2)
    axes.set_xlim(factors[0] / 2**0.15, factors[-1] * 2**0.15)
    axes.xaxis.set_major_locator(FixedLocator(factors))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: fraction(value)))
    axes.xaxis.set_minor_locator(NullLocator())
    heights = [mean for *_, known in drawn for _, mean in known]
    accuracy_scale(axes, min(heights), max(heights))
    segments(
        axes,
        [known for *_, known in drawn],
        [look.colour for *_, look, _ in drawn],
        linestyles=[look.dashes for *_, look, _ in drawn],
        linewidths=1.3,
        zorder=2,
    )
    means = [Mark(*at, look, hollow=at[0] != row["factor"]) for _, row, look, known in drawn for at in known]
    marks(axes, [mark for mark in means if mark.hollow], markersize=3.5)
    marks(axes, [mark for mark in means if not mark.hollow], markersize=7.5, zorder=3)
    tags = [Tag(arm["label"], *known[-1], look) for arm, _, look, known in drawn]
    finish_tagged(axes, "learning rate, as a multiple of the declared one", "validation accuracy, %", tags)
    return finish(figure, name, title, _words([(arm, row) for arm, row, *_ in drawn]))


def _words(rows: Sequence[tuple[Row, Row]]) -> str:
    lines = []
    for arm, row in rows:
        lost = [fraction(score["factor"]) for score in row["scores"] if score["mean"] is None]
        text = f"{clean(arm['label'])} is best at {fraction(row['factor'])}"
        text += ", an end of the grid" if row["edge"] else ""
        lines.append(text + (f", diverged at {', '.join(lost)}" if lost else ""))
    return "Validation accuracy by factor of the learning rate: " + "; ".join(lines) + "."


def tuning_grid(name: str, title: str, row: Row, factors: Sequence[float]) -> Drawing:
    """Draw a declared difference at each factor of the strategy (rows) and of its baseline (columns).

    Parameters
    ----------
    name, title : str
    row : mapping
        An entry of the summary's ``tuning.sensitivity``.
    factors : sequence of float
        In the order of the grid.
    """
    table = np.array([[np.nan if value is None else value for value in line] for line in row["grid"]], dtype=float)
    needed = 0.75 + _CELL * 1.6 * table.shape[1] + 0.15
    width = max(needed, 2.9)
    figure, (axes,) = canvas(width, 0.62 + _CELL * table.shape[0] + 0.1)
    place(axes, left=0.75, right=width - needed + 0.15, top=0.62, bottom=0.1)
    margin = row["margin"]
    colours = ListedColormap([_WORSE, _WITHIN, _BETTER])
    norm = BoundaryNorm([-1e9, -margin, 0, 1e9], 3)
    axes.pcolormesh(np.ma.masked_invalid(table), cmap=colours, norm=norm, edgecolors=PAPER, linewidth=0.8)
    bare(axes, table.shape[0])
    for (i, j), value in np.ndenumerate(table):
        if np.isfinite(value):
            axes.text(j + 0.5, i + 0.5, points(float(value)), ha="center", va="center", color=ON_PALE, fontsize=8)
    if row["chosen"]:
        i, j = row["chosen"]
        axes.add_patch(Rectangle((j + 0.04, i + 0.06), 0.92, 0.88, fill=False, edgecolor=ON_PALE, linewidth=1.6))
    ticks = [fraction(factor) for factor in factors]
    axes.xaxis.tick_top()
    axes.set_xticks(np.arange(len(ticks)) + 0.5, ticks)
    axes.set_yticks(np.arange(len(ticks)) + 0.5, ticks)
    axes.xaxis.set_label_position("top")
    axes.set_xlabel(short(row["baseline"], 24))
    axes.set_ylabel(short(row["strategy"], 18))
    return finish(figure, name, title, grid_words(row))


def grid_words(row: Row) -> str:
    """At how many pairs of learning rates the difference would have gone which way."""
    known = [value for line in row["grid"] for value in line if value is not None]
    worse = sum(value < -row["margin"] for value in known)
    better = sum(value > 0 for value in known)
    return (
        f"Of {len(known)} pairs of learning rates, {clean(row['strategy'])} is better than {clean(row['baseline'])} "
        f"at {better}, worse by more than the margin of {row['margin']:g} at {worse}, in between at "
        f"{len(known) - better - worse}."
    )
