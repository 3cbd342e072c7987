"""Charts of a study: points with intervals over a number, or a row for each name."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator
from matplotlib.transforms import ScaledTranslation, Transform

from ..document.looks import INK, SOFT, Look, look
from ..document.numbers import MINUS
from ..document.text import clean, short
from .axes import (
    BASELINES,
    LABEL_GAP,
    TAG_LIMIT,
    WIDE,
    Mark,
    Tag,
    blank,
    marks,
    row_labels,
    row_lines,
    segments,
    tag_room,
    tags_beside,
)
from .canvas import Drawing, canvas, finish, place, size_of, text_width

_LABEL = 42
"""Most characters of a row's name."""

_LINE = 0.165
"""Inches from one line of text, or one series of a row, to the next."""

_LARGEST = 250.0
"""Powers of ten that a logarithmic axis reaches, either way."""

_REACH = 6.0
"""Intervals longer than so many typical ones, to either side, run out of the picture: they would flatten the rest."""

_MANY = 30
"""Points from which on a series is a line with a band, or dots: markers would run into one another."""

_DODGE, _DODGED = 0.045, 0.24
"""Inches that series stand apart at one place, so that their intervals do not hide one another; and all together."""

_EXPONENT = str.maketrans("-0123456789", "\u207b\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079")


@dataclass(frozen=True)
class _Point:
    x: float
    y: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class _Line:
    """A series that has something to show: runs of points without a gap, each with its interval."""

    label: str
    look: Look
    joined: bool
    runs: tuple[tuple[_Point, ...], ...]

    @property
    def points(self) -> list[_Point]:
        return [point for run in self.runs for point in run]


def study_plot(name: str, chart: Mapping[str, Any], looks: Mapping[str, Look]) -> Drawing:
    """Draw a chart of a study's answer.

    Parameters
    ----------
    name : str
        File name without ending.
    chart : mapping
        As in the summary: the fields of :class:`selbench.reports.questions.Chart`.
    looks : mapping of label to Look
        Those of the report's strategies: a series of that name is drawn as in the other figures.

    Returns
    -------
    Drawing
        Over names, a row for each, values from left to right; over numbers, values upwards.
    """
    lines = _lines(chart, looks)
    title = chart["title"]
    if not any(line.runs for line in lines):
        figure, (axes,) = canvas(WIDE, 1.6)
        place(axes, left=0.52, right=0.2, top=0.34, bottom=0.3)
        axes.set_axis_off()
        return blank(figure, axes, name, title, "nothing measured yet")
    draw = _rows if chart["ticks"] else _curves
    return draw(name, chart, [line for line in lines if line.runs])


def _lines(chart: Mapping[str, Any], looks: Mapping[str, Look]) -> list[_Line]:
    known = {**looks, **{name: BASELINES[name] for name in ("full", "uniform")}}
    by_name = all(series["label"] in known for series in chart["series"])
    found = []
    for number, series in enumerate(chart["series"]):
        own = known[series["label"]] if by_name else look(number)
        found.append(_Line(clean(series["label"]), own, series["joined"], _runs(chart, series)))
    return found


def _runs(chart: Mapping[str, Any], series: Mapping[str, Any]) -> tuple[tuple[_Point, ...], ...]:
    ends = [series[end] or [None] * len(series["x"]) for end in ("low", "high")]
    points = [
        _Point(*row) if _drawable(chart, row) else None for row in zip(series["x"], series["y"], *ends, strict=True)
    ]
    return tuple(tuple(run) for there, run in groupby(points, lambda point: point is not None) if there)  # type: ignore[arg-type]


def _drawable(chart: Mapping[str, Any], row: Sequence[float | None]) -> bool:
    for value, logarithmic in ((row[0], chart["log_x"] and not chart["ticks"]), (row[1], chart["log_y"])):
        if value is None or not math.isfinite(value) or (logarithmic and value <= 0):
            return False
    return True


