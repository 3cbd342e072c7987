"""All sections of a report, in the order of the page."""

from __future__ import annotations

from ..blocks import Part
from ..panels import Report
from . import arms, claims, classes, contrasts, costs, learning_rates, over_data_sets, reproduce, run, studies, targets
from .parts import Figures


def sections(report: Report, figures: Figures) -> list[Part]:
    """Every section that has something to say, in the report's order; the answer stands before them."""
    summary = report.summary
    found = []
    if summary["studies"]:
        found.append(studies.section(summary, figures))
    if summary["cells"]["done"]:
        found += [contrasts.every_comparison(report), contrasts.section(report, figures)]
        found.append(classes.section(report, figures))
        if summary["pooled"] or summary["ranks"]:
            found.append(over_data_sets.section(report, figures))
        found.append(costs.accuracy_against_cost(report, figures))
        if summary["targets"]:
            found.append(targets.section(report, figures))
        found.append(costs.section(report, figures))
        if any(placed.kind == "references" for placed in figures):
            found.append(arms.references(report, figures))
        found += [arms.training(report, figures), arms.picks(report, figures)]
        if summary["tuning"]:
            found.append(learning_rates.section(report, figures))
        found.append(arms.section(report))
    found += [run.section(report), reproduce.section(summary)]
    return [*found, claims.section(summary["claims"])] if claims.touched(summary["claims"]) else found
