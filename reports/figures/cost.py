"""Accuracy against cost: strategies beside the two ladders, with intervals and each scheme's least possible cost."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

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


@dataclass(frozen=True)
class _Spot:
    """Where an arm stands: its cost relative to full training, its accuracy, and the ends of its interval."""

    arm: Row
    look: Look
    x: float
    y: float
    low: float
    high: float


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
    labels = [arm["label"] for arm in known["strategy"]] + ["uniform (ladder)"]
    figure, axes = tagged_frame(labels, len(known["strategy"]) + 3, bottom=0.52)
    whole = next((arm for arm in known["full"] if arm["rung"] == 1.0), None)
    if whole is None:
        return blank(figure, axes, name, title, f"no {unit} of full training to compare with")
    base = float(whole[field][account])

    def spot(arm: Row, look: Look) -> _Spot:
        accuracy = arm["accuracy"]
        mean, low, high = accuracy["mean"], accuracy["ci_low"], accuracy["ci_high"]
        ends = mean if low is None else max(low, 0.0), mean if high is None else min(high, 100.0)
        return _Spot(arm, look, float(arm[field][account]) / base, mean, *ends)

    spots = {role: [spot(arm, look_of(report, arm)) for arm in arms] for role, arms in known.items()}
    ladders = [
        [spot(rung, mine.look) for rung in panel.own_ladder(mine.arm) if rung[field][account]]
        for mine in spots["strategy"]
    ]
    ladders = [rungs for rungs in ladders if len(rungs) > 1]
    everything = [mine for of in spots.values() for mine in of] + [rung for of in ladders for rung in of[:-1]]
    costs = [mine.x for mine in everything]
    ceilings = quantity == "flops" or report.timed
    bounded = [mine for mine in spots["strategy"] if mine.arm["ceiling"] and ceilings]
    costs += [1 / mine.arm["ceiling"] for mine in bounded]
    relative_scale(axes, min(costs), max(costs))
    accuracy_scale(axes, *_range(everything))
    tags: list[Tag] = []
    small: list[_Spot] = []
    for role in ("full", "uniform"):
        _ladder(axes, spots[role], BASELINES[role], 1.4)
        small += spots[role]
        tags += [Tag(f"{role} (ladder)", last.x, last.y, last.look) for last in spots[role][-1:]]
    for rungs in ladders:
        _ladder(axes, rungs, rungs[0].look, 1.1)
        small += rungs[:-1]
    large = [*spots["full-all"], *spots["strategy"]]
    tags += [Tag(mine.arm["label"], mine.x, mine.y, mine.look) for mine in large]
    _points(axes, small, linewidth=1.0, size=3.5)
    _points(axes, large, linewidth=1.4, size=6.5)
    if ceilings:
        _ceilings(axes, bounded)
    finish_tagged(axes, relative_label(f"{unit}, {account}", base, "full training", shown), "test accuracy, %", tags)
    lines = [f"{_named(mine.arm)} {percent(mine.y)} % at {ratio(mine.x)}" for mine in everything]
    words = f"Test accuracy against {unit} ({account}) relative to full training: "
    return finish(figure, name, title, words + "; ".join(lines) + ".")


def _ladder(axes: Axes, rungs: Sequence[_Spot], look: Look, width: float) -> None:
    style = {"color": look.colour, "linestyle": look.dashes, "linewidth": width, "zorder": 2}
    axes.plot([rung.x for rung in rungs], [rung.y for rung in rungs], **style)


def _range(spots: Sequence[_Spot]) -> tuple[float, float]:
    """Accuracies to show: each interval, cut to a typical one, since that of a collapsed arm would flatten the rest."""
    typical = statistics.median(spot.high - spot.low for spot in spots) / 2
    low = min(max(spot.low, spot.y - typical) for spot in spots)
    high = max(min(spot.high, spot.y + typical) for spot in spots)
    return max(low, 0.0), min(high, 100.0)


def _points(axes: Axes, spots: Sequence[_Spot], *, linewidth: float, size: float) -> None:
    """Each arm's mean and its interval; one so wide that it would fill the axes is only hinted at."""
    tall = _WILD * (axes.get_ylim()[1] - axes.get_ylim()[0])
    for wild in (False, True):
        chosen = [spot for spot in spots if bool(spot.high - spot.low > tall) is wild]
        style = {"linestyles": [(0, (1, 3))], "linewidths": 0.9} if wild else {"linewidths": linewidth}
        lines = [((spot.x, spot.low), (spot.x, spot.high)) for spot in chosen]
        segments(axes, lines, [spot.look.colour for spot in chosen], alpha=0.75, zorder=3, **style)
    points = [Mark(spot.x, spot.y, spot.look) for spot in spots]
    marks(axes, points, markersize=size, markeredgecolor=PAPER, markeredgewidth=0.6, zorder=4)


def _ceilings(axes: Axes, spots: Sequence[_Spot]) -> None:
    """Draw a dotted tail from each arm to the least cost that its scheme allows, where that is visibly less."""
    tails = [(1 / spot.arm["ceiling"], spot) for spot in spots if 1 / spot.arm["ceiling"] < 0.995 * spot.x]
    lines = [((least, spot.y), (spot.x, spot.y)) for least, spot in tails]
    colours = [spot.look.colour for _, spot in tails]
    segments(axes, lines, colours, linewidths=0.8, linestyles=[(0, (1, 1.6))], zorder=2)
    ends = [Mark(least, spot.y, Look(spot.look.colour, "|", "-")) for least, spot in tails]
    marks(axes, ends, markersize=7, markeredgewidth=1.2, zorder=2)


def _named(arm: Row) -> str:
    rung = budget_share(arm["rung"])
    return clean(arm["label"]) + (f" with {rung}" if rung else "")
