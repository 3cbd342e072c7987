"""Accuracy against cost: strategies beside the two ladders, with intervals and each scheme's least possible cost."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from matplotlib.axes import Axes

from .layout import LABEL_GAP, Tag, accuracy_scale, note, relative_scale, tag_room, tags_beside
from .style import FULL, PAPER, SOFT, UNIFORM, Drawing, Look, canvas, clean, finish, place
from .view import Panel, Report, Row
from .wording import budget_share, flops, percent, ratio, seconds

WIDTH = 6.2
_WILD = 0.6
"""Share of the axis from which an interval is only hinted at: that of an arm with collapsed runs fills it."""

_ROLES = ("strategy", "full", "uniform", "full-all")
QUANTITIES = {"flops": ("total_flops", "total FLOPs", flops), "seconds": ("seconds", "seconds", seconds)}


def cost_plot(name: str, title: str, report: Report, panel: Panel, quantity: str, account: str) -> Drawing:
    """Draw test accuracy against ``flops`` or ``seconds`` in one account, both relative to full training.

    The dotted tail left of a strategy ends at the least cost that its scheme allows at equal passes: its ceiling.
    On seconds it is drawn where a timing pass measured them.
    """
    field, unit, spoken = QUANTITIES[quantity]
    known = {
        role: [arm for arm in panel.role(role) if arm["n"] and panel.relative_cost(arm, field, account)]
        for role in _ROLES
    }
    ceilings = quantity == "flops" or report.timed
    strategies, all_labels = known["strategy"], known["full-all"]
    everything = [arm for role in _ROLES for arm in known[role]]
    tagged = len(strategies) + 3
    height = max(3.6, 0.86 + LABEL_GAP * tagged * 1.15)
    figure, (axes,) = canvas(WIDTH, height)
    labels = [arm["label"] for arm in strategies] + ["uniform (ladder)"]
    place(axes, left=0.52, right=tag_room(labels), top=0.34, bottom=0.52)
    whole = next((arm for arm in known["full"] if arm["rung"] == 1.0), None)
    if whole is None:
        note(axes, f"no {unit} of full training to compare with")
        return finish(figure, name, title, f"No {unit} of full training to compare with.")
    base = float(whole[field][account])

    def place_of(arm: Row) -> float:
        return float(arm[field][account]) / base

    costs = [place_of(arm) for arm in everything]
    if ceilings:
        costs += [1 / arm["ceiling"] for arm in strategies if arm["ceiling"]]
    relative_scale(axes, min(costs), max(costs))
    accuracy_scale(axes, *_range(everything))
    axes.grid(True, axis="y")
    axes.spines["left"].set_visible(False)
    tags = []
    for role, colour, dashes, text in (("full", FULL, "-", "full"), ("uniform", UNIFORM, (0, (4, 2)), "uniform")):
        rungs, own = known[role], Look(colour, "o", "-")
        axes.plot(
            [place_of(arm) for arm in rungs],
            [arm["accuracy"]["mean"] for arm in rungs],
            color=colour,
            linestyle=dashes,
            linewidth=1.4,
            zorder=2,
        )
        for arm in rungs:
            _point(axes, place_of(arm), arm, own, small=True)
        if rungs:
            tags.append(Tag(f"{text} (ladder)", place_of(rungs[-1]), rungs[-1]["accuracy"]["mean"], own))
    for arm in all_labels:
        own = Look(FULL, "*", "-")
        _point(axes, place_of(arm), arm, own)
        tags.append(Tag(arm["label"], place_of(arm), arm["accuracy"]["mean"], own))
    for arm in strategies:
        look = report.looks[arm["label"]]
        if ceilings and arm["ceiling"]:
            _ceiling(axes, place_of(arm), 1 / arm["ceiling"], arm["accuracy"]["mean"], look)
        _point(axes, place_of(arm), arm, look)
        tags.append(Tag(arm["label"], place_of(arm), arm["accuracy"]["mean"], look))
    axes.set_xlabel(f"{unit}, {account}, relative to full training (1 = {spoken(base)})".replace("\u202f", " "))
    axes.set_title("test accuracy, %", loc="left", color=SOFT, pad=3)
    tags_beside(axes, tags)
    return finish(figure, name, title, _words(everything, place_of, unit, account))


def _range(arms: Sequence[Row]) -> tuple[float, float]:
    """Accuracies to show: all means with a typical interval; the interval of a collapsed arm would flatten the rest."""
    means = [arm["accuracy"]["mean"] for arm in arms]
    typical = statistics.median(_ends(arm)[1] - _ends(arm)[0] for arm in arms) / 2
    return max(min(means) - typical, 0.0), min(max(means) + typical, 100.0)


def _ends(arm: Row) -> tuple[float, float]:
    accuracy = arm["accuracy"]
    mean = accuracy["mean"]
    low, high = accuracy["ci_low"], accuracy["ci_high"]
    return (mean if low is None else max(low, 0.0)), (mean if high is None else min(high, 100.0))


def _point(axes: Axes, x: float, arm: Row, look: Look, *, small: bool = False) -> None:
    low, high = _ends(arm)
    wild = high - low > _WILD * (axes.get_ylim()[1] - axes.get_ylim()[0])
    style = {"linestyle": (0, (1, 3)), "linewidth": 0.9} if wild else {"linewidth": 1.0 if small else 1.4}
    axes.plot([x, x], [low, high], color=look.colour, alpha=0.75, zorder=3, **style)
    axes.plot(
        x,
        arm["accuracy"]["mean"],
        marker=look.marker,
        color=look.colour,
        markersize=3.5 if small else 6.5,
        markeredgecolor=PAPER,
        markeredgewidth=0.6,
        zorder=4,
    )


def _ceiling(axes: Axes, x: float, least: float, y: float, look: Look) -> None:
    if not math.isfinite(least) or least >= x * 0.995:
        return
    axes.plot([least, x], [y, y], color=look.colour, linewidth=0.8, linestyle=(0, (1, 1.6)), zorder=2)
    axes.plot(least, y, marker="|", color=look.colour, markersize=7, markeredgewidth=1.2, zorder=2)


def _named(arm: Row) -> str:
    rung = budget_share(arm["rung"])
    return clean(arm["label"]) + (f" with {rung}" if rung else "")


def _words(arms: Sequence[Row], place_of, unit: str, account: str) -> str:  # type: ignore[no-untyped-def]
    lines = [f"{_named(arm)} {percent(arm['accuracy']['mean'])} % at {ratio(place_of(arm))}" for arm in arms]
    return f"Test accuracy against {unit} ({account}) relative to full training: " + "; ".join(lines) + "."
