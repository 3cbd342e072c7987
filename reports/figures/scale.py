"""Prediction for another job: speed-up by what a training image costs, and the share of selecting by batch size."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, NullLocator

from ..document.looks import INK, PAPER, RULE, SOFT, Look, look
from ..document.numbers import NARROW, duration, flops, ratio, share
from ..document.panels import Row
from ..document.text import clean, short
from .axes import Mark, Tag, blank, fixed_ticks, marks, note, tag_room, tags_beside
from .canvas import Drawing, canvas, drawing_rules, finish, place

WIDTH = 11.0
HEIGHT = 4.4
DOTTED = (0, (1, 1.3))
CEILING = (0, (5, 2.5))
LEVELS = (0.01, 0.03, 0.10)


def scale_plot(table: Row) -> Drawing:
    """Draw both panels for the first candidate batch of a ``scale.json``; see
    :mod:`selbench.reports.document.sections.scale`.

    Dotted is what no measurement stands behind: every learner but the workload's own, and every batch beyond those
    that were measured. Filled markers are measured, open ones extrapolated.
    """
    with drawing_rules():
        arms = [arm for arm in table["batches"][0]["arms"] if arm["curve"]]
        looks = {arm["label"]: look(number) for number, arm in enumerate(arms)}
        figure, (left, right) = canvas(WIDTH, HEIGHT, columns=2)
        room = tag_room([arm["label"] for arm in arms])
        middle = WIDTH / 2
        place(left, left=0.5, right=middle + room - 0.05, top=0.62, bottom=0.62)
        place(right, left=middle + 0.55, right=room, top=0.62, bottom=0.62)
        workload = table["workload"]
        title = f"{workload['title']}: could selection save time at scale?"
        if not arms:
            return blank(figure, left, "scale", title, "no strategy to draw")
        _speed(left, arms, looks, table)
        _shares(right, table, looks)
        figure.text(0.06 / WIDTH, 1 - 0.2 / HEIGHT, clean(title), color=INK, fontsize=10, va="center", weight="bold")
        lines = []
        for arm in arms:
            speed = arm["speed_up"]["amortised"]["seconds"]
            even = arm["break_even"]
            least = "at no learner cost" if even is None else f"above {duration(even['seconds'])} an image"
            most, select = ratio(arm["ceiling"]["seconds"]), share(arm["select_share"])
            name = clean(arm["label"])
            lines.append(
                f"{name} {ratio(speed)} of at most {most} ({arm['basis']}), could save time {least}, select {select}"
            )
        words = "Predicted speed-up in seconds and share of the time in select: "
        return finish(figure, "scale", title, f"{words}{'; '.join(lines)}.")


def _speed(axes: Axes, arms: Sequence[Row], looks: Mapping[str, Look], table: Row) -> None:
    here = arms[0]["learner_seconds_per_image"]
    # From a tenth of the smallest to ten times the largest of what matters, within the computed curve.
    matters = [here, *(arm["break_even"]["seconds"] for arm in arms if arm["break_even"])]
    matters = [value for value in matters if here / 100 <= value <= here * 100]
    curve = arms[0]["curve"]
    low, high = max(curve[0][0], min(matters) / 10), min(curve[-1][0], max(matters) * 10)
    top = 1.15 * max(1.0, *(value for arm in arms for _, _, value in arm["curve"]))
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    axes.set_ylim(0, top)
    axes.axhline(1, color=INK, linewidth=0.8)
    axes.axvline(here, color=RULE, linewidth=5, zorder=0)
    kept: list[Sequence[Sequence[float]]] = []  # ceilings that the eye can tell apart
    for arm in arms:
        if all(abs(arm["curve"][-1][2] / other[-1][2] - 1) > 0.015 for other in kept):
            kept.append(arm["curve"])
    for value in kept:
        axes.plot([x for x, _, _ in value], [y for _, _, y in value], color=SOFT, linestyle=CEILING, linewidth=0.9)
        text, at = f" ceiling {ratio(value[-1][2])}", value[0][2] + 0.012 * top
        behind = {"facecolor": PAPER, "edgecolor": "none", "pad": 0.6}
        axes.text(low, at, text, color=SOFT, fontsize=7.5, va="bottom", bbox=behind, zorder=4)
    tags = []
    for arm in arms:
        own, line = looks[arm["label"]], [(x, y) for x, y, _ in arm["curve"]]
        axes.plot(*zip(*line, strict=True), color=own.colour, linestyle=DOTTED, zorder=3)
        _marks(axes, [(here, arm["speed_up"]["amortised"]["seconds"], arm["basis"])], own)
        tags.append(Tag(arm["label"], *[at for at in line if at[0] <= high][-1], own))
    _captions(axes, table, here, all(arm["basis"] == "measured" for arm in arms))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: duration(value)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("what the learner costs: training time per image")
    heading = f"speed-up over full training in seconds, B = {table['batches'][0]['batch']:,}"
    axes.set_title(heading, loc="left", color=SOFT, pad=14)
    axes.grid(True, axis="y")
    tags_beside(axes, tags)


def _captions(axes: Axes, table: Row, here: float, measured: bool) -> None:
    low, high = axes.get_xlim()
    top = axes.get_ylim()[1]
    early = here < math.sqrt(low * high)
    side = "left" if early else "right"
    unit = table["workload"]["unit"]["train"]
    own = f"{short(table['workload']['learner_text'], 44)}, {flops(unit)}".replace(NARROW, " ")
    axes.text(here, 0.02 * top, f"  {own}  ", color=SOFT, fontsize=7.5, va="bottom", ha=side, zorder=5)
    word = "measured" if measured else "this workload, extrapolated"
    axes.text(here, top, word, ha="center", va="bottom", color=INK, fontsize=7.5)
    place, align = (high, "right") if early else (low, "left")
    axes.text(
        place, top, "other learners: extrapolated", ha=align, va="bottom", color=SOFT, fontsize=7.5, style="italic"
    )


def _marks(axes: Axes, points: Iterable[tuple[float, float, str]], own: Look) -> None:
    at = [Mark(x, y, own, hollow=basis != "measured") for x, y, basis in points]
    edge = {"markeredgecolor": PAPER, "markeredgewidth": 0.6}
    marks(axes, [mark for mark in at if not mark.hollow], markersize=6.5, zorder=5, **edge)
    marks(axes, [mark for mark in at if mark.hollow], markersize=6.5, zorder=5, markeredgewidth=1.3)


def _shares(axes: Axes, table: Row, looks: Mapping[str, Look]) -> None:
    shares = table["sweep"]["shares"]
    known = [value for points in shares.values() for _, value, *_ in points if value > 0]
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    if not known:
        note(axes, "no strategy spends time on select")
        return
    low = max(1e-5, 10 ** math.floor(math.log10(min(known))))
    axes.set_ylim(low, max(0.2, 1.5 * max(known)))
    for level in LEVELS:
        axes.axhline(level, color=RULE, linewidth=0.9, linestyle="-", zorder=0)
    tags = []
    for label, points in shares.items():
        drawn = [point for point in points if point[1] > 0]
        if label not in looks or not drawn:
            continue
        own = looks[label]
        axes.plot([p[0] for p in drawn], [p[1] for p in drawn], color=own.colour, linestyle=DOTTED, zorder=3)
        solid = [p for p in drawn if p[3] == "measured"]
        axes.plot([p[0] for p in solid], [p[1] for p in solid], color=own.colour, linestyle="-", zorder=3)
        _marks(axes, [(size, value, basis) for size, value, _, basis in drawn], own)
        tags.append(Tag(label, drawn[-1][0], drawn[-1][1], own))
    sizes = sorted({size for points in shares.values() for size, *_ in points})
    axes.set_xlim(sizes[0] / 1.2, sizes[-1] * 1.2)
    ticks = [size for size in sizes if math.log2(size).is_integer()]
    fixed_ticks(axes.xaxis, ticks[:: max(1, math.ceil(len(ticks) / 7))], lambda value: f"{value:,.0f}")
    shown = [tick for tick in (1e-5, 1e-4, 1e-3, *LEVELS, 0.3, 1.0) if tick >= low]
    fixed_ticks(axes.yaxis, shown, lambda value: f"{100 * value:g} %")
    axes.set_xlabel("candidate batch B (filled, solid: measured; open, dotted: extrapolated)")
    axes.set_title("share of the time lost to select", loc="left", color=SOFT, pad=14)
    tags_beside(axes, tags)
