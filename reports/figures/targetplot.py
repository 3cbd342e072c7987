"""Cost to a target accuracy: a row for each arm, its median over seeds with interval, misses as arrows to infinity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes

from ..document.looks import BAND, FULL, INK, RULE, SOFT, UNIFORM, Look
from ..document.numbers import ratio
from ..document.panels import Panel, Report, Row
from ..document.text import clean, short
from .axes import Mark, marks, note, relative_scale, row_labels, segments
from .canvas import Drawing, canvas, finish, place, text_width
from .cost import QUANTITIES

WIDTH = 4.3
ROW = 0.25
LABEL_LIMIT = 20
_BEYOND = 0.14
"""Share of the axes, at the right, that stands for infinity."""

_BASELINES = {"full": Look(FULL, "o", "-"), "uniform": Look(UNIFORM, "o", "-")}


@dataclass(frozen=True)
class Reached:
    """A target as drawn: costs relative to full training; None is infinite."""

    row: Row
    look: Look
    median: float | None
    low: float | None
    high: float | None


def target_rows(summary: Row, panel: Panel, account: str, cost: str) -> list[Row]:
    """The targets of a panel in one account and cost: the baselines, then what gets there soonest."""
    rows = [
        row
        for row in summary["targets"]
        if (row["dataset"], row["account"], row["cost"]) == (panel.dataset["name"], account, cost)
        and row["reference"] in ("", panel.reference)
    ]
    order = ("full", "uniform", "strategy")
    infinite = float("inf")
    return sorted(
        rows, key=lambda row: (order.index(row["role"]), infinite if row["median"] is None else row["median"])
    )


def target_plot(name: str, title: str, report: Report, panel: Panel, account: str, quantity: str) -> Drawing:
    """Draw what each arm spends until it is as accurate as full training less the margin.

    Parameters
    ----------
    name, title : str
    report : Report
    panel : Panel
    account : str
    quantity : "flops" or "seconds"

    Notes
    -----
    Costs are relative to the whole of full training. A hollow marker is an upper bound: the arm has no ladder of its
    own, so its one run was counted whole.
    """
    field, unit, spoken = QUANTITIES[quantity]
    cost = "total_flops" if quantity == "flops" else "wall_clock"
    hidden = {arm["key"] for arm in panel.role("strategy")} - {arm["key"] for arm in panel.drawn}
    rows = [row for row in target_rows(report.summary, panel, account, cost) if row["arm"] not in hidden]
    labels = [short(row["strategy"], LABEL_LIMIT) for row in rows]
    figure, (axes,) = canvas(WIDTH, 0.34 + ROW * max(len(rows), 2) + 0.5)
    place(axes, left=min(max(text_width(labels) + 0.15, 0.5), 1.55), right=0.62, top=0.34, bottom=0.5)
    base = panel.full[field][account] if panel.full else None
    if not rows or not base:
        said = f"no {unit} to a target yet"
        note(axes, said)
        return finish(figure, name, title, f"{said[0].upper()}{said[1:]}.")
    reached = [_relative(report, row, base) for row in rows]
    known = [value for item in reached for value in (item.low, item.median, item.high) if value]
    axes.set_ylim(max(len(rows), 2) - 0.5, -0.5)
    relative_scale(axes, min(known, default=0.5), max(known, default=1.0))
    low, high = axes.get_xlim()
    edge = high
    axes.set_xlim(low, high * (high / low) ** (_BEYOND / (1 - _BEYOND)))
    _grounds(axes, reached, edge)
    _rows(axes, reached, edge)
    row_labels(axes, labels)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel(f"{unit}, relative to full (1 = {spoken(base)})".replace("\u202f", " "))
    return finish(figure, name, title, _words(reached, unit, account))


def _relative(report: Report, row: Row, base: float) -> Reached:
    look = _BASELINES.get(row["role"]) or report.looks[row["strategy"]]
    costs = [None if row[end] is None else row[end] / base for end in ("median", "ci_low", "ci_high")]
    return Reached(row, look, *costs)


def _grounds(axes: Axes, reached: Sequence[Reached], edge: float) -> None:
    """The strip that stands for infinity, a line for each row, and full training's own cost to the target."""
    axes.axvspan(edge, axes.get_xlim()[1], color=BAND, linewidth=0, zorder=0)
    across, top = axes.get_yaxis_transform(), axes.get_xaxis_transform()
    segments(axes, [((0, n), (1, n)) for n in range(len(reached))], [RULE], linewidths=0.4, zorder=0, transform=across)
    axes.text(edge, 1.0, " never", transform=top, va="bottom", color=SOFT, fontsize=7.5)
    axes.text(1.02, 1.0, "missed", transform=axes.transAxes, va="bottom", color=SOFT, fontsize=7.5)
    own = next((item.median for item in reached if item.row["role"] == "full"), None)
    if own is not None:
        axes.axvline(own, color=SOFT, linewidth=0.8, linestyle=(0, (3, 2)), zorder=1)


def _rows(axes: Axes, reached: Sequence[Reached], edge: float) -> None:
    end = axes.get_xlim()[1]
    infinite = (edge * end) ** 0.5
    lines, colours, dots, arrows = [], [], [], []
    for number, item in enumerate(reached):
        row, open_ended = item.row, item.high is None
        if row["ci_low"] is not None or row["ci_high"] is not None:
            low = item.low or infinite
            lines.append(((low, number), (infinite if open_ended else item.high, number)))
            colours.append(item.look.colour)
        if item.median is None or (row["misses"] and open_ended):
            arrows.append(Mark(infinite, number, Look(item.look.colour, ">", "-")))
        if item.median is not None:
            dots.append(Mark(item.median, number, item.look, hollow=not row["ladder"]))
        text = f"{row['misses']} of {row['n']}"
        colour = INK if row["misses"] else SOFT
        axes.text(1.02, number, text, transform=axes.get_yaxis_transform(), va="center", color=colour, fontsize=8)
    segments(axes, lines, colours, linewidths=2, zorder=2)
    marks(axes, arrows, markersize=6, zorder=3)
    marks(axes, dots, markersize=5.5, markeredgewidth=1.3, zorder=3)


def _words(reached: Sequence[Reached], unit: str, account: str) -> str:
    lines = []
    for item in reached:
        row, median = item.row, "never" if item.median is None else ratio(item.median)
        bound = "" if row["ladder"] or item.median is None else " at most"
        ends = [ratio(end) if end is not None else "infinity" for end in (item.low, item.high)]
        text = f"{clean(row['strategy'])}{bound} {median} ({ends[0]} to {ends[1]})"
        lines.append(text + (f", missed by {row['misses']} of {row['n']} seeds" if row["misses"] else ""))
    return f"Median {unit} to the target ({account}), relative to full training: " + "; ".join(lines) + "."
