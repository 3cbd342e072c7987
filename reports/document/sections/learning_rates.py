"""The learning rates that were tried, which was chosen for each arm, and what choosing took."""

from __future__ import annotations

from ..blocks import Beside, Block, Cell, Fold, Grid, Line, Part, Prose, columns
from ..numbers import flops, fraction, percent, plural, seconds, share
from ..panels import Panel, Report, Row
from ..text import names
from .parts import Figures, baseline, by_panel, drawn, figures_of, name

_FROM = {"val": "", "full": "as full", "declared": "declared"}


def tuning_words(summary: Row) -> str:
    """How learning rates were chosen, and what that cost; or that they were not."""
    tuning = summary["tuning"]
    if not tuning:
        return "Learning rates were not tuned: every arm ran at the same one."
    tried = ", ".join(map(fraction, tuning["factors"]))
    base = "its data set's own" if tuning["base_lr"] is None else f"{tuning['base_lr']:g}"
    text = (
        f"Each arm ran at its own best of {plural(len(tuning['factors']), 'learning rate')} ({tried} times {base}), "
        f"chosen on validation images with {plural(tuning['seeds'], 'seed')} that are not among the reported ones."
    )
    if extended := tuning.get("extended"):
        names_of = {dataset["name"]: dataset["title"] for dataset in summary["matrix"]["datasets"]}
        added = "; ".join(f"{', '.join(map(fraction, at))} on {names_of[name]}" for name, at in extended.items())
        text += f" Added where an arm was best at an end of the grid, for all arms alike: {added}."
    spent = ", ".join(shown(tuning[of]) for of, shown in (("flops", flops), ("seconds", seconds)) if tuning[of])
    if not spent:
        return text
    part = f": {share(tuning['share'])} of the FLOPs of the reported runs" if tuning["share"] else ""
    return f"{text} Choosing took {spent}{part}."


def edge_words(summary: Row) -> str:
    """Which arms, at the whole budget, were best at an end of the grid: theirs might be better beyond it."""
    arms = [row for row in (summary["tuning"] or {"arms": []})["arms"] if row["rung"] == 1 and row["lr_from"] == "val"]
    labels = list(dict.fromkeys(row["label"] for row in arms if row["edge"]))
    if not labels:
        return ""
    theirs = "its" if len(labels) == 1 else "their"
    return f"Best at an end of the grid, so that {theirs} best rate may lie beyond: {names(labels, 8)}."


def section(report: Report, figures: Figures) -> Part:
    curves = "Means over the tuning seeds; large: the rate that was chosen. Gaps: rates at which a run diverged."
    grids = "Blue: better; grey: a loss within the margin; orange: worse by more. The frame is the chosen pair."

    def blocks(panel: Panel) -> list[Block]:
        rows = panel.own(report.summary["tuning"]["arms"])
        if not rows:
            return []
        table = _table(report, panel, rows)
        return [
            drawn(figures, panel, {"tuning": curves}, "wide"),
            Beside([[figure] for figure in figures_of(figures, "tuning-grid", panel, grids)], "grids"),
            Fold("Every arm\u2019s rate, and what choosing it cost", [table], brief=[table]),
        ]

    said = Prose(" ".join(filter(None, (tuning_words(report.summary), edge_words(report.summary)))))
    return Part("What the learning rate does", [said, *by_panel(report, blocks)], key="tuning", name="Learning rates")


def _table(report: Report, panel: Panel, rows: list[Row]) -> Grid:
    factors = report.summary["tuning"]["factors"]
    tried = "".join(f"; percent val at {fraction(factor)}, %" for factor in factors)
    heads = columns(f"name arm; number chosen; number rate{tried}; flops FLOPs; seconds seconds; text remark")
    lines = []
    for row in rows:
        means = {score["factor"]: score["mean"] for score in row["scores"]}
        scores = [Cell(percent(means.get(at)), strong=at == row["factor"]) for at in factors]
        chosen = (fraction(row["factor"]), f"{row['lr']:g}")
        remark = _FROM.get(row["lr_from"], row["lr_from"]) or ("end of the grid" if row["edge"] else "")
        cells = [name(report, row), *chosen, *scores, row["flops"], row["seconds"], remark]
        lines.append(Line(cells, baseline(row, "rung")))
    return Grid(f"Table of learning rates, {panel.title}", heads, lines)
