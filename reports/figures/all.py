"""The list of a report's figures, in the order of the page."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import get_context
from typing import Any

from ..document.numbers import QUESTIONS, questions
from ..document.panels import ACCOUNTS, Panel, Report, Row, target_rows
from .canvas import Drawing, drawing_rules
from .chart import study_plot
from .classes import class_differences
from .cost import cost_plot
from .curves import ratio_curves, training_curves
from .heatmap import class_balance, overlap_map, sensitivity
from .learning_rates import tuned_rows, tuning_curves, tuning_grid
from .ranks import rank_plot
from .rows import forest, phase_bars, pooled_drawn, pooled_forest, target_plot

SHARE = 32  # figures that a process must have to draw: with fewer, nothing is forked
_forked: list[Planned] = []  # what forked processes find to draw
COSTS = (("flops", "FLOPs", "total_flops"), ("seconds", "seconds", "wall_clock"))


@dataclass(frozen=True)
class Placed:
    """A drawing and where it belongs."""

    kind: str  # names the section
    panel: Panel | None  # None where the drawing speaks of several data sets
    account: str  # empty where it is in none
    drawing: Drawing


@dataclass(frozen=True)
class Planned:
    """A figure that can be drawn: as of :class:`Placed`, with what ``make`` draws."""

    kind: str
    panel: Panel | None
    account: str
    make: Callable[[], Drawing]

    def draw(self) -> Placed:
        """Draw it; nothing of matplotlib's global state is changed."""
        with drawing_rules():
            return self.placed(self.make())

    def placed(self, drawing: Drawing) -> Placed:
        return Placed(self.kind, self.panel, self.account, drawing)


