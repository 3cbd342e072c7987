"""The page in headless Chromium, from disk: quiet, sorted and filtered by mouse and keyboard, printed, on a phone."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from filled import fill
from synthetic import write_results

from selbench.reports.document.panels import Report
from selbench.reports.figures.all import planned
from selbench.reports.records.folder import Results
from selbench.reports.render import html as page
from selbench.reports.summary import summarise

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"
ROWS = "#comparison tbody tr:not([hidden])"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two data sets with two references, everything that a page can have on it."""
    root = tmp_path_factory.mktemp("site")
    how = {"datasets": ("digits", "flowers"), "references": ("holdout", "squeezenet1_1"), "seeds": 5}
    results = Results.read(write_results(root, effects={"gstds": 0.3, "rho": -1.0, HOSTILE: 0.1}, **how))
    report = Report.of(fill(summarise(results), datasets_ranked=10), results)
    whole = ("1a", "2b")  # panels with every figure; of the others one is filtered
    shown = [of for of in planned(report) if of.panel is None or of.panel.key in whole or of.kind == "accuracy"]
    drawn = [of.draw() for of in shown]
    (root / "index.html").write_text(page.render(report, drawn), encoding="utf-8")
    compared = Report.of({**report.summary, "studies": []}, results)
    (root / "comparison.html").write_text(page.render(compared, drawn), encoding="utf-8")
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
    opened.evaluate("for (const fold of document.querySelectorAll('details.whole')) fold.open = true")  # as one clicks
    yield opened
    context.close()
    assert noise == []


VIEWS = [(390, "light"), (390, "dark"), (1280, "light"), (1280, "dark")]


@pytest.mark.parametrize("tab", VIEWS[1:3], indirect=True)
def test_body_never_scrolls_sideways(tab: Any) -> None:
    fits = "document.documentElement.scrollWidth <= window.innerWidth"
    assert tab.evaluate(fits)
    tab.evaluate("for (const fold of document.querySelectorAll('details')) fold.open = true")
    for box in tab.locator("input[name=account]:not([disabled])").all():
        box.check()
    assert tab.evaluate(fits), "with everything unfolded"


FAINT = """() => {
          const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
          const rgba = (colour) => {
            canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
            return [...canvas.getImageData(0, 0, 1, 1).data];
          };
          const light = (colour) => {
            const [r, g, b] = colour.slice(0, 3).map((v) => v / 255)
              .map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
            return 0.2126 * r + 0.7152 * g + 0.0722 * b;
          };
          const ground = (e) => {
            for (; e; e = e.parentElement) {
              const colour = rgba(getComputedStyle(e).backgroundColor);
              if (colour[3] > 200) return colour;
            }
            return [255, 255, 255, 255];
          };
          const found = new Set();
          const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
          for (let node; (node = walker.nextNode());) {
            const e = node.parentElement;
            if (!node.data.trim() || e.closest('svg, script, style, .skip') || !e.getClientRects().length) continue;
            if (e.matches(':disabled')) continue;
            const [a, b] = [light(rgba(getComputedStyle(e).color)), light(ground(e))];
            const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
            if (ratio < 4.5) found.add(`${e.tagName} ${e.className} ${ratio.toFixed(2)}`);
          }
          return [...found];
        }"""
"""Every text outside the drawings with less than WCAG's 4.5 to 1 against its ground."""


@pytest.mark.parametrize("tab", [VIEWS[0], VIEWS[3]], indirect=True)
def test_text_stands_out_from_its_ground(tab: Any) -> None:
    tab.evaluate("for (const fold of document.querySelectorAll('details')) fold.open = true")
    assert tab.evaluate(FAINT) == []
    tab.evaluate("document.querySelector('.lead').style.color = 'color-mix(in srgb, var(--soft) 60%, var(--paper))'")
    assert len(tab.evaluate(FAINT)) == 1, "the check finds what is faint"


@pytest.mark.parametrize("tab", [(390, "light")], indirect=True)
def test_type_in_figures_has_the_same_size_at_every_width(tab: Any) -> None:
    sizes = tab.evaluate(
        """() => [...document.querySelectorAll('figure svg text')].filter((e) => e.getBoundingClientRect().height)
          .map((e) => parseFloat(getComputedStyle(e).fontSize)
            * e.ownerSVGElement.getBoundingClientRect().width / e.ownerSVGElement.viewBox.baseVal.width)"""
    )
    assert len(sizes) > 50 and min(sizes) >= 10.9 and max(sizes) <= 14.1


