"""Size and coverage over n, a panel for each population."""

from __future__ import annotations

from functools import partial

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from ..figures import HUES, INK, MARKERS, RULE, SOFT, exported
from .populations import POPULATIONS
from .procedures import ALPHA, CONFIDENCE
from .simulate import PAIRS, Row, most

COLUMNS = 3
SAME = "t, non-inferiority at its margin"
"""Left out: it is the test of superiority, shifted."""

TITLES = {
    "size": f"Rejected where the null holds, level {ALPHA:g} (band: + 2 SE)",
    "coverage": f"Intervals that hold the truth, nominal {CONFIDENCE:.0%}",
}


def _panel(ax: Axes, rows: list[Row], nominal: float) -> None:
    for number, name in enumerate(dict.fromkeys(row.procedure for row in rows)):
        line = sorted((row for row in rows if row.procedure == name), key=lambda row: row.n)
        colour, marker = HUES[number % len(HUES)], MARKERS[number % len(MARKERS)]
        at, rates = [row.n for row in line], [row.rate for row in line]
        # Sideways by a hair: several tests have the same rate.
        at = [n * 1.015 ** (number - 3) for n in at]
        ax.plot(at, rates, color=colour, marker=marker, markersize=4, linewidth=1.1, label=name)
    ax.axhline(nominal, color=INK, linewidth=0.9)
    ax.set_xscale("log")
    ax.set_xticks(PAIRS, [str(n) for n in PAIRS])
    ax.xaxis.set_minor_locator(NullLocator())


def _figure(rows: list[Row], part: str) -> Figure:
    """One figure: all populations of differences on one scale."""
    figure = Figure(figsize=(8.6, 5.6), layout="constrained")
    panels = list(figure.subplots(2, COLUMNS, sharex=True, sharey=True).flat)
    for ax, population in zip(panels, POPULATIONS, strict=False):
        mine = [row for row in rows if row.population == population.name]
        nominal = ALPHA if part == "size" else CONFIDENCE
        _panel(ax, mine, nominal)
        if part == "size":
            ax.axhspan(nominal, most(nominal, min(row.draws for row in mine)), color=RULE, zorder=0)
        ax.set_title(population.name, loc="left", fontsize=9)
    legend = panels[-1]
    legend.set_axis_off()
    legend.legend(*panels[0].get_legend_handles_labels(), loc="upper left", frameon=False)
    figure.supxlabel("pairs n", fontsize=8.5, color=SOFT)
    figure.supylabel("share of draws", fontsize=8.5, color=SOFT)
    figure.suptitle(TITLES[part], x=0.01, ha="left", fontsize=9.5)
    return figure


def draw(rows: list[Row]) -> dict[str, bytes]:
    """Files by name, an SVG and a PNG each."""
    sizes = [row for row in rows if row.part == "size" and row.nominal == ALPHA and row.procedure != SAME]
    kept = {
        "size": sizes + [row for row in rows if row.part == "verdict"],
        "coverage": [row for row in rows if row.part == "coverage" and row.nominal == CONFIDENCE],
    }
    return exported((part, partial(_figure, chosen, part)) for part, chosen in kept.items())
