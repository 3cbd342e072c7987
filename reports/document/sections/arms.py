"""The accuracy of every arm, training as it went, what was picked, and how much hangs on the reference."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from ...records.folder import Picks
from ..blocks import Beside, Block, Cell, Grid, Items, Line, Part, Prose, columns
from ..numbers import NONE, accuracies, percent, share, significant
from ..panels import Panel, Report, Row
from .parts import Figures, baseline, by_panel, drawn, figures_of, name

LOCALISED = 2.0  # participation ratio, in candidates, below which one of them has most of a vector's squared length

SPOILED = {"wrong": "wrong labels"}  # words for what records say is spoiled, where they have others


def section(report: Report) -> Part:
    said = (
        "Test accuracy of the last epoch, per cent, with the interval of the mean over seeds. Every rung of a ladder "
        "is a run of its own with a fully decayed learning rate."
    )
    heads = (
        "name arm; count runs; percent accuracy; percent interval; percent SD of seeds; percent worst seed; "
        "percent recalibrated; count collapsed; text schedule; code from"
    )

    def blocks(panel: Panel) -> list[Block]:
        lines = [
            Line([name(report, arm), arm["n"], *_measured(arm), arm["schedule"], arm["origin"]], baseline(arm, "rung"))
            for arm in panel.arms
            if arm["n"] or arm["role"] == "strategy"
        ]
        return [Grid(f"Table of accuracies, {panel.title}", columns(heads), lines, sortable=True)]

    parts = [Prose(said, "sub"), *by_panel(report, blocks)]
    return Part("Accuracy of every arm", parts, key="accuracy", name="Every arm")


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
    ends = "Means over seeds. Only the end of a curve is a result: the learning rate has decayed nowhere else."
    kinds = {"curves": ends, "ratios": "As realised, not as asked for."}
    parts = by_panel(report, lambda panel: [drawn(figures, panel, kinds, "pair large")])
    return Part("Training as it went", parts, key="curves", name="Training", style="brief")


def references(report: Report, figures: Figures) -> Part:
    colours = "Blue: better than the baseline, orange: worse."
    maps = [[figure] for panel in report.panels for figure in figures_of(figures, "references", panel, colours)]
    said = Prose("The same strategies with other references: differences in points.", "sub")
    title = "How much hangs on the reference"
    return Part(title, [said, Beside(maps)], key="references", name="References", style="brief")


def picks(report: Report, figures: Figures) -> Part:
    """What each arm picked, how alike arms picked, and the references, proxies and logs that were made for it."""
    alike = (
        "Correlation of how often each image was picked, mean over seeds: 0 where two strategies pick independently."
    )

    def blocks(panel: Panel) -> list[Block]:
        classes = figures_of(figures, "classes", panel, "Against the classes' shares under full training.")
        shown: list[Block] = [
            Beside([classes, [_picks(report, panel)]]),
            drawn(figures, panel, {"overlap": alike}, "wide"),
        ]
        spectral = _spectral(report, panel)
        return [*shown, Items(spectral)] if spectral else shown

    parts = by_panel(report, blocks)
    if report.summary["artefacts"]:
        parts.append(Part("References, proxies and logs that were made", [_artefacts(report.summary)]))
    return Part("What was picked", parts, key="picks", name="What was picked")


def _picks(report: Report, panel: Panel) -> Grid:
    rows = [(arm, [cell.picks for cell in report.cells(arm)]) for arm in panel.main_arms if arm["n"]]
    spoiled = any(_spoiled(found) for _, found in rows)
    heads = (
        f"name arm; {'text spoiled, of what was trained on (of the pool); ' if spoiled else ''}"
        "share share of the pool ever seen; count most repeats of one image; number mean loss of what was picked; "
        "words diagnostics"
    )
    lines = []
    for arm, found in rows:
        means = [
            _mean(getattr(pick, field) for pick in found) for field in ("unique", "max_repeats", "mean_picked_loss")
        ]
        cells = [name(report, arm), *([_spoiled(found)] if spoiled else []), *means, _diagnostics(found)]
        lines.append(Line(cells, baseline(arm)))
    return Grid(f"Table of picks, {panel.title}", columns(heads), lines)


def _diagnostics(picks: Sequence[Picks]) -> str:
    names = dict.fromkeys(name for pick in picks for name in pick.diagnostics)
    means = {name: _mean(pick.diagnostics.get(name) for pick in picks) for name in names}
    return ", ".join(f"{name} {significant(value)}" for name, value in means.items() if value is not None)


def _spectral(report: Report, panel: Panel) -> list[str]:
    """For each arm that picks by a Fiedler vector: which reading of it ran, and what it amounted to."""
    lines = []
    for arm in panel.main_arms:
        on = _mean(cell.picks.diagnostics.get("participation") for cell in report.cells(arm)) if arm["n"] else None
        if on is None:
            continue
        own = f" ({arm['reference']})" if arm["reference"] else ""
        amounts = (
            "most of it lies on one candidate, so that a pick by it is that one and after it those most unlike it"
            if on < LOCALISED
            else "it is spread, so that no single candidate decides a pick by it"
        )
        lines.append(
            f"{arm['label']}{own} ran as {arm['strategy']}. Participation ratio of its Fiedler vector: "
            f"{significant(on)} candidates; {amounts}."
        )
    return lines


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
    groups = defaultdict[tuple[str, str, str, str], list[Row]](list)
    for item in summary["artefacts"]:
        groups[item["name"], item["kind"], item["dataset"], item["external"]].append(item)
    titles = {dataset["name"]: dataset["title"] for dataset in summary["matrix"]["datasets"]}
    rows = []
    for (label, kind, dataset, external), items in groups.items():
        quality = _mean([item["quality"].get("accuracy") for item in items])
        cost = [float(np.mean([item[field] for item in items])) for field in ("flops", "seconds")]
        accuracy = None if quality is None else 100 * quality
        rows.append((label, kind, titles.get(dataset, dataset), len(items), accuracy, *cost, external or NONE))
    heads = (
        "text artefact; text kind; text data set; count made; percent accuracy, %; flops FLOPs each; "
        "seconds seconds each; text not charged"
    )
    return Grid("Table of artefacts", columns(heads), rows, sortable=True)