@pytest.mark.parametrize("tab", [(390, "light")], indirect=True)
def test_tables_are_cards_on_a_phone(tab: Any) -> None:
    """Each cell stands below the last, behind the head of its column, and nothing is wider than the screen."""
    tab.evaluate("for (const fold of document.querySelectorAll('details')) fold.open = true")
    wide = "[...document.querySelectorAll('.scroll:has(table)')].filter(e => e.scrollWidth > e.clientWidth + 1).length"
    assert tab.evaluate(wide) == 0
    label = "getComputedStyle(document.querySelector('#comparison td:nth-child(4)'), '::before').content"
    head = tab.evaluate("document.querySelector('#comparison thead th:nth-child(4)').textContent").strip()
    assert tab.evaluate(label).strip('"').startswith(head.split("\u2195")[0].strip()[:5])


def test_the_first_figure_answers_what_is_picked(tab: Any) -> None:
    """Other question, other rows; numbers by mouse and keyboard; the static drawing is for pages without scripts."""
    tab.evaluate("document.querySelector('details.glance').open = true")
    explore, told = tab.locator(".explore"), tab.locator(".explore .told")
    assert explore.is_visible() and tab.locator("figure.live > .scroll").is_hidden()
    assert explore.locator("select[name=cost] option").all_inner_texts() == ["total FLOPs", "seconds"]
    explore.locator("select[name=question]").select_option("accuracy")
    assert explore.locator("select[name=account]").is_disabled(), "only equal cost is in an account"
    names = explore.locator(".who").all_inner_texts()
    assert {"gstds", "rho", "uniform"} <= set(names)
    explore.locator("button").first.hover()
    first = told.inner_text()
    assert first.startswith(f"{names[0]}: ") and "interval" in first
    explore.locator("button").first.focus()
    tab.keyboard.press("ArrowDown")
    assert told.inner_text().startswith(f"{names[1]}: ") and told.inner_text() != first
    explore.locator("select[name=dataset]").select_option(label="Flowers-102")
    explore.locator("button").first.hover()
    assert told.inner_text() != first


def test_a_study_opens_on_a_sentence_and_folds_the_rest(browser: Any, site: Path) -> None:
    page = browser.new_page()
    page.goto(f"{site.as_uri()}#costs")
    assert page.locator("details.whole[open]").count() == 1, "what a link leads to is unfolded"
    page.goto("about:blank")
    page.goto(site.as_uri())
    assert page.locator(".lead").first.is_visible() and not page.locator("#comparison").is_visible()
    assert len(page.locator("main").inner_text().split()) < 200
    page.close()


SAMPLE = """const alike = ['tbody tr:nth-child(n+3)', '.claims tbody:nth-of-type(n+3)', 'details.panel ~ details.panel',
              'svg > :not(title, desc)'];
            for (const more of document.querySelectorAll(alike)) more.remove();
            for (const fold of document.querySelectorAll('details')) fold.open = true"""
"""Rows and panels are alike, and what is inside a drawing is hidden behind its description: a few show every fault."""


