"""Markdown for a repository: whole tables, living links, and names that no reader takes for markup."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from filled import fill
from hypothesis import given
from hypothesis import strategies as st
from synthetic import write_results

from selbench.reports.document.panels import Report
from selbench.reports.figures.all import Placed
from selbench.reports.figures.canvas import Drawing
from selbench.reports.records.folder import Results
from selbench.reports.render import markdown
from selbench.reports.summary import summarise

HOSTILE = "<b>|`x`|[a](http://evil.example)![i](x)$\\frac{\x07\n# heading"


def text_of(root: Path, *, full: bool = False, **how: object) -> tuple[Report, str]:
    results = Results.read(write_results(root, **how))  # type: ignore[arg-type]
    summary = summarise(results)
    empty = {"claims": [], "targets": [], "tuning": None, "pooled": [], "ranks": None}
    report = Report.of(fill(summary) if full else {**summary, **empty}, results)
    drawing = Drawing("accuracy-1a", "t", "d | e", b"", 1.0)
    return report, markdown.render(report, [Placed("accuracy", report.panels[0], "", drawing)])


def named(arm: Mapping[str, Any]) -> str:
    rung = {1.0: "", 0.5: ", 1/2 of the budget", 0.25: ", 1/4 of the budget"}[arm["rung"]]
    return markdown.escape(arm["label"]) + rung


def of_arms(text: str) -> list[list[str]]:
    """The table of every arm's accuracy, head and rule included."""
    return next(table for table in tables(text) if table[0][1:3] == [" runs ", " accuracy "])


def tables(text: str) -> list[list[list[str]]]:
    blocks = re.findall(r"(?:^\|.*\|\n)+", text, re.M)
    return [[line.strip().strip("|").split("|") for line in block.splitlines()] for block in blocks]


def test_tables_are_whole_and_complete(tmp_path: Path) -> None:
    report, text = text_of(tmp_path, seeds=8)
    found = tables(text)
    assert len(found) == 9, "three questions, costs, selection, picks, artefacts, accuracy, data sets"
    for table in found:
        assert len({len(row) for row in table}) == 1
        assert set("".join(table[1])) <= set("-: ")
    listed = [row[0].strip() for row in of_arms(text)[2:]]
    assert listed == [named(arm) for arm in report.panels[0].arms if arm["n"]]


def test_numbers_are_those_of_the_summary(tmp_path: Path) -> None:
    report, text = text_of(tmp_path, seeds=8)
    for arm in report.summary["arms"]:
        row = next(row for row in of_arms(text) if row[0].strip() == named(arm))
        assert row[2].strip() == f"{arm['accuracy']['mean']:.2f}"


def test_images_are_linked_relative_and_described(tmp_path: Path) -> None:
    _, text = text_of(tmp_path, seeds=2, effects={"gstds": 0.0})
    assert "![d &#124; e](figures/accuracy-1a.svg)" in text


def test_hostile_names_are_inert(tmp_path: Path) -> None:
    _, text = text_of(tmp_path, seeds=2, effects={HOSTILE: 0.0}, references=(HOSTILE,))
    for table in tables(text):
        assert len({len(row) for row in table}) == 1
    outside = re.sub(r"^!\[.*?\]\(figures/[\w-]+\.svg\)$", "", text, flags=re.M)
    for sign in ("<", "[", "](", "!", "`x`", "$", "http:", "\x07"):
        assert sign not in outside.split("```")[0], sign
    assert not [line for line in text.splitlines() if line.startswith("# heading")]


def test_claims_targets_tuning_and_pooling_are_told(tmp_path: Path) -> None:
    _, text = text_of(tmp_path, full=True, seeds=3, datasets=("digits", "flowers"), effects={"gstds": 0.0, "rho": 1.0})
    for table in tables(text):
        assert len({len(row) for row in table}) == 1
    heads = [table[0][1].strip() for table in tables(text)]
    assert heads.count("claim") == 1 and heads.count("chosen") == 2 and heads.count("read from") == 2
    assert "1 supported, 1 contradicted, 1 inconclusive, 2 not run, 1 out of scope." in text
    assert "not run, indication contradicted: Claim 4 in short." in text
    assert "(90 % interval \u22120.20 to +1.00, n = 12)" in text.replace("\u202f", " ")
    assert "Ranks are tested from 10 data sets on" in text
    assert text.count("| never |") >= 4
    assert "Choosing took" in text


def test_without_them_there_is_no_empty_heading(tmp_path: Path) -> None:
    _, text = text_of(tmp_path, seeds=2, effects={"gstds": 0.0})
    for heading in ("What papers claim", "Over all data sets", "Cost to the same accuracy", "**Learning rates.**"):
        assert heading not in text


@given(st.text())
def test_escaped_text_holds_nothing_active(text: str) -> None:
    safe = re.sub(r"&#\d+;", "", markdown.escape(text))
    assert not set(safe) & set("\\`*_{}[]<>#|~$&!@\n\r\x00\x1b")


@given(st.text(alphabet="`a \n"))
def test_code_cannot_leave_its_fence(text: str) -> None:
    first, *inside, last = str(markdown.fenced(text)).split("\n")
    assert first == last and set(first) == {"`"} and len(first) >= 3
    assert all(first not in line for line in inside)


@pytest.mark.parametrize("name", ["gstds", "k-center 0.5", "a=(1, 2)"])
def test_ordinary_names_stay_readable(name: str) -> None:
    assert markdown.escape(name) == name