def _curves(name: str, chart: Mapping[str, Any], lines: Sequence[_Line]) -> Drawing:
    named = lines if len(lines) > 1 else []
    tagged = named if all(line.joined and len(line.label) <= TAG_LIMIT for line in named) else []
    keys = [] if tagged == named else _key_rows([line.label for line in named], WIDE - 0.3)
    right = tag_room([line.label for line in tagged]) if tagged else 0.2
    head = _wrapped(chart["y_label"], WIDE - 0.3)
    foot = _wrapped(chart["x_label"], WIDE - 0.62 - right)
    top, bottom = 0.14 + _LINE * (len(keys) + len(head)), 0.34 + _LINE * len(foot)
    figure, (axes,) = canvas(WIDE, max(2.7 + top + bottom, 0.86 + LABEL_GAP * len(tagged) * 1.15))
    place(axes, left=0.62, right=right, top=top, bottom=bottom)
    points = [point for line in lines for point in line.points]
    _scale(axes, "x", [point.x for point in points], chart["log_x"], at=[point.x for point in points])
    _scale(axes, "y", [*_shown(points, chart["log_y"]), *_level(chart)], chart["log_y"])
    axes.grid(True, axis="y")
    axes.spines["left"].set_visible(False)
    if _level(chart):
        axes.axhline(chart["level"], color=SOFT, linewidth=0.9, zorder=1)
    apart = min(_DODGE, _DODGED / len(lines)) if any(point.low is not None for point in points) else 0.0
    for number, line in enumerate(lines):
        shift = (number - (len(lines) - 1) / 2) * apart
        moved = axes.transData + ScaledTranslation(shift, 0, figure.dpi_scale_trans)
        _draw(axes, line, moved)
    axes.set_xlabel("\n".join(foot), linespacing=1.25)
    _heading(axes, keys, head, {line.label: line.look for line in named})
    tags_beside(axes, [Tag(line.label, line.points[-1].x, line.points[-1].y, line.look) for line in tagged])
    return finish(figure, name, chart["title"], _words(chart, lines))


def _draw(axes: Axes, line: _Line, moved: Transform) -> None:
    """A series at its own small shift sideways; one of many points has a band, or small dots alone."""
    own: dict[str, Any] = {"transform": moved, "clip_on": True}
    many = len(line.points) > _MANY
    if line.joined:
        runs = [[(point.x, point.y) for point in run] for run in line.runs if len(run) > 1]
        segments(axes, runs, [line.look.colour], linestyles=[line.look.dashes], linewidths=1.4, zorder=3, **own)
    spans = [(point, *_ends(point)) for point in line.points]
    if many and line.joined:
        for run in line.runs:
            low, high = zip(*map(_ends, run), strict=True)
            across = [point.x for point in run]
            axes.fill_between(across, low, high, color=line.look.colour, alpha=0.18, linewidth=0, zorder=2)
        return
    bars = [((point.x, low), (point.x, high)) for point, low, high in spans if high > low]
    segments(axes, bars, [line.look.colour], linewidths=1.2, alpha=0.75, zorder=3, **own)
    at = [Mark(point.x, point.y, line.look) for point in line.points]
    marks(axes, at, markersize=3 if many else 5, alpha=0.6 if many else 1.0, zorder=4, **own)


