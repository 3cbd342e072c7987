"""The page: hostile names stay text, and in a browser it is quiet, sorts, filters, prints and fits a phone."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
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


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("site")
    how = {"datasets": ("digits", "flowers"), "references": ("holdout", "squeezenet1_1"), "seeds": 5}
    text = page.render(*make(root, effects={"gstds": 0.3, "rho": -1.0, HOSTILE: 0.1}, **how))
    (root / "index.html").write_text(text, encoding="utf-8")
    return root / "index.html"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("chromium is not installed")
    with playwright.sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield running
        running.close()


@pytest.fixture
def tab(browser: Any, site: Path, request: pytest.FixtureRequest) -> Iterator[Any]:
    """The page in a tab of (width, scheme); fails the test on any console message, script error or request."""
    width, scheme = getattr(request, "param", (1280, "light"))
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
    opened = context.new_page()
    noise: list[str] = []
    opened.on("console", lambda message: noise.append(message.text))
    opened.on("pageerror", lambda error: noise.append(str(error)))
    opened.on("dialog", lambda dialog: (noise.append(dialog.message), dialog.dismiss()))
    opened.on("request", lambda asked: noise.append(asked.url) if asked.url != site.as_uri() else None)
    opened.goto(site.as_uri())
    yield opened
    assert noise == []
    context.close()


@pytest.mark.parametrize("tab", [(390, "light"), (390, "dark"), (1280, "dark")], indirect=True)
def test_body_never_scrolls_sideways(tab: Any) -> None:
    assert tab.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


@pytest.mark.parametrize("tab", [(390, "light")], indirect=True)
def test_type_in_figures_stays_readable_on_a_phone(tab: Any) -> None:
    heights = tab.evaluate(
        "[...document.querySelectorAll('figure:not([hidden]) svg text')].map(e => e.getBoundingClientRect().height)"
    )
    assert len(heights) > 50 and min(height for height in heights if height) >= 8


def test_sorting_by_mouse_and_keyboard(tab: Any) -> None:
    column = tab.locator("#comparison thead th", has_text="difference")
    index = column.evaluate("th => th.cellIndex")

    def shown() -> list[float]:
        cells = tab.locator(f"#comparison tbody tr:not([hidden]) td:nth-child({index + 1})")
        return [float(value) for value in cells.evaluate_all("all => all.map(e => e.dataset.value)")]

    column.locator("button").click()
    assert column.get_attribute("aria-sort") == "ascending"
    assert shown() == sorted(shown()) and len(set(shown())) > 3
    column.locator("button").focus()
    tab.keyboard.press("Enter")
    assert column.get_attribute("aria-sort") == "descending"
    assert shown() == sorted(shown(), reverse=True)
    assert tab.locator("#comparison th[aria-sort=ascending], #comparison th[aria-sort=descending]").count() == 1


def test_filters_narrow_the_table_and_the_figures(tab: Any) -> None:
    rows = "#comparison tbody tr:not([hidden])"
    before = tab.locator(rows).count()
    tab.select_option("select[name=dataset]", label="Flowers-102")
    assert {"Flowers-102" in text for text in tab.locator(rows).all_inner_texts()} == {True}
    assert tab.locator("#accuracy-1a").is_hidden() and tab.locator("#accuracy-2a").is_visible()
    tab.select_option("select[name=reference]", label="squeezenet1_1")
    assert tab.locator("#accuracy-2a").is_hidden() and tab.locator("#accuracy-2b").is_visible()
    tab.select_option("#question", "picking")
    tab.fill("#search", "gst")
    assert 0 < tab.locator(rows).count() < before
    assert {"gstds" in text for text in tab.locator(rows).all_inner_texts()} == {True}
    assert tab.locator("#tally").inner_text() == f"{tab.locator(rows).count()} row"
    tab.fill("#search", "no such strategy")
    assert tab.locator(rows).count() == 0


def test_account_selector_swaps_figures_and_rows(tab: Any) -> None:
    assert tab.locator("#pays-1a-amortised").is_visible() and tab.locator("#pays-1a-standalone").is_hidden()
    tab.select_option("select[name=account]", "standalone")
    assert tab.locator("#pays-1a-amortised").is_hidden() and tab.locator("#pays-1a-standalone").is_visible()
    assert tab.locator("#cost-flops-1a-standalone").is_visible()
    accounts = tab.locator("#comparison tbody tr:not([hidden])[data-account]")
    assert set(accounts.evaluate_all("all => all.map(e => e.dataset.account)")) == {"standalone"}


def test_every_control_and_figure_has_a_name(tab: Any) -> None:
    unnamed = tab.evaluate(
        """() => [...document.querySelectorAll('select, input, button, [role=img], [role=group]')].filter(e =>
            !(e.labels && e.labels.length) && !e.getAttribute('aria-label') && !e.textContent.trim()).length"""
    )
    assert unnamed == 0
    for drawing in tab.locator("svg[role=img]").all():
        assert len(drawing.locator("desc").text_content()) > 15


def test_prints_every_panel(tab: Any) -> None:
    tab.emulate_media(media="print")
    assert tab.locator(".bar").is_hidden() and tab.locator("#accuracy-1a").is_visible()
    assert tab.evaluate("getComputedStyle(document.querySelector('.tall')).maxHeight") == "none"
    tab.set_viewport_size({"width": 690, "height": 1000})
    assert tab.evaluate("document.documentElement.scrollWidth") <= 700, "A4 between its margins is 690 pixels wide"
