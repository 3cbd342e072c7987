"""All figures of a report, in the order of the page."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from .costplot import cost_plot
from .curves import ratio_curves, training_curves
from .forest import forest
from .heatmaps import class_balance, sensitivity
from .phases import phase_bars
from .style import Drawing, drawing_rules
from .view import ACCOUNTS, Panel, Report, Row
from .wording import QUESTIONS, questions


@dataclass(frozen=True)
class Placed:
    """A drawing and where it belongs: ``kind`` names the section, ``account`` is empty where it is in none."""

    kind: str
    panel: Panel
    account: str
    drawing: Drawing


def draw(report: Report) -> list[Placed]:
    """Draw every figure of ``report``; nothing of matplotlib's global state is changed."""
    with drawing_rules():
        return list(_all(report))


def _all(report: Report) -> Iterator[Placed]:
    for panel in report.panels:
        if not panel.role("strategy") and not panel.role("full"):
            continue
        yield from _questions(report, panel)
        yield from _costs(report, panel)
        for kind, drawer, heading in (
            ("curves", training_curves, "Training curves"),
            ("ratios", ratio_curves, "Keep ratio as realised"),
            ("classes", class_balance, "Class balance of what was picked"),
        ):
            title = f"{heading}, {panel.title}"
            yield Placed(kind, panel, "", drawer(f"{kind}-{panel.key}", title, report, panel))
    yield from _references(report)


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
