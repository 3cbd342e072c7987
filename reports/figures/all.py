"""All figures of a report, in the order of the page."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..document.numbers import QUESTIONS, questions
from ..document.panels import ACCOUNTS, Panel, Report, Row
from .canvas import Drawing, drawing_rules
from .chart import study_plot
from .cost import cost_plot
from .curves import ratio_curves, training_curves
from .heatmap import class_balance, overlap_map, sensitivity
from .learning_rates import tuned_rows, tuning_curves, tuning_grid
from .phases import phase_bars
from .pooledplot import pooled_drawn, pooled_forest
from .ranks import rank_plot
from .rows import forest
from .targetplot import target_plot, target_rows


@dataclass(frozen=True)
class Placed:
    """A drawing and where it belongs: ``kind`` names the section, ``account`` is empty where it is in none.

    ``panel`` is None where the drawing speaks of several data sets.
    """

    kind: str
    panel: Panel | None
    account: str
    drawing: Drawing


def draw(report: Report) -> list[Placed]:
    """Draw every figure of ``report``; nothing of matplotlib's global state is changed."""
    with drawing_rules():
        return list(_all(report))


def _all(report: Report) -> Iterator[Placed]:
    yield from _studies(report)
    for panel in report.panels:
        if not panel.role("strategy") and not panel.role("full"):
            continue
        yield from _questions(report, panel)
        yield from _costs(report, panel)
        yield from _targets(report, panel)
        for kind, drawer, heading in (
            ("curves", training_curves, "Training curves"),
            ("ratios", ratio_curves, "Keep ratio as realised"),
            ("classes", class_balance, "Class balance of what was picked"),
        ):
            title = f"{heading}, {panel.title}"
            yield Placed(kind, panel, "", drawer(f"{kind}-{panel.key}", title, report, panel))
        yield from _overlap(report, panel)
        yield from _tuning(report, panel)
    yield from _across(report)
    yield from _references(report)


def _studies(report: Report) -> Iterator[Placed]:
    for number, study in enumerate(report.summary["studies"], 1):
        for place, chart in enumerate(study["charts"], 1):
            drawing = study_plot(f"study-{number}-{place}", chart, report.looks)
            yield Placed(f"study-{number}", None, "", drawing)


def _questions(report: Report, panel: Panel) -> Iterator[Placed]:
    margin = panel.dataset["margin"]
    for question, (words, _) in QUESTIONS.items():
        for account in ACCOUNTS if question == "pays" else ("",):
            rows = _drawn(panel, report.question(panel, question, account or None))
            name = "-".join(filter(None, (question, panel.key, account)))
            title = f"{words} {panel.title}" + (f", {account}" if account else "")
            yield Placed(question, panel, account, forest(name, title, rows, report, margin))


def _drawn(panel: Panel, rows: list[Row]) -> list[Row]:
    """Those of ``rows`` whose arms figures show."""
    keys = {arm["key"] for arm in panel.drawn}
    return [row for row in rows if row["arm"] in keys]


def _costs(report: Report, panel: Panel) -> Iterator[Placed]:
    for account in ACCOUNTS:
        for quantity, word in (("flops", "FLOPs"), ("seconds", "seconds")):
            name = f"cost-{quantity}-{panel.key}-{account}"
            title = f"Accuracy against {word}, {panel.title}, {account}"
            yield Placed(f"cost-{quantity}", panel, account, cost_plot(name, title, report, panel, quantity, account))
    account = report.pays[0]
    for quantity, word in (("flops", "FLOPs"), ("seconds", "Seconds")):
        title = f"{word} by phase, {panel.title}"
        name = f"phases-{quantity}-{panel.key}"
        yield Placed(f"phases-{quantity}", panel, "", phase_bars(name, title, panel, quantity, account))


def _targets(report: Report, panel: Panel) -> Iterator[Placed]:
    for account in ACCOUNTS:
        for quantity, word, cost in (("flops", "FLOPs", "total_flops"), ("seconds", "Seconds", "wall_clock")):
            if target_rows(report.summary, panel, account, cost):
                name = f"target-{quantity}-{panel.key}-{account}"
                title = f"{word} to the target, {panel.title}, {account}"
                drawing = target_plot(name, title, report, panel, account, quantity)
                yield Placed(f"target-{quantity}", panel, account, drawing)


def _overlap(report: Report, panel: Panel) -> Iterator[Placed]:
    for found in report.summary["overlap"]:
        if (found["dataset"], found["reference"]) == (panel.dataset["name"], panel.reference):
            title = f"How alike strategies pick, {panel.title}"
            yield Placed("overlap", panel, "", overlap_map(f"overlap-{panel.key}", title, found))


def _tuning(report: Report, panel: Panel) -> Iterator[Placed]:
    tuning = report.summary["tuning"]
    if not tuning or not tuned_rows(report, panel):
        return
    title = f"Accuracy by learning rate, {panel.title}"
    yield Placed("tuning", panel, "", tuning_curves(f"tuning-{panel.key}", title, report, panel))
    declared = [
        row
        for row in tuning["sensitivity"]
        if row["primary"] and row["dataset"] == panel.dataset["name"] and row["reference"] in ("", panel.reference)
    ]
    for number, row in enumerate(declared):
        title = f"{row['strategy']} less {row['baseline']} on the validation images, {panel.title}"
        name = f"tuning-grid-{panel.key}-{number}"
        yield Placed("tuning-grid", panel, "", tuning_grid(name, title, row, tuning["factors"]))


def _across(report: Report) -> Iterator[Placed]:
    datasets = {dataset["name"]: dataset for dataset in report.matrix["datasets"]}
    for question, (words, _) in QUESTIONS.items():
        if effects := pooled_drawn(report, question):
            title = f"{words} Over {len(datasets)} data sets"
            drawing = pooled_forest(f"pooled-{question}", title, effects, report, datasets)
            yield Placed(f"pooled-{question}", None, "", drawing)
    ranks = report.summary["ranks"]
    if ranks and ranks["critical_distance"] is not None:
        title = f"Mean ranks over {ranks['datasets']} data sets"
        yield Placed("ranks", None, "", rank_plot("ranks", title, report, ranks))


def _references(report: Report) -> Iterator[Placed]:
    by_dataset: dict[str, list[Panel]] = {}
    for panel in report.panels:
        by_dataset.setdefault(panel.dataset["name"], []).append(panel)
    for panels in by_dataset.values():
        if len(panels) < 2:
            continue
        for question, (_, against) in questions(report.results.matrix.budget).items():
            rows = [[row for row in _drawn(p, report.question(p, question)) if row["reference"]] for p in panels]
            title = f"{panels[0].dataset['title']}: difference {against}, by reference"
            drawing = sensitivity(f"reference-{question}-{panels[0].key}", title, panels, rows)
            yield Placed("references", panels[0], "", drawing)