def _rows(name: str, chart: Mapping[str, Any], lines: Sequence[_Line]) -> Drawing:
    labels = [short(label, _LABEL) for label in chart["ticks"]]
    left = max(0.5, text_width(labels) + 0.18)
    keys = _key_rows([line.label for line in lines], WIDE - 0.3) if len(lines) > 1 else []
    head = _wrapped(chart["x_label"], WIDE - 0.3) if chart["x_label"] else []
    foot = _wrapped(chart["y_label"], WIDE - left - 0.2)
    step = max(0.235, 0.1 + 0.115 * len(lines))
    top, bottom = 0.1 + _LINE * (len(keys) + len(head)), 0.34 + _LINE * len(foot)
    figure, (axes,) = canvas(WIDE, top + bottom + step * len(labels))
    place(axes, left=left, right=0.2, top=top, bottom=bottom)
    points = [point for line in lines for point in line.points]
    axes.set_ylim(len(labels) - 0.5, -0.5)
    _scale(axes, "x", [*_shown(points, chart["log_y"]), *_level(chart)], chart["log_y"])
    row_labels(axes, labels)
    row_lines(axes, len(labels))
    axes.spines["left"].set_visible(False)
    if _level(chart):
        axes.axvline(chart["level"], color=SOFT, linewidth=0.9, zorder=1)
    room = 0.115 / step
    for number, line in enumerate(lines):
        shift = (number - (len(lines) - 1) / 2) * room
        spans = [(point.x + shift, *_ends(point)) for point in line.points]
        segments(axes, [((low, y), (high, y)) for y, low, high in spans], [line.look.colour], linewidths=1.6, zorder=2)
        marks(axes, [Mark(point.y, point.x + shift, line.look) for point in line.points], markersize=5, zorder=3)
    axes.set_xlabel("\n".join(foot), linespacing=1.25)
    _heading(axes, keys, head, {line.label: line.look for line in lines})
    return finish(figure, name, chart["title"], _words(chart, lines))


def _heading(axes: Axes, keys: Sequence[Sequence[str]], head: Sequence[str], looks: Mapping[str, Look]) -> None:
    """Above the axes, from the figure's left edge: the names of the series with their marks, then what is shown."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    width, height = size_of(axes)
    at = height - 0.11
    for row in keys:
        x = 0.14
        for label in row:
            own = looks[label]
            style = {"linestyle": "none", "marker": own.marker, "color": own.colour, "markersize": 5}
            figure.add_artist(Line2D([x / width], [at / height], **style))
            figure.text((x + 0.1) / width, at / height, label, va="center_baseline", fontsize=8, color=INK)
            x += _key_width(label)
        at -= _LINE
    for text in head:
        figure.text(0.08 / width, at / height, text, va="center_baseline", fontsize=8.5, color=SOFT)
        at -= _LINE


def _key_width(label: str) -> float:
    return 0.1 + text_width([label], 8) + 0.22


def _key_rows(labels: Sequence[str], room: float) -> list[list[str]]:
    """The names of series in as few rows as hold them."""
    rows: list[list[str]] = [[]]
    for label in labels:
        if rows[-1] and sum(map(_key_width, [*rows[-1], label])) > room:
            rows.append([])
        rows[-1].append(label)
    return rows


def _ends(point: _Point) -> tuple[float, float]:
    """An interval's ends; the point itself where it has none."""
    return (point.y if point.low is None else point.low), (point.y if point.high is None else point.high)


def _level(chart: Mapping[str, Any]) -> list[float]:
    level = chart["level"]
    return [level] if level is not None and math.isfinite(level) and (level > 0 or not chart["log_y"]) else []


def _shown(points: Sequence[_Point], logarithmic: bool) -> list[float]:
    """What the axis must hold: every point, and its interval as far as it is not far longer than is typical."""
    to = math.log if logarithmic else float
    values = [point.y for point in points]
    arms = [
        (point.y, end)
        for point in points
        for end in _ends(point)
        if end != point.y and math.isfinite(end) and (end > 0 or not logarithmic)
    ]
    typical = float(np.median([abs(to(end) - to(y)) for y, end in arms])) if arms else 0.0
    return values + [end for y, end in arms if abs(to(end) - to(y)) <= _REACH * typical]


