"""Figures with a row for each arm: differences, effects over data sets, costs to a target, and costs by phase."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.patches import Patch

from ..document.looks import BAND, INK, PHASE_HUES, RULE, SOFT, Look
from ..document.numbers import NARROW, PHASE_WORDS, interval, level, points, ratio, share
from ..document.panels import Panel, Report, Row, target_rows
from ..document.text import clean, short
from . import axes as shared
from .canvas import Drawing, canvas, finish, place, text_width

LABEL_LIMIT = 20
POOLED_LABEL_LIMIT = 27
POOLED_ROW = 0.225
DASHED = (0, (3, 2))
POOLED_ROWS = 60  # most rows of a pooled forest
POOLED_UNDECLARED = 6  # most strategies drawn for a question on which nothing was declared
_BEYOND = 0.14  # share of the axes, at the right, that stands for infinity
LOOP, ARTEFACTS = "#9a86b8", "#cc79a7"


def _above(axes: Axes, x: float, text: str, align: str = "left") -> None:
    axes.text(x, 1.0, text, transform=axes.get_xaxis_transform(), ha=align, va="bottom", color=SOFT, fontsize=7.5)


def _beside(axes: Axes, row: int, text: str, colour: str) -> None:
    axes.text(1.02, row, text, transform=axes.get_yaxis_transform(), va="center", color=colour, fontsize=8)


def _name_rows(axes: Axes, labels: Sequence[str], across: str) -> None:
    shared.row_labels(axes, labels)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel(across)


def forest(name: str, title: str, rows: Sequence[Row], report: Report, margin: float) -> Drawing:
    """Draw the differences of ``rows`` in the order given; filled markers are declared contrasts, hollow exploratory.

    In the band from ``-margin`` (points) to 0 a loss still counts as no worse.
    """
    shown = [row for row in rows if row["mean_difference"] is not None]
    labels = [short(row["strategy"], LABEL_LIMIT) for row in shown]
    figure, axes = shared.row_frame(labels, row=0.235, right=0.12, top=0.30, bottom=0.46)
    low, high = _forest_limits(shown, margin)
    axes.set_xlim(low, high)
    axes.set_ylim(max(len(shown), 2) - 0.5, -0.5)
    axes.axvspan(max(-margin, low), 0, color=BAND, linewidth=0, zorder=0)
    axes.axvline(0, color=INK, linewidth=0.9, zorder=1)
    axes.axvline(-margin, color=SOFT, linewidth=0.8, linestyle=DASHED, zorder=1)
    lines, colours, means = [], [], []
    for number, row in enumerate(shown):
        mean, look = row["mean_difference"], report.look(row)
        if mean < low or mean > high:  # so far out that only its number and side are shown
            right = mean > high
            text = f"{points(mean)} \u2192" if right else f"\u2190 {points(mean)}"
            edge, align = (high, "right") if right else (low, "left")
            axes.text(edge, number, text, ha=align, va="center", fontsize=8, color=look.colour)
            continue
        left, right = np.clip(_ends(row), low, high)
        lines.append(((left, number), (right, number)))
        colours.append(look.colour)
        means.append(shared.Mark(mean, number, look, hollow=not row["primary"]))
    shared.row_lines(axes, len(shown))
    shared.segments(axes, lines, colours, linewidths=2, zorder=2)
    for size, hollow in ((5, True), (6, False)):
        chosen = [mark for mark in means if mark.hollow is hollow]
        shared.marks(axes, chosen, markersize=size, markeredgewidth=1.3, zorder=3)
    _name_rows(axes, labels, "difference in test accuracy, points")
    _above(axes, 0, " better \u2192")
    _above(axes, -margin, f"margin \u2212{margin:g} ", "right")
    told = [
        f"{clean(row['strategy'])} {points(row['mean_difference'])}"
        f" ({level(row)} interval {interval(row['ci_low'], row['ci_high'])}), {row['verdict']}"
        for row in shown
    ]
    words = f"Differences in points; margin {margin:g}. " + ("; ".join(told) or "No pairs yet.")
    return finish(figure, name, title, words)


def _ends(row: Row) -> tuple[float, float]:
    """The interval of a difference; the difference itself where an end is unknown."""
    low, high = (row["mean_difference"] if row[end] is None else row[end] for end in ("ci_low", "ci_high"))
    return low, high


def _forest_limits(rows: Sequence[Row], margin: float) -> tuple[float, float]:
    """Limits that hold the margin and all rows, except those so far out that they would flatten the rest."""
    ends = [_ends(row) for row in rows] or [(0.0, 0.0)]
    reach = max(6 * margin, 2.5 * float(np.quantile(np.abs(ends), 0.75)))
    inside = [pair for pair in ends if max(abs(pair[0]), abs(pair[1])) <= reach] or [(0.0, 0.0)]
    low = min(-1.15 * margin, min(pair[0] for pair in inside))
    # Right of 0 there is room for the word above it.
    high = max(0.6 * margin, -0.13 * low, max(pair[1] for pair in inside))
    room = 0.04 * (high - low)
    return low - room, high + room


def pooled_drawn(report: Report, question: str) -> list[Row]:
    """The pooled contrasts that the figure shows: the declared ones, or the best few where none was declared."""
    known = [row for row in report.pooled(question) if row["mean_difference"] is not None]
    chosen = [row for row in known if row["primary"]] or known[:POOLED_UNDECLARED]
    kept: list[Row] = []
    for row in chosen:
        if sum(len(other["datasets"]) + 1 for other in (*kept, row)) <= POOLED_ROWS:
            kept.append(row)
    return kept


def pooled_forest(
    name: str, title: str, effects: Sequence[Row], report: Report, datasets: Mapping[str, Row]
) -> Drawing:
    """Draw ``effects`` of the summary's ``pooled`` as diamonds, each below the rows of its ``datasets``, by name."""
    lines = [line for effect in effects for line in (*effect["datasets"], effect)]
    pooled = ["dataset" not in line for line in lines]
    labels = [
        short(_pooled_name(line) if whole else datasets[line["dataset"]]["title"], POOLED_LABEL_LIMIT)
        for line, whole in zip(lines, pooled, strict=True)
    ]
    figure, (axes,) = canvas(shared.WIDE, 0.3 + POOLED_ROW * len(lines) + 0.46)
    place(axes, left=min(max(1.1 * text_width(labels) + 0.15, 0.5), 2.3), right=1.65, top=0.3, bottom=0.46)
    reach = [line[end] for line in lines for end in ("ci_low", "ci_high", "mean_difference") if line[end] is not None]
    reach += [-datasets[line["dataset"]]["margin"] for line in lines if "dataset" in line]
    low, high = min([0.0, *reach]), max([0.0, *reach])
    room = 0.05 * max(high - low, 0.2)
    axes.set_xlim(low - room, high + room)
    axes.set_ylim(len(lines) - 0.4, -0.6)
    axes.axvline(0, color=INK, linewidth=0.9, zorder=1)
    _name_rows(axes, [], "difference in test accuracy, points")
    _above(axes, 0, " better \u2192")
    across = axes.get_yaxis_transform()
    looks = [report.look(effect) for effect in effects for _ in (*effect["datasets"], effect)]
    spans, colours, means, diamonds, margins, hues = [], [], [], [], [], []
    for number, (line, label, whole, own) in enumerate(zip(lines, labels, pooled, looks, strict=True)):
        mean, (start, end) = line["mean_difference"], _ends(line)
        if whole:
            diamonds.append([(start, number), (mean, number - 0.3), (end, number), (mean, number + 0.3)])
            hues.append(own.colour)
        else:
            edge = -datasets[line["dataset"]]["margin"]
            margins.append(((edge, number - 0.3), (edge, number + 0.3)))
            means += [] if mean is None else [shared.Mark(mean, number, own, hollow=True)]
            if line["ci_low"] is not None:
                spans.append(((start, number), (end, number)))
                colours.append(own.colour)
        strong, colour = ({"fontweight": "bold"}, INK) if whole else ({}, SOFT)
        text = f"{points(mean)} ({interval(line['ci_low'], line['ci_high'])})"
        axes.text(-0.015, number, label, transform=across, ha="right", va="center_baseline", fontsize=8, **strong)
        axes.text(1.02, number, text, transform=across, va="center_baseline", fontsize=7.5, color=colour)
    shared.segments(axes, margins, [SOFT], linewidths=0.9, zorder=1)
    shared.segments(axes, spans, colours, linewidths=1.4, zorder=2)
    shared.marks(axes, means, markersize=4.5, markeredgewidth=1.2, zorder=3)
    axes.add_collection(PolyCollection(diamonds, facecolors=hues, linewidths=0, zorder=3), autolim=False)
    rules = [((-0.3, n + 0.5), (1.3, n + 0.5)) for n, whole in enumerate(pooled[:-1]) if whole]
    shared.segments(axes, rules, [RULE], linewidths=0.6, transform=across, clip_on=False)
    told = []
    for effect in effects:
        titled = [(datasets[line["dataset"]]["title"], line["mean_difference"]) for line in effect["datasets"]]
        each = ", ".join(f"{clean(title)} {points(mean)}" for title, mean in titled)
        ends = interval(effect["ci_low"], effect["ci_high"])
        told.append(f"{clean(_pooled_name(effect))} {points(effect['mean_difference'])} ({ends}), of {each}")
    return finish(figure, name, title, f"Differences in points over data sets. {'; '.join(told)}.")