def draw(report: Report) -> Iterator[Placed]:
    """Draw every figure of ``report``: one by one as they are asked for, or many at once, beginning now, on all cores
    by forked processes, which have the report already."""
    figures = list(planned(report))
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else 1
    if (workers := min(cores, len(figures) // SHARE)) < 2:
        return (figure.draw() for figure in figures)
    # A process that draws and ends keeps the rules: setting them for each figure takes a thirtieth of the time.
    pool = ProcessPoolExecutor(workers, get_context("fork"), initializer=drawing_rules().__enter__)
    _forked[:] = figures
    drawings = pool.map(_drawing, range(len(figures)), chunksize=4)
    _forked.clear()
    pool.shutdown(wait=False)  # once all is drawn
    return (figure.placed(drawing) for figure, drawing in zip(figures, drawings, strict=True))


def _drawing(number: int) -> Drawing:
    return replace(_forked[number].make(), figure=None)


def planned(report: Report) -> Iterator[Planned]:
    """The figures of ``report``, none of them drawn yet."""
    for number, study in enumerate(report.summary["studies"], 1):
        for place, chart in enumerate(study["charts"], 1):
            make = partial(study_plot, f"study-{number}-{place}", chart, report.looks)
            yield Planned(f"study-{number}", None, "", make)
    yield from _overview(report)
    for panel in report.panels:
        if panel.role("strategy") or panel.role("full"):
            for part in (_questions, _by_class, _costs, _training, _tuning):
                yield from part(report, panel)
    yield from _across(report)
    yield from _references(report)


def _placed(
    panel: Panel, kind: str, heading: str, drawer: Callable[..., Drawing], *given: Any, account: str = "", end: str = ""
) -> Planned:
    """A figure of one panel, named and titled by its kind, panel and account; ``end`` tells those alike apart."""
    name = "-".join(filter(None, (kind, panel.key, account, end)))
    title = f"{heading} {panel.title}" + (f", {account}" if account else "")
    return Planned(kind, panel, account, partial(drawer, name, title, *given))


def _drawn(panel: Panel, rows: list[Row]) -> list[Row]:
    keys = {arm["key"] for arm in panel.drawn}
    return [row for row in rows if row["arm"] in keys]


def _questions(report: Report, panel: Panel) -> Iterator[Planned]:
    margin = panel.dataset["margin"]
    for question, (words, _) in QUESTIONS.items():
        for account in ACCOUNTS if question == "pays" else ("",):
            rows = _drawn(panel, report.question(panel, question, account or None))
            yield _placed(panel, question, words, forest, rows, report, margin, account=account)


def _overview(report: Report) -> Iterator[Planned]:
    """What stands on the first screen: of the first panel that has any, the differences of the question that most
    users ask, whether it pays."""
    for question in reversed(QUESTIONS):
        for panel in report.panels:
            rows = _drawn(panel, report.question(panel, question))
            if any(row["mean_difference"] is not None for row in rows):
                title = f"{QUESTIONS[question][0]} {panel.title}"
                name, margin = f"overview-{question}", panel.dataset["margin"]
                yield Planned("overview", None, "", partial(forest, name, title, rows, report, margin))
                return


def _by_class(report: Report, panel: Panel) -> Iterator[Planned]:
    for found in report.summary["classes"]:
        if found["dataset"] == panel.dataset["name"] and found["contrasts"]:
            yield _placed(
                panel, "by-class", "Difference from full training by class,", class_differences, report, panel, found
            )


def _costs(report: Report, panel: Panel) -> Iterator[Planned]:
    for account in ACCOUNTS:
        for quantity, word, _ in COSTS:
            given = (report, panel, quantity, account)
            yield _placed(panel, f"cost-{quantity}", f"Accuracy against {word},", cost_plot, *given, account=account)
    for quantity, word, _ in COSTS:
        heading = f"{word[0].upper()}{word[1:]} by phase,"
        yield _placed(panel, f"phases-{quantity}", heading, phase_bars, panel, quantity, report.pays[0])
    for account in ACCOUNTS:
        for quantity, word, cost in COSTS:
            if target_rows(report.summary, panel, account, cost):
                heading, given = f"{word[0].upper()}{word[1:]} to the target,", (report, panel, account, quantity)
                yield _placed(panel, f"target-{quantity}", heading, target_plot, *given, account=account)


def _training(report: Report, panel: Panel) -> Iterator[Planned]:
    yield _placed(panel, "curves", "Training curves,", training_curves, report, panel)
    yield _placed(panel, "ratios", "Keep ratio as realised,", ratio_curves, report, panel)
    yield _placed(panel, "classes", "Class balance of what was picked,", class_balance, report, panel)
    for found in report.summary["overlap"]:
        if (found["dataset"], found["reference"]) == (panel.dataset["name"], panel.reference):
            yield _placed(panel, "overlap", "How alike strategies pick,", overlap_map, found)


def _tuning(report: Report, panel: Panel) -> Iterator[Planned]:
    tuning = report.summary["tuning"]
    if not tuning or not tuned_rows(report, panel):
        return
    yield _placed(panel, "tuning", "Accuracy by learning rate,", tuning_curves, report, panel)
    declared = [
        row
        for row in tuning["sensitivity"]
        if row["primary"] and row["dataset"] == panel.dataset["name"] and row["reference"] in ("", panel.reference)
    ]
    for number, row in enumerate(declared):
        heading = f"{row['strategy']} less {row['baseline']} on the validation images,"
        yield _placed(panel, "tuning-grid", heading, tuning_grid, row, tuning["factors"], end=str(number))


def _across(report: Report) -> Iterator[Planned]:
    datasets = {dataset["name"]: dataset for dataset in report.matrix["datasets"]}
    for question, (words, _) in QUESTIONS.items():
        if effects := pooled_drawn(report, question):
            title = f"{words} Over {len(datasets)} data sets"
            make = partial(pooled_forest, f"pooled-{question}", title, effects, report, datasets)
            yield Planned(f"pooled-{question}", None, "", make)
    ranks = report.summary["ranks"]
    if ranks and ranks["critical_distance"] is not None:
        title = f"Mean ranks over {ranks['datasets']} data sets"
        yield Planned("ranks", None, "", partial(rank_plot, "ranks", title, report, ranks))


def _references(report: Report) -> Iterator[Planned]:
    by_dataset: dict[str, list[Panel]] = {}
    for panel in report.panels:
        by_dataset.setdefault(panel.dataset["name"], []).append(panel)
    for panels in by_dataset.values():
        if len(panels) < 2:
            continue
        for question, (_, against) in questions(report.results.matrix.budget).items():
            rows = [[row for row in _drawn(p, report.question(p, question)) if row["reference"]] for p in panels]
            title = f"{panels[0].dataset['title']}: difference {against}, by reference"
            make = partial(sensitivity, f"reference-{question}-{panels[0].key}", title, panels, rows)
            yield Planned("references", panels[0], "", make)
