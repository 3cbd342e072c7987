"""Who pays for the mean: differences on the classes worst under full training, and each arm's own worst class."""

from __future__ import annotations

from dataclasses import replace

from ...effects.classes import SHARE, behind
from ..blocks import Block, Cell, Grid, Part, Prose, columns
from ..numbers import percent, points, share
from ..panels import Panel, Report, Row
from .parts import Figures, against, by_panel, difference, estimated, figures_of, name

_ORDER = ("accuracy", "picking", "pays")
_NO_LABELS = "Not measured: the folder does not hold the labels of the test images. Runs of this version write them."
_TOO_FEW = "Not measured: it takes two seeds that have both sides and full training."
_HEADS = (
    "name strategy; against against; points on the mean / interval; points on the worst classes / interval; "
    "count pairs; percent own worst class / which; percent baseline\u2019s worst class / which; verdict remark"
)


def section(report: Report, figures: Figures) -> Part:
    """What the summary's ``classes`` say; where labels are missing, that nothing was measured."""
    known = {found["dataset"]: found for found in report.summary["classes"]}
    part = Part("Accuracy by class: who pays for the mean", [Prose(_NO_LABELS)], "by-class", "By class", style="brief")
    if not known:
        return part
    said = (
        "Strategy minus baseline in points of test accuracy, paired by seed. The worst classes are those "
        f"{share(SHARE)} (at least one) at which full training is least accurate, chosen for each seed on the other "
        "seeds, since a minimum of noisy numbers lies too low. Their interval has the confidence of the mean\u2019s. "
        "An arm\u2019s own worst class is chosen on its other seeds. Every class: classes.csv."
    )
    caption = "Left of the line: the worst classes. Under each class: the accuracy of full training in percent."

    def blocks(panel: Panel) -> list[Block]:
        found = known.get(panel.dataset["name"])
        rows = [row for row in panel.contrasts if row["worst_class"]]
        if found is None or not rows:
            return [Prose(_TOO_FEW if found else _NO_LABELS, "sub")]
        return [*figures_of(figures, "by-class", panel, caption), _table(report, panel, rows, found)]

    return replace(part, blocks=[Prose(said, "sub"), *by_panel(report, blocks)], style="")


def _table(report: Report, panel: Panel, rows: list[Row], found: Row) -> Grid:
    by_class = {_key(row): row for row in found["contrasts"]}
    lines = []
    for row in sorted(rows, key=lambda row: (_ORDER.index(row["question"]), -row["mean_difference"])):
        own = by_class[_key(row)]
        remark = "".join(behind(row["verdict"], row["ci_low"], row["worst_class"]))
        lines.append(
            (
                name(report, row, declared=True),
                Cell(against(row), under=row["account"] or ""),
                difference(row),
                estimated(row["worst_class"], "mean_difference", points),
                row["worst_class"]["n"],
                *(_worst(own[side]) for side in ("own_worst", "baseline_worst")),
                Cell(remark, tone="bad" if remark else "", strong=row["primary"]),
            )
        )
    return Grid(f"Table by class, {panel.title}", columns(_HEADS), lines, style="dense", sortable=True)


def _key(row: Row) -> tuple[str, ...]:
    return tuple(row[part] or "" for part in ("arm", "question", "baseline_arm", "account", "cost"))


def _worst(found: Row | None) -> Cell | None:
    return Cell(percent(found["accuracy"]), found["accuracy"], under=found["class"]) if found else None
