"""What several data sets say together: pooled effects, and ranks."""

from __future__ import annotations

from dataclasses import replace

from ..blocks import Block, Cell, Grid, Part, Prose, columns
from ..numbers import points, questions, share
from ..panels import Report, Row
from .parts import Figures, against, difference, estimated, figures_of, name


def section(report: Report, figures: Figures) -> Part:
    said = "Each data set counts alike, and the interval is that of these data sets: it does not speak of others."
    small = "Small circles: data sets; diamonds: pooled over them. The short grey stroke is each data set's margin."
    blocks: list[Block] = [Prose(said, "sub")]
    for question, (words, _) in questions(report.matrix["budget"]).items():
        if rows := report.pooled(question):
            lines = [_row(report, row) for row in rows]
            table = Grid(f"Table of pooled effects: {words}", columns(HEADS), lines, sortable=True)
            blocks.append(Part(words, [*figures_of(figures, f"pooled-{question}", None, small), table]))
    if report.summary["pooled"]:
        key = (
            "Chance of being better: how often a run of the strategy beats its paired baseline. Difference of middle "
            f"halves: interquartile mean of the paired differences, averaged over data sets. "
            f"Costs: geometric means, {report.pays[0]}."
        )
        blocks.append(Prose(key, "sub"))
    if report.summary["ranks"]:
        bars = "Best at the left. A bar joins strategies that Nemenyi's test cannot tell apart."
        blocks.append(
            Part("Ranks", [Prose(_ranks(report.summary["ranks"])), *figures_of(figures, "ranks", None, bars)])
        )
    return Part("Over all data sets", blocks, key="across", name="Over data sets")


HEADS = (
    "name strategy; against against; count data sets; points pooled difference / interval; p p of better; "
    "share chance of being better / interval; points difference of middle halves / interval; "
    "ratio total FLOPs / of the baseline; ratio seconds / of the baseline"
)


def _row(report: Report, row: Row) -> list[object]:
    chance, quartile = row["probability_of_improvement"], row["iqm"]
    spent = (row["costs"] or {}).get(report.pays[0]) or {}
    return [
        replace(name(report, row, declared=True), under=row["reference"]),
        Cell(against(row), under=row["account"] or ""),
        row["n_datasets"],
        difference(row),
        row["p_superior"],
        estimated(chance, "estimate", share),
        estimated(quartile, "difference", points),
        *((spent.get(cost) or {}).get("ratio") for cost in ("total_flops", "wall_clock")),
    ]


def _ranks(ranks: Row) -> str:
    """How many data sets ranks would need, or what Friedman's test found."""
    if ranks["critical_distance"] is None:
        return f"Ranks are tested from {ranks['needed']} data sets on; this report has {ranks['datasets']}."
    different = ranks["p"] is not None and ranks["p"] < ranks["alpha"]
    found = "the strategies differ" if different else "no difference between the strategies was shown"
    return f"Friedman's test over {ranks['datasets']} data sets: {found}."