def violations(page: Any, *rules: str) -> list[str]:
    """What axe finds on a page, as its rule and the node's path; by some of its rules or, without any, by all."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    found = axe.Axe().run(page, options={"resultTypes": ["violations"]} | ({"runOnly": list(rules)} if rules else {}))
    return [f"{rule['id']}: {node['target']}" for rule in found.response["violations"] for node in rule["nodes"]]


@pytest.mark.parametrize("name", ["index.html", "comparison.html"])
def test_axe_finds_nothing(browser: Any, site: Path, name: str) -> None:
    """All rules on a wide light page, what hangs on width or colours on a narrow dark one; what is seeded is found."""
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.goto((site.parent / name).as_uri())
    page.evaluate(SAMPLE)
    assert violations(page) == []
    page.set_viewport_size({"width": 390, "height": 800})
    page.emulate_media(color_scheme="dark")
    assert violations(page, "color-contrast", "scrollable-region-focusable", "target-size") == []
    page.evaluate("""document.querySelector('.lead').style.color = 'color-mix(in srgb, var(--soft) 50%, var(--paper))';
                  document.body.append(document.createElement('img'))""")
    assert {line.partition(":")[0] for line in violations(page, "color-contrast", "image-alt")} == {
        "color-contrast",
        "image-alt",
    }
    page.close()


def column_of(tab: Any, name: str) -> tuple[Any, int]:
    column = tab.locator("#comparison thead th", has_text=name).first
    return column, column.evaluate("th => th.cellIndex")


def test_sorting_by_mouse_and_keyboard(tab: Any) -> None:
    column, index = column_of(tab, "difference")

    def shown() -> list[float]:
        cells = tab.locator(f"{ROWS} td:nth-child({index + 1})")
        return [float(value) for value in cells.evaluate_all("all => all.map(e => e.dataset.value)")]

    column.locator("button").click()
    assert column.get_attribute("aria-sort") == "ascending"
    assert shown() == sorted(shown()) and len(set(shown())) > 3
    column.locator("button").focus()
    tab.keyboard.press("Enter")
    assert column.get_attribute("aria-sort") == "descending"
    assert shown() == sorted(shown(), reverse=True)
    assert tab.locator("#comparison th[aria-sort=ascending], #comparison th[aria-sort=descending]").count() == 1


def test_words_are_sorted_as_words(tab: Any) -> None:
    column, _ = column_of(tab, "verdict")
    column.locator("button").click()
    order = "all => all.map(e => e.innerText).every((t, i, of) => !i || of[i - 1].localeCompare(t) <= 0)"
    verdicts = tab.locator(f"{ROWS} td.said .verdict")
    assert verdicts.evaluate_all(order) and len(set(verdicts.all_inner_texts())) > 1


def test_filters_narrow_the_table_and_the_figures(tab: Any) -> None:
    before = tab.locator(ROWS).count()
    tab.select_option(".bar select[name=dataset]", label="Flowers-102")
    assert {"Flowers-102" in text for text in tab.locator(ROWS).all_inner_texts()} == {True}
    assert tab.locator("#accuracy-1a").is_hidden() and tab.locator("#accuracy-2a").is_visible()
    tab.select_option(".bar select[name=reference]", label="squeezenet1_1")
    assert tab.locator("#accuracy-2a").is_hidden() and tab.locator("#accuracy-2b").is_visible()
    texts = tab.locator(ROWS).all_inner_texts()
    assert any("uniform" in text.split("\t")[0] for text in texts), "what needs no reference stays"
    assert not any("holdout" in text for text in texts)
    tab.select_option("#question", "picking")
    tab.fill("#search", "gst")
    assert 0 < tab.locator(ROWS).count() < before
    assert {"gstds" in text for text in tab.locator(ROWS).all_inner_texts()} == {True}
    tab.fill("#search", "no such strategy")
    assert tab.locator(ROWS).count() == 0


def test_the_number_of_rows_is_announced(tab: Any) -> None:
    tally, there = tab.locator("#tally[role=status]"), tab.locator("#comparison tbody tr").count()
    for do in (
        lambda: tab.check("#declared"),
        lambda: tab.select_option(".bar select[name=dataset]", label="Digits"),
        lambda: tab.check("input[name=account][value=standalone]"),
        lambda: tab.fill("#search", "x"),
    ):
        do()
        assert tally.inner_text() == f"{tab.locator(ROWS).count()} of {there} rows shown"


def test_accounts_are_shown_and_hidden(tab: Any) -> None:
    def accounts() -> set[str]:
        rows = tab.locator(f"{ROWS}[data-account]")
        return set(rows.evaluate_all("all => all.map(e => e.dataset.account)"))

    declared = tab.locator("input[name=account][value=amortised]")
    assert declared.is_disabled() and accounts() == {"amortised"}, "the last one cannot be hidden"
    assert tab.locator("#pays-1a-amortised").is_visible() and tab.locator("#pays-1a-standalone").is_hidden()
    tab.check("input[name=account][value=standalone]")
    assert accounts() == {"amortised", "standalone"}
    tab.locator("input[name=account][value=amortised]").focus()
    tab.keyboard.press("Space")
    assert accounts() == {"standalone"}
    assert tab.locator("#pays-1a-amortised").is_hidden() and tab.locator("#pays-1a-standalone").is_visible()
    assert tab.locator("#cost-flops-1a-standalone").is_visible()
    assert tab.locator("#target-flops-1a-standalone").is_visible()


def test_panels_fold_and_a_filter_unfolds_them(tab: Any) -> None:
    """Four panels: the first of each section is open, what is chosen opens."""
    assert tab.locator("#accuracy-1a").is_visible() and not tab.locator("#accuracy-2b").is_visible()
    tab.select_option(".bar select[name=dataset]", label="Flowers-102")
    assert tab.locator("#accuracy-2b").is_visible()
    tab.select_option(".bar select[name=dataset]", label="all")
    tab.locator("#unfold").focus()
    tab.keyboard.press("Enter")
    assert tab.locator("details.panel:not([open])").count() == 0
    tab.keyboard.press("Enter")
    assert tab.locator("details.panel[open]").count() == 0


def test_the_first_tab_stop_skips_to_the_answer(tab: Any) -> None:
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.className") == "skip"
    box = tab.locator(".skip").bounding_box()
    assert box["x"] >= 0 and box["y"] >= 0
    assert tab.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"


def test_everything_has_a_name_and_headings_go_down_by_one(tab: Any) -> None:
    """What an automatic accessibility check looks for first."""
    tab.evaluate("for (const fold of document.querySelectorAll('details')) fold.open = true")
    unnamed = tab.evaluate(
        """() => [...document.querySelectorAll(
            'select, input, button, a, summary, [role=img], [role=group], nav, form, fieldset')]
          .filter((e) => !(e.labels && [...e.labels].some((label) => label.textContent.trim()))
            && !(e.getAttribute('aria-label') || '').trim() && !e.textContent.trim())
          .map((e) => e.outerHTML.slice(0, 80))"""
    )
    assert unnamed == []
    described = tab.evaluate(
        """() => [...document.querySelectorAll('svg')].map((svg) => svg.getAttribute('role') === 'img'
          ? svg.getAttribute('aria-labelledby').split(' ').map((id) => document.getElementById(id).textContent) : [])"""
    )
    assert len(described) > 60
    for title, text in described:
        assert len(title) > 5 and len(text) > 15
    levels = tab.evaluate(
        "[...document.querySelectorAll('h1, h2, h3, h4, h5, h6')].map((heading) => Number(heading.tagName[1]))"
    )
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert tab.locator("th:not([scope])").count() == 0
    assert tab.evaluate("document.documentElement.lang") == "en" and tab.title()
    assert tab.locator("main").count() == 1
    ids = tab.evaluate("[...document.querySelectorAll('[id]')].map((e) => e.id)")
    assert len(ids) == len(set(ids))


def test_the_answer_comes_first_then_studies_and_comparison_and_claims_last(tab: Any) -> None:
    names = ("answer", "studies", "all", "questions", "run", "claims")
    tops = [tab.locator(f"#{name}").bounding_box()["y"] for name in names]
    assert tops == sorted(tops)
    assert tab.locator(".lead").first.bounding_box()["y"] < 400, "above the fold"
    counts = re.sub(r"[^\w ]", "", tab.locator(".counts").inner_text().replace("\n", " ")).split()
    assert " ".join(counts) == "1 supported 1 contradicted 1 inconclusive 2 not run 1 out of scope"


def test_claims_unfold(tab: Any) -> None:
    first = tab.locator(".claims details").first
    assert not first.locator("p").first.is_visible()
    first.locator("summary").focus()
    tab.keyboard.press("Enter")
    assert "4x faster at equal accuracy" in first.inner_text() and "width: 64" in first.inner_text()
    rest = tab.locator("details.rest")
    assert rest.count() == 1 and not rest.first.locator("li").first.is_visible()


@pytest.mark.parametrize("tab", [(1280, "dark")], indirect=True)
def test_prints_light_and_without_controls(tab: Any) -> None:
    tab.emulate_media(media="print", color_scheme="dark")
    tab.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    for hidden in (".bar", ".tools", "nav", ".skip", "main", ".explore"):
        assert tab.locator(hidden).first.is_hidden()
    assert tab.locator("#overview-pays").is_visible() and tab.locator("table.glance").first.is_visible()
    assert tab.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    tab.set_viewport_size({"width": 690, "height": 1000})
    assert tab.evaluate("document.documentElement.scrollWidth") <= 700, "A4 between its margins is 690 pixels wide"
    tab.evaluate("window.dispatchEvent(new Event('afterprint'))")
    tab.emulate_media(media="screen")
    assert not tab.locator("table.glance").first.is_visible(), "and folded again"


def test_a_pdf_is_the_summary_on_one_page(tab: Any) -> None:
    pdf = tab.pdf(prefer_css_page_size=True)
    assert pdf.startswith(b"%PDF-") and len(pdf) > 20_000
    assert len(re.findall(rb"/Type\s*/Page\b", pdf)) == 1
