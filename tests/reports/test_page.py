"""The page's text: hostile names stay text, and what a summary holds is told, whether its lists are full or empty."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from synthetic import write_results

from selbench.reports import page
from selbench.reports.figures import Placed, draw
from selbench.reports.results import Results
from selbench.reports.summary import summarise
from selbench.reports.view import Report

HOSTILE = "<script>alert(1)</script>$\\frac{|[red]\"'><img src=x onerror=alert(1)>\u202e\x1b[31m&amp;{{7*7}}"
"""What a plugin may call itself: HTML, TeX, a table's bar, terminal markup, quotes, control characters, a template."""


def judged(root: Path, **how: Any) -> Report:
    results = Results.read(write_results(root, **how))
    return Report.of(summarise(results), results)


def make(root: Path, **how: Any) -> tuple[Report, list[Placed]]:
    report = judged(root, **how)
    return report, draw(report)


class Texts(HTMLParser):
    """All tags, and all text outside script and style."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.inside = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.inside = tag

    def handle_endtag(self, tag: str) -> None:
        self.inside = ""

    def handle_data(self, data: str) -> None:
        if self.inside not in ("script", "style"):
            self.texts.append(data)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> str:
    root = tmp_path_factory.mktemp("hostile")
    how = {"effects": {HOSTILE: 0.2, "$x_1$": -0.3}, "references": (HOSTILE, "b"), "seeds": 3, "failed": [("$x_1$", 1)]}
    return page.render(*make(root, **how))


def test_hostile_names_are_inert(hostile: str) -> None:
    parser = Texts()
    parser.feed(hostile)
    assert [tag for tag, _ in parser.tags].count("script") == 1
    assert "img" not in {tag for tag, _ in parser.tags}
    assert not [name for _, attributes in parser.tags for name in attributes if name.startswith("on")]
    assert any("<script>alert(1)</script>$\\frac{|[red]" in text for text in parser.texts), "shown as it is spelt"
    assert "{{7*7}}" in "".join(parser.texts), "no template is run twice"
    assert not re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u202e]", hostile)


def test_headings_name_learner_and_notes_follow_data_sets(tmp_path: Path) -> None:
    text = page.render(judged(tmp_path, effects={"gstds": 0.0}, datasets=("cifar10",), seeds=2), [])
    heading = re.search(r"<h1>.*?</h1>", text, re.S)
    assert heading and "width 16 (not the standard 64)" in heading.group()
    assert len(re.findall(r"CIFAR-10 \(JPEG copy\) <span class=\"(?:note|datanote)\">\(lossy copy\)", text)) >= 6


def test_declared_and_exploratory_are_told_apart(tmp_path: Path) -> None:
    report = judged(tmp_path, effects={"gstds": 0.0, "rho": 1.0}, seeds=8)
    text = page.render(report, [])
    rows = re.findall(r'<tr [^>]*data-declared="(\d)".*?</tr>', text, re.S)
    declared = [row for row in report.summary["contrasts"] if row["primary"]]
    assert rows.count("1") == len(declared) == 3
    for row in re.findall(r"<tr [^>]*data-declared=\"\d\".*?</tr>", text, re.S):
        assert ("exploratory</span>" in row) == ('data-declared="0"' in row)
