"""A run drawn: seconds over B, doubly logarithmic."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from functools import partial

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator

from .targets import SHARE
from .timings import FORMING, Row, Run

INK, SOFT, RULE, PAPER = "#1c1b18", "#66635b", "#d8d4c9", "#fffefb"
OURS = "#d55e00"
HUES = ("#0072b2", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7d8b99", "#6a3d9a", "#1c1b18")
MARKERS = ("s", "D", "^", "v", "P", "X", "h", "o")
STYLE = {
    "font.size": 8.5,
    "svg.fonttype": "none",
    "svg.hashsalt": "selbench",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": SOFT,
    "figure.facecolor": PAPER,
    "axes.facecolor": PAPER,
    "text.color": INK,
    "text.parse_math": False,
    "axes.labelcolor": SOFT,
    "axes.grid": True,
    "grid.color": RULE,
    "grid.linewidth": 0.5,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
}
COLUMNS = 4


def curve(ax: Axes, rows: list[Row], colour: str, marker: str, label: str, **style: object) -> None:
    """One line over B; hollow marks where the answer is wrong."""
    rows = sorted(rows, key=lambda row: row.size)
    at, took = [row.size for row in rows], [1e3 * row.seconds for row in rows]
    ax.plot(at, took, color=colour, label=label, marker=marker, markersize=4.5, **{"linewidth": 1.2, **style})
    wrong = [(x, y) for x, y, row in zip(at, took, rows, strict=True) if not row.right]
    if wrong:
        ax.plot(*zip(*wrong, strict=True), marker, color=colour, markerfacecolor=PAPER, markersize=6.5, linewidth=0)


def axes(ax: Axes, rows: list[Row]) -> None:
    """Logarithmic both ways, with a tick at every B that was timed."""
    ax.set(xscale="log", yscale="log")
    at = sorted({row.size for row in rows})
    ax.set_xticks(at, [f"{size:,}" for size in at])
    ax.set_xticks([], minor=True)
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    ax.yaxis.set_minor_locator(NullLocator())


def where(run: Run) -> str:
    """Device and threads, for the caption."""
    place = run.facts["device"] if run.on_gpu else f"CPU, threads: {run.facts['threads']}"
    return f"{place}; torch {run.facts['versions']['torch']}"


def solver(run: Run) -> Figure:
    """Ours and its peers."""
    rows = run.of("solver")
    figure = Figure(figsize=(8.2, 4.6), layout="constrained")
    ax = figure.add_subplot()
    peers = list(dict.fromkeys(row.case for row in rows if not row.ours and row.case != FORMING))
    for number, case in enumerate(peers):
        mine = [row for row in rows if row.case == case]
        curve(ax, mine, HUES[number % len(HUES)], MARKERS[number % len(MARKERS)], case)
    for case, width in sorted({(row.case, row.width) for row in rows if row.ours}, reverse=True):
        mine = [row for row in rows if (row.case, row.width) == (case, width)]
        look = {"linewidth": 2.4 if case == "ours" else 1.2, "linestyle": "--" if width > 512 else "-"}
        curve(ax, mine, OURS, "o" if case == "ours" else "*", f"{case}, d = {width:,}", zorder=5, **look)
    axes(ax, rows)
    ax.set(xlabel="candidates B", ylabel="milliseconds (median)")
    ax.set_title(f"The Fiedler vector of a batch, d = 512\n({where(run)})", loc="left", fontsize=9.5)
    note = "hollow: wrong answer" if any(not row.right for row in rows) else None
    figure.legend(*ax.get_legend_handles_labels(), loc="outside right center", frameon=False, reverse=True, title=note)
    return figure


def select(run: Run) -> Figure:
    """A panel a strategy: ours by d, the plain form, and 3 % of the standard learner's step."""
    rows = run.of("select")
    names = list(dict.fromkeys(row.info["strategy"] for row in rows))
    lines = -(-len(names) // COLUMNS)
    figure = Figure(figsize=(9.2, 0.6 + 2.0 * lines), layout="constrained")
    panels = figure.subplots(lines, COLUMNS, sharex=True, sharey=True, squeeze=False).flat
    for ax, name in zip(panels, names, strict=False):
        mine = [row for row in rows if row.info["strategy"] == name]
        for form, colour, marker in (("plain", HUES[0], "s"), ("ours", OURS, "o")):
            for width in sorted({row.width for row in mine}):
                drawn = [row for row in mine if row.info["form"] == form and row.width == width]
                label = f"{form}, d = {width:,}" if width else f"{form}, any d"
                curve(ax, drawn, colour, marker, label, linestyle="--" if width > 512 else "-")
        cadence = mine[0].info["cadence"]
        for step in (step for step in run.of("step") if step.width == 64 and cadence == "batch"):
            most = 1e3 * step.seconds * SHARE / (1 - SHARE)
            ax.plot([step.size], [most], "_", color=INK, markersize=14, label=f"{SHARE:.0%} of a training step")
        axes(ax, rows)
        ax.tick_params(labelsize=7.5)
        ax.set_title(name if cadence == "batch" else f"{name} (once a {cadence})", loc="left", fontsize=9)
    for ax in list(figure.axes)[len(names) :]:
        ax.set_axis_off()
    figure.supxlabel("candidates B", fontsize=8.5, color=SOFT)
    figure.supylabel("milliseconds (median)", fontsize=8.5, color=SOFT)
    labels = {}
    for ax in figure.axes:
        labels.update({label: line for line, label in zip(*ax.get_legend_handles_labels(), strict=True)})
    title = f"select, keep ratio 0.25 ({where(run)})"
    box = figure.legend(labels.values(), labels.keys(), loc="outside upper left", ncols=4, frameon=False, title=title)
    box.set_alignment("left")
    return figure


FIGURES: dict[str, Callable[[Run], Figure]] = {"solver": solver, "select": select}


def exported(figures: Iterable[tuple[str, Callable[[], Figure]]]) -> dict[str, bytes]:
    """Files by name: an SVG and a PNG of each figure, which is made under our :data:`STYLE`."""
    files = {}
    with matplotlib.rc_context(STYLE):
        for name, make in figures:
            figure = make()
            FigureCanvasAgg(figure)
            for ending, options in (("svg", {"metadata": {"Date": None}}), ("png", {"dpi": 144})):
                out = io.BytesIO()
                figure.savefig(out, format=ending, **options)
                files[f"{name}.{ending}"] = out.getvalue()
    return files


def draw(run: Run) -> dict[str, bytes]:
    """Files by name, for each suite that has a figure."""
    return exported((suite, partial(FIGURES[suite], run)) for suite in run.suites if suite in FIGURES)
