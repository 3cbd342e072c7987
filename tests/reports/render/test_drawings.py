"""Drawings on a page: what they share stands there once, and they show what the files show."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from selbench.reports.figures.canvas import Drawing, canvas, drawing_rules, finish
from selbench.reports.render.drawings import Drawings


def drawn(name: str) -> Drawing:
    with drawing_rules():
        figure, (axes,) = canvas(3.0, 2.0)
        axes.plot([0, 1, 2], [0.0, 3.14159, 1.0], "o-", color="#0072b2", label="a line")
        axes.axhline(1.0, color="#0072b2")
        axes.text(0.5, 0.5, "<b>&")
        return finish(figure, name, "title", "said")


def test_styles_and_marks_stand_on_a_page_once() -> None:
    page = Drawings()
    first, second = (page.markup(drawn(name)) for name in ("one", "two"))
    styles = dict(re.findall(r"\.(f\d+)\{([^}]*)\}", page.stylesheet))
    assert len(set(styles.values())) == len(styles) and "font-family" not in page.stylesheet
    used = set(re.findall(r'class="(f\d+)"', first))
    assert used == set(styles) > set(re.findall(r'class="(f\d+)"', second)), "marks are there already"
    assert any("stroke: var(--s0)" in style for style in styles.values()), "a colour of the page"
    marks = re.findall(r'<use href="#([^"]*)"', first)
    assert marks and set(marks) == set(re.findall(r'<use href="#([^"]*)"', second))
    ids = [re.findall(r' id="([^"]*)"', text) for text in (first, second)]
    assert set(marks) <= set(ids[0]) and not set(ids[0]) & set(ids[1])
    assert set(re.findall(r"url\(#([^)]*)\)", second)) <= set(ids[1]), "a hidden figure's clip clips nothing"


def test_what_is_drawn_stays_and_numbers_are_short() -> None:
    drawing, page = drawn("one"), Drawings()
    text = page.markup(drawing)
    assert len(text) + len(page.stylesheet) < 0.5 * len(drawing.svg)
    svg = {"svg": "http://www.w3.org/2000/svg"}
    there, here = ElementTree.fromstring(drawing.svg), ElementTree.fromstring(text)
    for tag in ("text", "use", "path"):
        assert len(here.findall(f".//{tag}")) == len(there.findall(f".//svg:{tag}", svg)), tag
    assert "<b>&" in [item.text for item in here.iter("text")]
    assert not re.search(r"\d\.\d\d", re.sub(r"<(?:title|desc).*?>", "", text).split("</desc>")[1])
