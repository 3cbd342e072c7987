"""Effects over data sets: for each strategy a row for each data set, and below them the pooled effect as a diamond."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection

from ..document.looks import INK, RULE, SOFT
from ..document.numbers import interval, points
from ..document.panels import Report, Row
from ..document.text import clean, short
from .axes import Mark, marks, segments
from .canvas import Drawing, canvas, finish, place, text_width

WIDTH = 6.2
ROW = 0.225
LABEL_LIMIT = 27


_DRAWN = 60
"""Most rows of a pooled forest."""

_UNDECLARED = 6
"""Most strategies drawn for a question on which nothing was declared."""


def pooled_drawn(report: Report, question: str) -> list[Row]:
    """The pooled effects that a figure shows: the declared ones, or the best few where none was declared."""
    known = [row for row in report.pooled(question) if row["mean_difference"] is not None]
    chosen = [row for row in known if row["primary"]] or known[:_UNDECLARED]
    kept: list[Row] = []
    for row in chosen:
        if sum(len(other["datasets"]) + 1 for other in (*kept, row)) <= _DRAWN:
            kept.append(row)
    return kept


def pooled_forest(
    name: str, title: str, effects: Sequence[Row], report: Report, datasets: Mapping[str, Row]
) -> Drawing:
    """Draw ``effects`` of the summary's ``pooled``, each with its data sets above it.

    Parameters
    ----------
    name, title : str
    effects : sequence of mappings
    report : Report
    datasets : mapping of name to the summary's data set
        For titles and margins.
    """
    lines = [line for effect in effects for line in (*effect["datasets"], effect)]
    labels = [
        short(datasets[line["dataset"]]["title"] if "dataset" in line else _named(line), LABEL_LIMIT) for line in lines
    ]
    figure, (axes,) = canvas(WIDTH, 0.3 + ROW * len(lines) + 0.46)
    place(axes, left=min(max(1.1 * text_width(labels) + 0.15, 0.5), 2.3), right=1.65, top=0.3, bottom=0.46)
    low, high = _limits(lines, datasets)
    axes.set_xlim(low, high)
    axes.set_ylim(len(lines) - 0.4, -0.6)
    axes.axvline(0, color=INK, linewidth=0.9, zorder=1)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.set_xlabel("difference in test accuracy, points")
    top = axes.get_xaxis_transform()
    axes.text(0, 1.0, " better \u2192", transform=top, ha="left", va="bottom", color=SOFT, fontsize=7.5)
    _draw(axes, lines, report, datasets)
    _write(axes, lines, labels)
    return finish(figure, name, title, _words(effects, datasets))


def _named(effect: Row) -> str:
    return str(effect["strategy"]) + (f", {effect['reference']}" if effect["reference"] else "") + ": pooled"


def _limits(lines: Sequence[Row], datasets: Mapping[str, Row]) -> tuple[float, float]:
    ends = [line[end] for line in lines for end in ("ci_low", "ci_high", "mean_difference") if line[end] is not None]
    ends += [-datasets[line["dataset"]]["margin"] for line in lines if "dataset" in line]
    low, high = min([0.0, *ends]), max([0.0, *ends])
    room = 0.05 * max(high - low, 0.2)
    return low - room, high + room


def _draw(axes: Axes, lines: Sequence[Row], report: Report, datasets: Mapping[str, Row]) -> None:
    spans, colours, dots, diamonds, edges, hues = [], [], [], [], [], []
    start = 0
    for number, line in enumerate(lines):
        pooled = "dataset" not in line
        mean = line["mean_difference"]
        if pooled:
            look = report.look(line)
            for earlier in range(start, number):
                mine = lines[earlier]
                if mine["ci_low"] is not None:
                    spans.append(((mine["ci_low"], earlier), (mine["ci_high"], earlier)))
                    colours.append(look.colour)
                if mine["mean_difference"] is not None:
                    dots.append(Mark(mine["mean_difference"], earlier, look, hollow=True))
            start = number + 1
            if mean is not None:
                low, high = (mean if line[end] is None else line[end] for end in ("ci_low", "ci_high"))
                diamonds.append([(low, number), (mean, number - 0.3), (high, number), (mean, number + 0.3)])
                hues.append(look.colour)
        else:
            edges.append((-datasets[line["dataset"]]["margin"], number))
    segments(axes, [((x, y - 0.3), (x, y + 0.3)) for x, y in edges], [SOFT], linewidths=0.9, zorder=1)
    segments(axes, spans, colours, linewidths=1.4, zorder=2)
    marks(axes, dots, markersize=4.5, markeredgewidth=1.2, zorder=3)
    axes.add_collection(PolyCollection(diamonds, facecolors=hues, linewidths=0, zorder=3), autolim=False)


def _write(axes: Axes, lines: Sequence[Row], labels: Sequence[str]) -> None:
    """Names at the left, numbers at the right; a rule under each pooled row."""
    across = axes.get_yaxis_transform()
    for number, (line, label) in enumerate(zip(lines, labels, strict=True)):
        pooled = "dataset" not in line
        strong = {"fontweight": "bold"} if pooled else {}
        text = f"{points(line['mean_difference'])} ({interval(line['ci_low'], line['ci_high'])})"
        axes.text(-0.015, number, label, transform=across, ha="right", va="center_baseline", fontsize=8, **strong)
        axes.text(
            1.02, number, text, transform=across, va="center_baseline", fontsize=7.5, color=INK if pooled else SOFT
        )
    ends = [((-0.3, n + 0.5), (1.3, n + 0.5)) for n, line in enumerate(lines[:-1]) if "dataset" not in line]
    segments(axes, ends, [RULE], linewidths=0.6, transform=across, clip_on=False)


def _words(effects: Sequence[Row], datasets: Mapping[str, Row]) -> str:
    said = []
    for effect in effects:
        each = ", ".join(
            f"{clean(datasets[line['dataset']]['title'])} {points(line['mean_difference'])}"
            for line in effect["datasets"]
        )
        ends = interval(effect["ci_low"], effect["ci_high"])
        said.append(f"{clean(_named(effect))} {points(effect['mean_difference'])} ({ends}), of {each}")
    return "Differences in points over data sets. " + "; ".join(said) + "."