def _pooled_name(effect: Row) -> str:
    return str(effect["strategy"]) + (f", {effect['reference']}" if effect["reference"] else "") + ": pooled"


@dataclass(frozen=True)
class _Reached:
    """The cost of a target relative to full training; None is infinite."""

    row: Row
    look: Look
    median: float | None
    low: float | None
    high: float | None


def target_plot(name: str, title: str, report: Report, panel: Panel, account: str, quantity: str) -> Drawing:
    """Draw what each arm spends until it is as accurate as full training less the margin.

    Costs are relative to the whole of full training. A hollow marker is an upper bound: the arm has no ladder of its
    own, so its one run was counted whole. Misses are arrows in a strip at the right that stands for infinity.
    """
    field, unit, shown = shared.QUANTITIES[quantity]
    cost = "total_flops" if quantity == "flops" else "wall_clock"
    hidden = {arm["key"] for arm in panel.role("strategy")} - {arm["key"] for arm in panel.drawn}
    rows = [row for row in target_rows(report.summary, panel, account, cost) if row["arm"] not in hidden]
    labels = [short(row["strategy"], LABEL_LIMIT) for row in rows]
    figure, axes = shared.row_frame(labels, right=0.62, top=0.34, bottom=0.5)
    base = panel.full[field][account] if panel.full else None
    if not rows or not base:
        return shared.blank(figure, axes, name, title, f"no {unit} to a target yet")
    reached = []
    for row in rows:
        costs = [None if row[end] is None else row[end] / base for end in ("median", "ci_low", "ci_high")]
        reached.append(_Reached(row, shared.BASELINES.get(row["role"]) or report.looks[row["strategy"]], *costs))
    known = [value for item in reached for value in (item.low, item.median, item.high) if value]
    axes.set_ylim(max(len(rows), 2) - 0.5, -0.5)
    shared.relative_scale(axes, min(known, default=0.5), max(known, default=1.0))
    low, edge = axes.get_xlim()
    end = edge * (edge / low) ** (_BEYOND / (1 - _BEYOND))
    axes.set_xlim(low, end)
    axes.axvspan(edge, end, color=BAND, linewidth=0, zorder=0)
    shared.row_lines(axes, len(reached))
    _above(axes, edge, " never")
    axes.text(1.02, 1.0, "missed", transform=axes.transAxes, va="bottom", color=SOFT, fontsize=7.5)
    own = next((item.median for item in reached if item.row["role"] == "full"), None)
    if own is not None:
        axes.axvline(own, color=SOFT, linewidth=0.8, linestyle=DASHED, zorder=1)
    _name_rows(axes, labels, shared.relative_label(unit, base, "full", shown))
    infinite = (edge * end) ** 0.5
    lines, colours, medians, arrows, told = [], [], [], [], []
    for number, item in enumerate(reached):
        row, open_ended = item.row, item.high is None
        if row["ci_low"] is not None or row["ci_high"] is not None:
            lines.append(((item.low or infinite, number), (infinite if open_ended else item.high, number)))
            colours.append(item.look.colour)
        if item.median is None or (row["misses"] and open_ended):
            arrows.append(shared.Mark(infinite, number, Look(item.look.colour, ">", "-")))
        if item.median is not None:
            medians.append(shared.Mark(item.median, number, item.look, hollow=not row["ladder"]))
        _beside(axes, number, f"{row['misses']} of {row['n']}", INK if row["misses"] else SOFT)
        spent = "never" if item.median is None else ratio(item.median)
        bound = "" if row["ladder"] or item.median is None else " at most"
        least, most = (ratio(given) if given is not None else "infinity" for given in (item.low, item.high))
        missed = f", missed by {row['misses']} of {row['n']} seeds" if row["misses"] else ""
        told.append(f"{clean(row['strategy'])}{bound} {spent} ({least} to {most}){missed}")
    shared.segments(axes, lines, colours, linewidths=2, zorder=2)
    shared.marks(axes, arrows, markersize=6, zorder=3)
    shared.marks(axes, medians, markersize=5.5, markeredgewidth=1.3, zorder=3)
    words = f"Median {unit} to the target ({account}), relative to full training: "
    return finish(figure, name, title, f"{words}{'; '.join(told)}.")


