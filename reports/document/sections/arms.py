"""The accuracy of every arm, training as it went, what was picked, and how much hangs on the reference."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...records.records import Picks
from ..blocks import Beside, Block, Cell, Column, Grid, Line, Part, Prose
from ..numbers import NONE, accuracies, percent, share, significant
from ..panels import Panel, Report, Row
from .parts import Figures, baseline, by_panel, figures_of, name

SPOILED = {"wrong": "wrong labels"}
"""Words for what records say is spoiled, where they have others."""


def section(report: Report) -> Part:
    """Every arm, rungs of ladders included."""
    parts = by_panel(report, lambda panel: [_accuracies(report, panel)])
    return Part("Accuracy of every arm", [Prose(ACCURACY, "sub"), *parts], key="accuracy", name="Every arm")


ACCURACY = (
    "Test accuracy of the last epoch, per cent, with the interval of the mean over seeds. The worst seed is always "
    "shown. Every rung of a ladder is a run of its own with a fully decayed learning rate."
)


def _accuracies(report: Report, panel: Panel) -> Grid:
    columns = [
        Column("arm", "name"),
        Column("runs", "count"),
        Column("accuracy", "percent"),
        Column("interval", "percent"),
        Column("SD of seeds", "percent"),
        Column("worst seed", "percent"),
        Column("recalibrated", "percent"),
        Column("collapsed", "count"),
        Column("schedule"),
        Column("from"),
    ]
    lines = []
    for arm in panel.arms:
        if arm["n"] or arm["role"] == "strategy":
            cells = [name(report, arm), arm["n"], *_measured(arm), arm["schedule"], arm["origin"]]
            lines.append(Line(cells, baseline(arm, "rung")))
    return Grid(f"Table of accuracies, {panel.title}", columns, lines, sortable=True)


def _measured(arm: Row) -> list[Any]:
    if not arm["n"]:
        return [Cell("none done", ""), *[Cell("", "")] * 5]
    found = arm["accuracy"]
    return [
        Cell(percent(found["mean"]), found["mean"], strong=True),
        accuracies(found["ci_low"], found["ci_high"]),
        found["sd"],
        Cell(percent(found["worst"]), found["worst"], f"seed {found['worst_seed']}"),
        (arm["accuracy_recalibrated"] or {}).get("mean"),
        arm["collapsed"] or None,
    ]


def training(report: Report, figures: Figures) -> Part:
    """Training curves and keep ratios."""
    ends = "Means over seeds. Only the end of a curve is a result: the learning rate has decayed nowhere else."
    kinds = {"curves": ends, "ratios": "As realised, not as asked for."}

    def blocks(panel: Panel) -> list[Block]:
        return [Beside([figures_of(figures, kind, panel, caption) for kind, caption in kinds.items()], "pair large")]

    return Part("Training as it went", by_panel(report, blocks), key="curves", name="Training", style="brief")


def references(report: Report, figures: Figures) -> Part:
    """How the same strategies did with other references."""
    drawn = [[figure] for panel in report.panels for figure in figures_of(figures, "references", panel, COLOURS)]
    said = Prose("The same strategies with other references: differences in points.", "sub")
    title = "How much hangs on the reference"
    return Part(title, [said, Beside(drawn)], key="references", name="References", style="brief")


COLOURS = "Blue: better than the baseline, orange: worse."


def picks(report: Report, figures: Figures) -> Part:
    """What each arm picked, how alike arms picked, and the references, proxies and logs that were made for it."""

    def blocks(panel: Panel) -> list[Block]:
        drawn = figures_of(figures, "classes", panel, "Against the classes' shares under full training.")
        alike = figures_of(figures, "overlap", panel, ALIKE)
        return [Beside([drawn, [_picks(report, panel)]]), *([Beside([alike], "wide")] if alike else [])]

    parts = by_panel(report, blocks)
    if report.summary["artefacts"]:
        parts.append(Part("References, proxies and logs that were made", [_artefacts(report.summary)]))
    return Part("What was picked", parts, key="picks", name="What was picked")


ALIKE = (
    "Correlation of how often each image was picked, mean over seeds: 1 where two strategies pick the same images as "
    "often, 0 where they pick independently."
)


@dataclass(frozen=True)
class Picked:
    """Means over seeds of what an arm picked."""

    unique: float | None
    repeats: float | None
    loss: float | None
    diagnostics: str
    spoiled: str
    """What is wrong with the pool on purpose: its share of what was trained on, and of the pool."""


def _picks(report: Report, panel: Panel) -> Grid:
    rows = [(arm, picked(report, arm)) for arm in panel.main_arms if arm["n"]]
    spoiled = any(found.spoiled for _, found in rows)
    columns = [
        Column("arm", "name"),
        *([Column("spoiled, of what was trained on (of the pool)")] if spoiled else []),
        Column("share of the pool ever seen", "share"),
        Column("most repeats of one image", "count"),
        Column("mean loss of what was picked", "number"),
        Column("diagnostics", "words"),
    ]
    lines = [
        Line(
            [
                name(report, arm),
                *([found.spoiled] if spoiled else []),
                *(found.unique, found.repeats, found.loss, found.diagnostics),
            ],
            baseline(arm),
        )
        for arm, found in rows
    ]
    return Grid(f"Table of picks, {panel.title}", columns, lines)


def picked(report: Report, arm: Row) -> Picked:
    """What ``arm`` picked, as means over its finished runs."""
    picks = [cell.picks for cell in report.cells(arm)]
    names = list(dict.fromkeys(name for pick in picks for name in pick.diagnostics))
    means = [(name, _mean([pick.diagnostics.get(name) for pick in picks])) for name in names]
    return Picked(
        unique=_mean([pick.unique for pick in picks]),
        repeats=_mean([pick.max_repeats for pick in picks]),
        loss=_mean([pick.mean_picked_loss for pick in picks]),
        diagnostics=", ".join(f"{name} {significant(value)}" for name, value in means if value is not None),
        spoiled=_spoiled(picks),
    )


def _spoiled(picks: Sequence[Picks]) -> str:
    """Of what there is in the pool, means over runs."""
    found = []
    for kind in dict.fromkeys(kind for pick in picks for kind in pick.spoiled):
        shares = [pick.spoiled[kind] for pick in picks if kind in pick.spoiled]
        pool, trained = (float(np.mean(column)) for column in zip(*shares, strict=True))
        if pool:
            found.append(f"{SPOILED.get(kind, kind)} {share(trained)} ({share(pool)})")
    return ", ".join(found)


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None and np.isfinite(value)]
    return float(np.mean(known)) if known else None


def _artefacts(summary: Row) -> Grid:
    """Artefacts of one kind, name and data set as one row: how many, and their mean quality and cost."""
    groups: dict[tuple[str, str, str, str], list[Row]] = {}
    for item in summary["artefacts"]:
        groups.setdefault((item["name"], item["kind"], item["dataset"], item["external"]), []).append(item)
    titles = {dataset["name"]: dataset["title"] for dataset in summary["matrix"]["datasets"]}
    rows = []
    for (label, kind, dataset, external), items in groups.items():
        quality = _mean([item["quality"].get("accuracy") for item in items])
        cost = [float(np.mean([item[field] for item in items])) for field in ("flops", "seconds")]
        accuracy = None if quality is None else 100 * quality
        rows.append((label, kind, titles.get(dataset, dataset), len(items), accuracy, *cost, external or NONE))
    kinds = ("text", "text", "text", "count", "percent", "flops", "seconds", "text")
    heads = ("artefact", "kind", "data set", "made", "accuracy, %", "FLOPs each", "seconds each", "not charged")
    return Grid("Table of artefacts", list(map(Column, heads, kinds)), rows, sortable=True)
