"""The page's text: hostile names stay text, and what a summary holds is told, whether its lists are full or empty."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from filled import claims, fill
from synthetic import write_results

from selbench.reports.document.panels import Report
from selbench.reports.document.sections import claims as claimwords
from selbench.reports.document.sections import contrasts as evidencewords
from selbench.reports.document.sections import learning_rates as tunewords
from selbench.reports.document.sections import targets as targetwords
from selbench.reports.figures.all import Placed, draw, planned
from selbench.reports.records.folder import Results
from selbench.reports.render import html as page
from selbench.reports.summary import summarise

HOSTILE = "<script>alert(1)</script>$\\frac{|[red]\"'><img src=x onerror=alert(1)>\u202e\x1b[31m&amp;{{7*7}}"
"""What a plugin may call itself: HTML, TeX, a table's bar, terminal markup, quotes, control characters, a template."""


EMPTY = {"claims": [], "pooled": [], "ranks": None, "targets": [], "tuning": None, "overlap": []}


def judged(root: Path, *, full: bool = False, **how: Any) -> Report:
    results = Results.read(write_results(root, **how))
    summary = summarise(results)
    return Report.of(fill(summary) if full else summary, results)


def make(root: Path, **how: Any) -> tuple[Report, list[Placed]]:
    report = judged(root, **how)
    return report, list(draw(report))