def phase_bars(name: str, title: str, panel: Panel, quantity: str, account: str) -> Drawing:
    """Draw each arm's cost by phase, relative to full training; the share that selecting took is written out."""
    field, unit, shown = shared.QUANTITIES[quantity]
    unit = unit.removeprefix("total ")
    arms = [arm for arm in panel.drawn if arm["n"] and panel.relative_cost(arm, field, "marginal") is not None]
    labels = [short(arm["label"], LABEL_LIMIT) for arm in arms]
    figure, axes = shared.row_frame(labels, right=0.66, top=0.78, bottom=0.46)
    base = panel.full[field]["marginal"] if panel.full else None
    if not base:
        return shared.blank(figure, axes, name, title, f"no {unit} of full training to compare with")
    parts = [{phase: cost / base for phase, cost in _phase_costs(arm, quantity, account).items()} for arm in arms]
    axes.set_ylim(max(len(arms), 2) - 0.5, -0.5)
    axes.set_xlim(0, 1.02 * max(sum(mine.values()) for mine in parts))
    hues = {**PHASE_HUES, "loop": LOOP, "artefacts": ARTEFACTS}
    words = {**PHASE_WORDS, "loop": "the loop itself", "artefacts": f"artefacts ({account})"}
    present = [phase for phase in hues if any(mine[phase] > 0 for mine in parts)]
    starts = [list(accumulate((mine[phase] for phase in present), initial=0)) for mine in parts]
    for number, phase in enumerate(present):
        spans = [(row, *at[number : number + 2]) for row, at in enumerate(starts)]
        bars = [[(a, row - 0.31), (b, row - 0.31), (b, row + 0.31), (a, row + 0.31)] for row, a, b in spans]
        axes.add_collection(PolyCollection(bars, facecolors=hues[phase], linewidths=0), autolim=False)
    told = []
    for row, (arm, mine) in enumerate(zip(arms, parts, strict=True)):
        total = sum(mine.values())
        selecting = share(mine["select"] / total if total else None)
        told.append(f"{clean(arm['label'])} {ratio(total)} of full, selection {selecting}")
        if arm["role"] == "strategy":
            _beside(axes, row, selecting.replace(NARROW, " "), INK)
    axes.axvline(1, color=SOFT, linewidth=0.8, linestyle=DASHED)
    _name_rows(axes, labels, shared.relative_label(unit, base, "full", shown))
    axes.text(1.02, 1.0, "selection", transform=axes.transAxes, va="bottom", color=PHASE_HUES["select"], fontsize=7.5)
    handles = [Patch(color=hues[phase], label=words[phase]) for phase in present]
    type_ = {"frameon": False, "fontsize": 7.5, "labelcolor": SOFT}
    room = {"handlelength": 0.9, "handleheight": 0.9, "columnspacing": 1.1, "borderaxespad": 0.2}
    figure.legend(handles=handles, loc="upper left", ncols=2, **type_, **room)
    return finish(figure, name, title, f"{unit} by phase: " + "; ".join(told) + ".")


def _phase_costs(arm: Row, quantity: str, account: str) -> dict[str, float]:
    """Cost of each phase, the loop's own seconds under ``loop``, and what the account adds under ``artefacts``."""
    costs = {phase: float(arm["phases"].get(phase, {}).get(quantity) or 0.0) for phase in PHASE_HUES}
    whole, own = (arm[shared.QUANTITIES[quantity][0]][name] for name in (account, "marginal"))
    loop = (arm["overhead_seconds"] or 0.0) if quantity == "seconds" else 0.0
    return {**costs, "loop": loop, "artefacts": max((whole or 0.0) - (own or 0.0), 0.0)}
