"""The questions of a study with their answers, figures and tables."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..blocks import Beside, Block, Column, Grid, Items, Part, Prose
from ..numbers import MINUS, NONE
from ..panels import Row
from .parts import Figures, figures_of

_NUMBER = re.compile(rf"[<>\u2264\u2265]?\s?[+{MINUS}-]?\d")
_LONGEST = 34
"""Characters of ``−12.34 [−13.56, −11.12] (12 seeds)``: longer cells are sentences, whatever they begin with."""


def section(summary: Row, figures: Figures) -> Part:
    """Each question as it was declared, its answer, and what it was read from."""
    studies = [_study(number, study, figures) for number, study in enumerate(summary["studies"], 1)]
    title = "The question of this study" if len(studies) == 1 else "The questions of this study"
    asked = Prose("Declared in the matrix before the run. Intervals are at 95 % where nothing else is said.", "sub")
    return Part(title, [asked, *studies], key="studies", name="Studies", style="brief")


def _study(number: int, study: Row, figures: Figures) -> Part:
    blocks: list[Block] = [Prose(study["sentence"], "finding" if study["enough"] else "finding lacking")]
    if drawn := figures_of(figures, f"study-{number}", None):
        blocks.append(Beside([[figure] for figure in drawn], "pair" if len(drawn) > 1 else "wide"))
    blocks += [typed(table) for table in study["tables"]]
    if study["notes"]:
        blocks.append(Items(study["notes"], "notes"))
    return Part(study["question"], blocks, key=f"study-{number}", style="study")


def typed(table: Row, **how: Any) -> Grid:
    """A study's table, its columns typed by what is in them."""
    kinds = zip(table["columns"], numeric(table), wordy(table), strict=True)
    columns = [
        Column(
            head, "number" if right else "words" if long else "text" if place else "name", width=0.28 if long else None
        )
        for place, (head, right, long) in enumerate(kinds)
    ]
    how = {"titled": True, "style": "dense", "note": table["note"], **how}
    return Grid(**{"title": table["title"], "columns": columns, "rows": table["rows"], **how})


def numeric(table: Mapping[str, Any]) -> list[bool]:
    """Of each column of a study's table, whether its cells are numbers: these stand at the right, unbroken."""
    columns = ([row[at] for row in table["rows"] if len(row) > at] for at in range(len(table["columns"])))
    return [at > 0 and _numbers(column) for at, column in enumerate(columns)]


def _numbers(cells: list[str]) -> bool:
    known = [cell for cell in cells if cell not in ("", NONE, "-")]
    return bool(known) and all(_NUMBER.match(cell) and len(cell) <= _LONGEST for cell in known)


def wordy(table: Mapping[str, Any]) -> list[bool]:
    """Of each column of a study's table, whether it has cells that must be broken into lines."""
    columns = ([row[at] for row in table["rows"] if len(row) > at] for at in range(len(table["columns"])))
    return [any(len(cell) > _LONGEST for cell in column) for column in columns]