def plain(text: str) -> str:
    """What is read: without tags, runs of space as one."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", text)).replace("\u202f", " ")


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
    report = judged(root, full=True, **how)
    for claim in report.summary["claims"]:
        claim.update(title=HOSTILE, statement=HOSTILE, reason=HOSTILE, to_decide=HOSTILE, said=HOSTILE)
        claim["source"] = {"paper": HOSTILE, "section": HOSTILE}
        claim["conditions"] = [{"name": HOSTILE, "wanted": HOSTILE, "found": HOSTILE, "met": False}]
        for test in claim["tests"]:
            test.update(text=HOSTILE, case=HOSTILE, note=HOSTILE)
        if claim["indication"]:
            claim["indication"]["text"] = HOSTILE
    shown = [of.draw() for of in planned(report) if of.panel in (None, report.panels[0])]
    return page.render(report, shown)


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
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    return judged(tmp_path_factory.mktemp("full"), full=True, effects={"gstds": 0.0, "rho": -1.0, "static": -0.4})


def with_(report: Report, **changed: Any) -> Report:
    return Report.of({**report.summary, **changed}, report.results)


def test_empty_lists_leave_no_trace(report: Report) -> None:
    text = page.render(with_(report, **EMPTY), [])
    for anchor in ("claims", "across", "targets", "tuning", "references"):
        assert f'id="{anchor}"' not in text and f'href="#{anchor}"' not in text
    assert "Learning rates were not tuned" in text
    full = page.render(report, [])
    for anchor in ("claims", "targets", "tuning"):
        assert f'id="{anchor}"' in full and f'href="#{anchor}"' in full


def test_contrasts_without_the_new_tests_are_shown(report: Report) -> None:
    new = ("p_equivalent", "p_wilcoxon", "mcnemar", "interval")
    old = [{key: value for key, value in row.items() if key not in new} for row in report.summary["contrasts"]]
    text = plain(page.render(with_(report, contrasts=old), []))
    assert "Other tests of the same differences" in text and "Test images that the strategy alone" not in text


def test_claims_are_counted_judged_and_folded(report: Report) -> None:
    text = page.render(report, [])
    section = text.split('id="claims"')[1].split("</section>")[0]
    said = plain(section)
    assert "1 supported 1 contradicted 1 inconclusive 2 not run 1 out of scope" in said
    heads = [plain(row) for row in re.findall(r'<tr class="head">.*?</tr>', section, re.S)]
    assert [head.split()[0] for head in heads] == ["supported", "contradicted", "inconclusive"]
    assert "+0.40 (90 % interval \u22120.20 to +1.00, n = 12)" in said and "1.61\u00d7 (90 %" in said
    assert "About 31 seeds." in said and "not met: width: 64 (here 16)" in said
    assert "1 claim not run at the conditions of the claim; runs here give an indication on 1: 1 contradicted" in said
    assert "These runs say nothing of 2 other claims: selbench claim lists all." in said
    assert section.count("<details") == section.count("</details>") == 3 + 1 + ("whole" in section)


def test_no_claim_judged_is_said(report: Report) -> None:
    text = plain(page.render(with_(report, claims=claims("not run", "out of scope")), []))
    assert "None of them was run at its own conditions here." in text


@pytest.mark.parametrize(
    ("metric", "value", "text"),
    [
        ("accuracy", -0.5, "\u22120.50"),
        ("cost ratio", 4.0, "4.00\u00d7"),
        ("cost to target", 0.0, "0.00\u00d7"),
        ("ratio of accuracies", 1.35, "1.35\u00d7"),
        ("spread ratio", None, "\u2013"),
        ("study", -1.2345, "\u22121.23"),
    ],
)
def test_claims_are_measured_in_their_own_units(metric: str, value: float | None, text: str) -> None:
    assert claimwords.number({"metric": metric}, value) == text


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({}, "32 seeds at no difference, 45 at the measured difference; 8 seeds can show a margin of 2.4"),
        (
            {"seeds_needed": 6, "seeds_needed_measured": None, "smallest_margin": None},
            "6 seeds at no difference, never at the measured difference",
        ),
        ({"seeds_needed": None}, "45 at the measured difference; 8 seeds can show a margin of 2.4"),
        ({"verdict": "worse"}, "45 at the measured difference; 8 seeds can show a margin of 2.4"),
        ({"looks": {"next": 12}}, "the next look, at 12 seeds"),
        ({"verdict": "superior"}, ""),
        ({"mean_difference": None}, ""),
    ],
)
def test_what_it_takes_stands_beside_what_is_open(row: dict[str, Any], words: str) -> None:
    whole = {
        "verdict": "inconclusive",
        "mean_difference": 0.1,
        "seeds_needed": 32,
        "seeds_needed_measured": 45,
        "smallest_margin": 2.4,
        "n_pairs": 8,
    }
    assert evidencewords.to_decide({**whole, **row}).removeprefix("with looks in a new matrix, ") == words


def test_open_verdicts_say_what_they_would_take(tmp_path: Path) -> None:
    report = judged(tmp_path, effects={"gstds": -0.6}, noise=2.0, seeds=8)
    open_ = [
        row for row in report.summary["contrasts"] if row["verdict"] in ("inconclusive", "worse") and row["primary"]
    ]
    assert open_
    text = plain(page.render(report, []))
    for row in open_:
        assert f"to decide: {evidencewords.to_decide(row)}" in text


def test_both_errors_stand_beside_each_other(report: Report) -> None:
    text = page.render(report, [])
    (row,) = (r for r in report.summary["contrasts"] if r["question"] == "accuracy" and r["strategy"] == "gstds")
    seeds, test_set = row["sd"] / 8**0.5, row["sampling_error"]
    assert f"{seeds:.2f}<br><small>{test_set:.2f}</small>" in text


def test_mcnemar_is_told_for_each_seed(report: Report) -> None:
    text = plain(page.render(report, []))
    assert "seed 7" in text and "+19 \u22129, p .664" in text


def test_the_worst_seed_is_in_the_comparison(report: Report) -> None:
    body = page.render(report, []).split('id="comparison"')[1].split("</table>")[0]
    for row in re.findall(r"<tr .*?</tr>", body, re.S):
        assert re.search(r"<small>seed \d", row)


def test_rows_without_a_reference_stay_under_every_reference(tmp_path: Path) -> None:
    report = judged(tmp_path, effects={"gstds": 0.0, "static": 0.1}, references=("a", "b"), seeds=3)
    body = page.render(report, []).split('id="comparison"')[1].split("</table>")[0]
    for row in re.findall(r"<tr .*?</tr>", body, re.S):
        assert ("data-reference" in row) == ("gstds" in row)


def test_targets_that_are_missed_are_never_dropped(report: Report) -> None:
    panel = report.panels[0]
    missed = [row for row in report.summary["targets"] if row["misses"] == row["n"] and row["account"] == "amortised"]
    assert missed and {targetwords.target_cost(row) for row in missed} == {"never"}
    some = next(row for row in report.summary["targets"] if 0 < row["misses"] < row["n"])
    assert targetwords.target_ends(some).endswith(" to \u221e")
    text = plain(page.render(report, []).split('aria-label="Table of what the target costs')[2].split("</table>")[0])
    assert f"{missed[0]['strategy']} its" in text and "8 of 8 never" in text
    assert "2 missed it at some seed, 1 of them at all" in targetwords.reached_words(report.summary, panel)


def test_tuning_is_told_with_its_cost_and_its_ends(report: Report) -> None:
    said = tunewords.tuning_words(report.summary).replace("\u202f", " ")
    assert "its own best of 4 learning rates (1/4, 1/2, 1, 2 times 0.1)" in said and "with 2 seeds" in said
    unlike = {**report.summary, "tuning": {**report.summary["tuning"], "base_lr": None}}
    assert "(1/4, 1/2, 1, 2 times its data set's own)" in tunewords.tuning_words(unlike)
    assert "41 % of the FLOPs of the reported runs" in said
    arms = report.summary["tuning"]["arms"]
    whole = {row["label"]: row["edge"] for row in arms if row["rung"] == 1 and row["lr_from"] == "val"}
    told = set(re.split(r"[ ,:.]+", tunewords.edge_words(report.summary)))
    assert 0 < sum(whole.values()) < len(whole)
    assert all((label in told) == edge for label, edge in whole.items())
    text = page.render(report, []).split('aria-label="Table of learning rates')[1].split("</table>")[0]
    for row in report.summary["tuning"]["arms"]:
        best = max((score["mean"] or 0 for score in row["scores"]), default=None)
        assert best is None or f"<b>{best:.2f}</b>" in text


def test_ranks_wait_for_ten_data_sets(tmp_path: Path) -> None:
    report = judged(tmp_path, full=True, effects={"gstds": 0.0, "rho": 1.0}, datasets=("digits", "flowers"), seeds=3)
    text = plain(page.render(report, []))
    assert "Ranks are tested from 10 data sets on; this report has 2." in text
    assert "Each data set counts alike" in text


def test_a_strategys_own_ladder_is_its_rungs_and_itself(report: Report) -> None:
    panel = report.panels[0]
    arm = next(arm for arm in panel.arms if arm["label"] == "gstds")
    rungs = [{**arm, "key": f"rung {q}", "role": "rung", "rung": q} for q in (0.5, 0.25)]
    grown = with_(report, arms=[*rungs, *report.summary["arms"]])
    assert [rung["rung"] for rung in grown.panels[0].own_ladder(arm)] == [0.25, 0.5, 1.0]
    assert panel.own_ladder(arm) == []
    assert plain(page.render(grown, [])).count("gstds 1/4 of the budget") == 1


def test_each_data_set_of_a_merged_folder_has_its_own_budget(tmp_path: Path) -> None:
    results = Results.read(write_results(tmp_path, datasets=("digits", "flowers"), effects={"gstds": 0.0}, seeds=2))
    summary = summarise(results)
    for dataset, passes in zip(summary["matrix"]["datasets"], (3, 48), strict=True):
        dataset["budget"] = {"passes": passes, "batch": 64}
    told = plain(page.render(Report.of(summary, results), []))
    assert "Digits: 3 passes, batch 64; Flowers-102: 48 passes, batch 64" in told
