"""Typed columns format what stands in them, and say how it is aligned and sorted."""

from __future__ import annotations

import pytest

from selbench.reports.document.blocks import NUMBERS, Cell, Column, Grid, Line, columns
from selbench.reports.document.numbers import NONE, bracketed, interval, points


def test_columns_are_read_from_one_line() -> None:
    assert columns("name arm; points difference / interval", group="g") == [
        Column("arm", "name", group="g"),
        Column("difference", "points", "interval", "g"),
    ]


@pytest.mark.parametrize(
    ("kind", "value", "text", "sorted_by"),
    [("points", 0.5, "+0.50", 0.5), ("share", None, NONE, ""), ("p", 0.0004, "<\u202f.001", 0.0004)],
)
def test_numbers_are_written_by_their_kind(kind: str, value: float | None, text: str, sorted_by: object) -> None:
    found = Column("x", kind).cell(value)
    assert (found.text, found.value) == (text, sorted_by)


def test_text_in_a_column_of_numbers_stays_as_it_is_and_is_sorted_as_text() -> None:
    assert Column("x", "count").cell("2 runs") == Cell("2 runs")
    assert Column("x", "count").right and not Column("x", "words").right


@pytest.mark.parametrize("kind", NUMBERS)
def test_what_is_not_there_is_a_dash(kind: str) -> None:
    assert Column("x", kind).cell(None).text == NONE


def test_a_cell_in_one_line_holds_all_of_it() -> None:
    cell = Cell("+0.50", under="0.1 to 0.9", aside="Holm 1", tags=("declared",), notes=("to decide: 9 seeds",))
    assert cell.line == "+0.50 (Holm 1) (declared), 0.1 to 0.9; to decide: 9 seeds"


def test_heads_above_several_columns_span_them() -> None:
    grid = Grid("t", [*columns("name a"), *columns("ratio b; ratio c", group="g")], [Line([]), ("x", 1.0, None)])
    assert [(text, len(of)) for text, of in grid.groups] == [("", 1), ("g", 2)]
    assert [cell.text for cell in list(grid.lines)[1].cells] == ["x", "1.00\u00d7", NONE]


def test_intervals_have_one_form() -> None:
    assert interval(-0.9, 0.0) == "\u22120.90 to 0.00" and interval(None, 1.0) == NONE
    assert bracketed(0.5, 0.25, 1.0, points) == "+0.50 [+0.25, +1.00]"
    assert bracketed(0.5, 0.5, 0.5, points) == "+0.50" and bracketed(None, 0.0, 1.0, points) == NONE
