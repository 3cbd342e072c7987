"""The section by class: its table, its figure and its flat table, and one sentence where nothing was measured."""

from __future__ import annotations

from pathlib import Path

import pytest
from synthetic import write_results

from selbench.reports.document.panels import Report
from selbench.reports.effects.classes import BEHIND
from selbench.reports.figures.all import Placed, _by_class
from selbench.reports.records.folder import Results
from selbench.reports.render import html as page
from selbench.reports.render import markdown
from selbench.reports.render.flat_tables import tables
from selbench.reports.summary import summarise

HOW = {"effects": {"gstds": 1.5}, "seeds": 6, "full_accuracy": 85.0, "test_n": 1000}


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    lost = {"": {3: 6.0}, "gstds": {3: 16.0, 5: -1.0}}
    results = Results.read(write_results(tmp_path_factory.mktemp("r"), classes=lost, **HOW))
    return Report.of(summarise(results), results)


@pytest.fixture(scope="module")
def drawn(report: Report) -> list[Placed]:
    return [planned.draw() for planned in _by_class(report, report.panels[0])]


def part(text: str, start: str, end: str) -> str:
    text = text[text.index(start) :]
    return text[: text.index(end, len(start))]


def test_the_section_says_who_pays(report: Report, drawn: list[Placed]) -> None:
    said = part(page.render(report, drawn), 'id="by-class"', "</section>")
    plain = part(markdown.render(report, drawn), "## Accuracy by class", "\n## ")
    for text in (said, plain):
        assert BEHIND in text and "class 3" in text and "by-class-1a" in text
    assert BEHIND in report.summary["headline"]


def test_the_figure_has_the_worst_class_first(drawn: list[Placed]) -> None:
    (placed,) = [placed for placed in drawn if placed.kind == "by-class"]
    text, svg = placed.drawing.description, placed.drawing.svg.decode()
    assert "Worst under full training: class 3" in text and "on class 3 to" in text and "on class 5" in text
    heads = [f"class {i}  " for i in range(10)]
    assert min(heads, key=svg.index) == heads[3]


def test_every_class_is_a_row_of_the_flat_table(report: Report) -> None:
    rows = tables(report.results, report.summary)["classes"]
    (found,) = report.summary["classes"]
    assert len(rows) == 10 * len(found["contrasts"]) and {row["images"] for row in rows} == {100}
    assert {row["class"] for row in rows if row["worst"]} == {"class 3"}
    (flat,) = [
        r
        for r in tables(report.results, report.summary)["contrasts"]
        if (r["arm"], r["question"]) == (rows[0]["arm"], rows[0]["question"])
    ]
    assert flat["worst_class_n"] == 6 and flat["worst_class_ci_low"] is not None


def test_a_folder_without_labels_says_so(tmp_path: Path) -> None:
    results = Results.read(write_results(tmp_path, **HOW))
    report = Report.of(summarise(results), results)
    said = part(page.render(report, []), 'id="by-class"', "</section>")
    assert "Not measured: the folder does not hold the labels of the test images" in said
