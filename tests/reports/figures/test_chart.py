"""Charts of studies: every shape of data is drawn, inside the picture, with text that is text."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from selbench.reports.document.looks import look
from selbench.reports.figures.canvas import Drawing, drawing_rules, text_width
from selbench.reports.figures.chart import _key_rows, _powers, _wrapped, number, study_plot
from selbench.reports.questions import Chart, Series
from selbench.reports.render.drawings import Drawings

HOSTILE = "<b>&$\\frac{\x01]]>--\u202e"
SVG = "{http://www.w3.org/2000/svg}"


def drawn(chart: Chart, name: str = "study-1-1") -> Drawing:
    with drawing_rules():
        return study_plot(name, asdict(chart), {"gstds": look(3)})


def texts(drawing: Drawing) -> list[str]:
    return ["".join(item.itertext()) for item in ElementTree.fromstring(drawing.svg).iter(f"{SVG}text")]


def series(label: str, n: int = 5, **how: Any) -> Series:
    y = tuple(float(v * v) for v in range(1, n + 1))
    ends = {"low": tuple(v - 0.5 for v in y), "high": tuple(v + 0.5 for v in y)}
    return Series(label, tuple(float(v) for v in range(1, n + 1)), y, **{**ends, **how})


values = st.one_of(st.none(), st.floats(-1e9, 1e9), st.sampled_from([0.0, math.inf, math.nan]))


@settings(max_examples=25)
@example([[(0, 1.0, None, None), (0, 1.2e-308, None, None)]], False, False, True, False, None)
@example([[(0, 1.0, None, 1e308), (0, 1e308, None, None)]], False, True, True, False, None)
@given(
    st.lists(st.lists(st.tuples(st.integers(0, 5), values, values, values), max_size=7), max_size=4),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.one_of(st.none(), st.floats(-10, 10)),
)
def test_whatever_was_measured_is_drawn(
    rows: list[list[Any]], named: bool, log_x: bool, log_y: bool, joined: bool, level: float | None
) -> None:
    found = tuple(
        Series(f"s{n}", *(tuple(column) for column in zip(*points, strict=True)), joined=joined)
        if points
        else Series(f"s{n}", (), ())
        for n, points in enumerate(rows)
    )
    ticks = tuple("abcdef") if named else ()
    drawing = drawn(Chart("t", "across", "up", found, ticks, log_x=log_x, log_y=log_y, level=level))
    assert drawing.description and ElementTree.fromstring(Drawings().markup(drawing)) is not None
    there = any(
        y is not None and math.isfinite(y) and not (log_y and y <= 0) and not (log_x and not named and x <= 0)
        for points in rows
        for x, y, *_ in points
    )
    assert (drawing.description == "Nothing measured yet.") is not there


def test_equal_charts_give_equal_bytes() -> None:
    chart = Chart("t", "x", "y", (series("a"), series("b")))
    assert drawn(chart) == drawn(chart)


@pytest.mark.parametrize("ticks", [(), ("one", "two", "three", "four", "five", HOSTILE)])
def test_names_are_text_and_labels_are_there(ticks: tuple[str, ...]) -> None:
    chart = Chart(HOSTILE, f"across {HOSTILE}", f"up {HOSTILE}", (series(HOSTILE), series("gstds")), ticks)
    drawing = drawn(chart)
    shown = texts(drawing)
    assert "gstds" in shown and any("frac" in text and "\x01" not in text for text in shown)
    inline = Drawings().markup(drawing)
    assert "<b>" not in inline and "\x01" not in inline and "\u202e" not in inline
    for word in ("across", "up", *ticks[1:5]):
        assert any(word in text for text in shown)


def test_a_gap_breaks_the_line_and_only_joined_series_have_one() -> None:
    """A line of five points is one path; with the third gone it is two; unjoined there is none."""

    def dashes(chart: Chart) -> int:
        """Paths of the first line collection that has the chart's own width of lines."""
        paths = ElementTree.fromstring(drawn(chart).svg).iter(f"{SVG}path")
        return sum("stroke-width: 1.4" in path.get("style", "") for path in paths)

    whole, gone = series("a", low=(), high=()), series("a", low=(), high=())
    gone = Series("a", gone.x, (1.0, 4.0, None, 16.0, 25.0))
    assert dashes(Chart("t", "x", "y", (whole,))) == 1
    assert dashes(Chart("t", "x", "y", (gone,))) == 2
    assert dashes(Chart("t", "x", "y", (Series("a", whole.x, whole.y, joined=False),))) == 0


def test_one_wild_interval_does_not_flatten_the_rest() -> None:
    """Ticks are those of the other points' range."""
    y = (1.0, 1.2, 1.1, 1.3)
    wild = Series("a", (1, 2, 3, 4), y, (0.9, 1.1, 1.0, -900.0), (1.1, 1.3, 1.2, 900.0))
    labels = [text for text in texts(drawn(Chart("t", "x", "y", (wild,)))) if text.replace(".", "").isdigit()]
    assert max(map(float, labels)) < 10


def test_a_strategy_is_drawn_as_in_the_other_figures() -> None:
    both = drawn(Chart("t", "x", "y", (series("gstds"), series("full"))))
    other = drawn(Chart("t", "x", "y", (series("gstds"), series("something else"))))
    assert look(3).colour in both.svg.decode() and look(3).colour not in other.svg.decode()


def test_the_words_tell_every_point_of_a_short_series() -> None:
    told = drawn(Chart("t", "keep, %", "points", (series("a", 3),))).description
    assert told == "points over keep, %. a: 1 (0.5 to 1.5) at 1, 4 (3.5 to 4.5) at 2, 9 (8.5 to 9.5) at 3."
    named = drawn(Chart("t", "", "points", (Series("a", (0, 1), (1.0, 2.0)),), ("one", "two"))).description
    assert named == "points. a: 1 at one, 2 at two."
    assert drawn(Chart("t", "rank", "value", (series("a", 100),))).description.count(" at ") == 2


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (-0.25, "\u22120.25"),
        (1024.0, "1,024"),
        (1e-9, "10\u207b\u2079"),
        (3e6, "3\u00d710\u2076"),
        (-2e5, "\u22122\u00d710\u2075"),
        (12345.0, "12345"),
    ],
)
def test_ticks_are_read_as_numbers(value: float, text: str) -> None:
    assert number(value) == text


@given(st.floats(-12, 12), st.floats(0.05, 20))
def test_a_logarithmic_axis_has_ticks_but_not_too_many(low: float, span: float) -> None:
    ticks = _powers(low, low + span)
    assert 2 <= len(ticks) <= 8 or span < 0.1
    assert all(low - 1e-9 <= math.log10(tick) <= low + span + 1e-9 for tick in ticks)


@given(st.lists(st.text("abc wxyz", min_size=1, max_size=30), min_size=1, max_size=12), st.floats(3.0, 6.0))
def test_keys_and_headings_fit_their_width(labels: list[str], room: float) -> None:
    rows = _key_rows(labels, room)
    assert [label for row in rows for label in row] == labels
    lines = _wrapped(" ".join(labels), room)
    assert len(lines) <= 2 and all(text_width([line]) <= room + 0.2 or " " not in line.strip() for line in lines)
