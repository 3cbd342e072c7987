"""The questions of a study with their answers, figures and tables."""

from __future__ import annotations

import re
from typing import Any

from ..blocks import Beside, Block, Column, Grid, Items, Part, Prose
from ..numbers import MINUS, NONE
from ..panels import Row
from .parts import Figures, figures_of, opening

_NUMBER = re.compile(rf"[<>\u2264\u2265]?\s?[+{MINUS}-]?\d")
_LONGEST = 34
"""Characters of ``−12.34 [−13.56, −11.12] (12 seeds)``: longer cells are sentences, whatever they begin with."""


def section(summary: Row, figures: Figures) -> Part:
    opened = opening(summary)
    studies = [_study(number, study, figures, study in opened) for number, study in enumerate(summary["studies"], 1)]
    title = "The question of this study" if len(studies) == 1 else "The questions of this study"
    asked = Prose("Declared in the matrix before the run. Intervals are at 95 % where nothing else is said.", "sub")
    return Part(title, [asked, *studies], key="studies", name="Studies", style="brief")


def _study(number: int, study: Row, figures: Figures, opens: bool) -> Part:
    blocks: list[Block] = [Prose(study["sentence"], "finding" if study["enough"] else "finding lacking")]
    drawn = figures_of(figures, f"study-{number}", None)
    if drawn := drawn[opens:]:  # the first stands at the top of the report
        blocks.append(Beside([[figure] for figure in drawn], "pair" if len(drawn) > 1 else "wide"))
    blocks += [typed(table) for table in study["tables"]]
    if study["notes"]:
        blocks.append(Items(study["notes"], "notes"))
    return Part(study["question"], blocks, key=f"study-{number}", style="study folded")


def typed(table: Row, **how: Any) -> Grid:
    columns: list[Column] = []
    for head, right, long in zip(table["columns"], numeric(table), wordy(table), strict=True):
        kind = "number" if right else "words" if long else "text" if columns else "name"
        columns.append(Column(head, kind, width=0.28 if long else None))
    how = {"titled": True, "style": "dense", "note": table["note"], **how}
    return Grid(**{"title": table["title"], "columns": columns, "rows": table["rows"], **how})


def numeric(table: Row) -> list[bool]:
    """Of each column of a study's table, whether its cells are numbers: these stand at the right, unbroken."""
    return [at > 0 and _numbers(cells) for at, cells in enumerate(_by_column(table))]


def _numbers(cells: list[str]) -> bool:
    known = [cell for cell in cells if cell not in ("", NONE, "-")]
    return bool(known) and all(_NUMBER.match(cell) and len(cell) <= _LONGEST for cell in known)


def wordy(table: Row) -> list[bool]:
    """Of each column of a study's table, whether it has cells that must be broken into lines."""
    return [any(len(cell) > _LONGEST for cell in cells) for cells in _by_column(table)]


def _by_column(table: Row) -> list[list[str]]:
    return [[row[at] for row in table["rows"] if len(row) > at] for at in range(len(table["columns"]))]
