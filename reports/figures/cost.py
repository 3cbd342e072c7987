"""Accuracy against cost: strategies beside the two ladders, with intervals and each scheme's least possible cost."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence

from matplotlib.axes import Axes

from ..document.looks import PAPER, Look
from ..document.numbers import budget_share, percent, ratio
from ..document.panels import Panel, Report, Row
from ..document.text import clean
from .axes import (
    BASELINES,
    QUANTITIES,
    Mark,
    Tag,
    accuracy_scale,
    blank,
    finish_tagged,
    look_of,
    marks,
    relative_label,
    relative_scale,
    segments,
    tagged_frame,
)
from .canvas import Drawing, finish

_WILD = 0.6
"""Share of the axis from which an interval is only hinted at: that of an arm with collapsed runs fills it."""

_ROLES = ("strategy", "full", "uniform", "full-all")

Shown = tuple[Row, Look]
Place = Callable[[Row], float]


def cost_plot(name: str, title: str, report: Report, panel: Panel, quantity: str, account: str) -> Drawing:
    """Draw test accuracy against ``flops`` or ``seconds`` in one account, both relative to full training.

    The dotted tail left of a strategy ends at the least cost that its scheme allows at equal passes: its ceiling.
    On seconds it is drawn where a timing pass measured them.
    """
    field, unit, shown = QUANTITIES[quantity]
    known = {
        role: [
            arm
            for arm in (panel.role(role) if role in ("full", "uniform") else panel.drawn)
            if arm["role"] == role and arm["n"] and panel.relative_cost(arm, field, account)
        ]
        for role in _ROLES
    }
    ceilings = quantity == "flops" or report.timed
    strategies = known["strategy"]
    own_ladders = [[rung for rung in panel.own_ladder(arm) if rung[field][account]] for arm in strategies]
    own_ladders = [rungs for rungs in own_ladders if len(rungs) > 1]
    everything = [arm for role in _ROLES for arm in known[role]] + [rung for of in own_ladders for rung in of[:-1]]
    labels = [arm["label"] for arm in strategies] + ["uniform (ladder)"]
    figure, axes = tagged_frame(labels, len(strategies) + 3, bottom=0.52)
    whole = next((arm for arm in known["full"] if arm["rung"] == 1.0), None)
    if whole is None:
        return blank(figure, axes, name, title, f"no {unit} of full training to compare with")
    base = float(whole[field][account])

    def place_of(arm: Row) -> float:
        return float(arm[field][account]) / base

    costs = [place_of(arm) for arm in everything]
    if ceilings:
        costs += [1 / arm["ceiling"] for arm in strategies if arm["ceiling"]]
    relative_scale(axes, min(costs), max(costs))
    accuracy_scale(axes, *_range(everything))
    tags: list[Tag] = []
    small: list[Shown] = []
    for role in ("full", "uniform"):
        rungs, look = known[role], BASELINES[role]
        _ladder(axes, rungs, place_of, look, 1.4)
        small += [(arm, look) for arm in rungs]
        if rungs:
            tags.append(Tag(f"{role} (ladder)", place_of(rungs[-1]), rungs[-1]["accuracy"]["mean"], look))
    for rungs in own_ladders:
        look = report.looks[rungs[-1]["label"]]
        _ladder(axes, rungs, place_of, look, 1.1)
        small += [(arm, look) for arm in rungs[:-1]]
    large = [(arm, look_of(report, arm)) for arm in (*known["full-all"], *strategies)]
    tags += [Tag(arm["label"], place_of(arm), arm["accuracy"]["mean"], look) for arm, look in large]
    _points(axes, small, place_of, linewidth=1.0, size=3.5)
    _points(axes, large, place_of, linewidth=1.4, size=6.5)
    if ceilings:
        _ceilings(axes, [(arm, look) for arm, look in large if arm["role"] == "strategy" and arm["ceiling"]], place_of)
    finish_tagged(axes, relative_label(f"{unit}, {account}", base, "full training", shown), "test accuracy, %", tags)
    lines = [f"{_named(arm)} {percent(arm['accuracy']['mean'])} % at {ratio(place_of(arm))}" for arm in everything]
    words = f"Test accuracy against {unit} ({account}) relative to full training: "
    return finish(figure, name, title, words + "; ".join(lines) + ".")


def _ladder(axes: Axes, rungs: Sequence[Row], place_of: Place, look: Look, width: float) -> None:
    heights = [arm["accuracy"]["mean"] for arm in rungs]
    own = {"color": look.colour, "linestyle": look.dashes, "linewidth": width}
    axes.plot([place_of(arm) for arm in rungs], heights, zorder=2, **own)


def _range(arms: Sequence[Row]) -> tuple[float, float]:
    """Accuracies to show: each interval, cut to a typical one, since that of a collapsed arm would flatten the rest."""
    typical = statistics.median(_ends(arm)[1] - _ends(arm)[0] for arm in arms) / 2
    low = min(max(_ends(arm)[0], arm["accuracy"]["mean"] - typical) for arm in arms)
    high = max(min(_ends(arm)[1], arm["accuracy"]["mean"] + typical) for arm in arms)
    return max(low, 0.0), min(high, 100.0)


def _ends(arm: Row) -> tuple[float, float]:
    accuracy = arm["accuracy"]
    mean = accuracy["mean"]
    low, high = accuracy["ci_low"], accuracy["ci_high"]
    return (mean if low is None else max(low, 0.0)), (mean if high is None else min(high, 100.0))


def _points(axes: Axes, arms: Sequence[Shown], place_of: Place, *, linewidth: float, size: float) -> None:
    """Each arm's mean and its interval; one so wide that it would fill the axes is only hinted at."""
    tall = _WILD * (axes.get_ylim()[1] - axes.get_ylim()[0])
    for wild in (False, True):
        lines, colours = [], []
        for arm, look in arms:
            low, high = _ends(arm)
            if bool(high - low > tall) is wild:
                lines.append(((place_of(arm), low), (place_of(arm), high)))
                colours.append(look.colour)
        style = {"linestyles": [(0, (1, 3))], "linewidths": 0.9} if wild else {"linewidths": linewidth}
        segments(axes, lines, colours, alpha=0.75, zorder=3, **style)
    points = [Mark(place_of(arm), arm["accuracy"]["mean"], look) for arm, look in arms]
    marks(axes, points, markersize=size, markeredgecolor=PAPER, markeredgewidth=0.6, zorder=4)


def _ceilings(axes: Axes, arms: Sequence[Shown], place_of: Place) -> None:
    tails = [(1 / arm["ceiling"], place_of(arm), arm["accuracy"]["mean"], look) for arm, look in arms]
    tails = [tail for tail in tails if tail[0] < tail[1] * 0.995]
    lines = [((least, y), (x, y)) for least, x, y, _ in tails]
    colours = [look.colour for *_, look in tails]
    segments(axes, lines, colours, linewidths=0.8, linestyles=[(0, (1, 1.6))], zorder=2)
    ends = [Mark(least, y, Look(look.colour, "|", "-")) for least, _, y, look in tails]
    marks(axes, ends, markersize=7, markeredgewidth=1.2, zorder=2)


def _named(arm: Row) -> str:
    rung = budget_share(arm["rung"])
    return clean(arm["label"]) + (f" with {rung}" if rung else "")