def _scale(axes: Axes, axis: str, values: Sequence[float], logarithmic: bool, at: Sequence[float] = ()) -> None:
    """Limits with a little room, and ticks that are read as numbers: at the values themselves where these are few."""
    to, back = (math.log10, lambda power: 10.0**power) if logarithmic else (float, float)
    low, high = to(min(values)), to(max(values))
    if logarithmic:  # room beyond it must be a number still
        low, high = (min(max(power, -_LARGEST), _LARGEST) for power in (low, high))
    spread = high - low or (0.3 if logarithmic else abs(high) * 0.1 or 1.0)
    room = 0.06 * spread if high > low else 0.5 * spread
    ends = back(low - room), back(high + room)
    axes.set(**{f"{axis}scale": "log" if logarithmic else "linear", f"{axis}lim": ends})
    scale = axes.xaxis if axis == "x" else axes.yaxis
    ticks = _ticks(axes, sorted(set(at)), ends, to) if at else None
    if ticks is None and logarithmic:
        ticks = _powers(low - room, high + room)
    scale.set_major_locator(FixedLocator(ticks) if ticks else MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
    scale.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
    scale.set_minor_locator(NullLocator())


def _ticks(axes: Axes, values: Sequence[float], ends: tuple[float, float], to: Any) -> list[float] | None:
    """The values themselves, if they are few and their labels keep apart; else None."""
    if not 1 < len(values) <= 9:
        return None
    inches = axes.get_position().width * size_of(axes)[0] / (to(ends[1]) - to(ends[0]))
    boxes = [(inches * to(value), text_width([number(value)], 8) / 2) for value in values]
    gaps = [(right - more) - (left + half) for (left, half), (right, more) in pairwise(boxes)]
    return list(values) if min(gaps) > 0.06 else None


def _powers(low: float, high: float) -> list[float]:
    """Ticks of a logarithmic axis between two powers of ten: 1, 2 and 5 of each decade, or decades where many."""
    decades = range(math.floor(low), math.ceil(high) + 1)
    for digits in ((1,), (1, 3), (1, 2, 5), range(1, 10), [n / 10 for n in range(10, 100)]):
        found = [digit * 10.0**power for power in decades for digit in digits]
        found = [value for value in found if low <= math.log10(value) <= high]
        if len(found) >= 3:
            return found[:: math.ceil(len(found) / 8)]
    return found


def number(value: float) -> str:
    """``−0.25``, ``1,024``, ``3×10⁶``: a tick's label."""
    text = f"{value:.6g}"
    if 1e4 > abs(value) >= 1e3 and float(text) == int(value):
        text = f"{int(value):,}"
    mantissa, e, power = text.partition("e")
    if e or abs(value) >= 1e5:
        mantissa, _, power = f"{value:e}".partition("e")
        lead = f"{float(mantissa):g}"
        times = f"{lead}\u00d7".replace("-", MINUS) if lead != "1" else ""
        return f"{times}10{str(int(power)).translate(_EXPONENT)}"
    return mantissa.replace("-", MINUS)


def _wrapped(text: str, room: float) -> list[str]:
    """At most two lines of ``text``, each at most ``room`` inches wide; an ellipsis stands for the rest."""
    lines, rest = [""], clean(text).split()
    while rest:
        longer = f"{lines[-1]} {rest[0]}".strip()
        if text_width([longer]) <= room or not lines[-1]:
            lines[-1] = longer
            rest.pop(0)
        elif len(lines) < 2:
            lines.append("")
        else:
            lines[-1] += " \u2026"
            break
    return lines


def _words(chart: Mapping[str, Any], lines: Sequence[_Line]) -> str:
    """The chart in words: every point of a short series, first and last of a long one."""
    told = []
    for line in lines:
        points = line.points if len(line.points) <= 12 else line.points[:: len(line.points) - 1]
        shown = ", ".join(f"{_value(point)} at {_where(chart, point)}" for point in points)
        told.append(f"{line.label}: {shown}" if line.label else shown)
    over = f" over {chart['x_label']}" if chart["x_label"] else ""
    return clean(f"{chart['y_label']}{over}. {'; '.join(told)}.")


def _value(point: _Point) -> str:
    ends = "" if point.low is None or point.high is None else f" ({point.low:.3g} to {point.high:.3g})"
    return f"{point.y:.3g}{ends}"


def _where(chart: Mapping[str, Any], point: _Point) -> str:
    ticks = chart["ticks"]
    return str(ticks[int(point.x)]) if ticks else f"{point.x:.4g}"
