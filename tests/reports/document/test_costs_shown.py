"""What readers see of costs: FLOPs beside seconds, whose seconds, what selecting took, and when artefacts have paid."""

from __future__ import annotations

import html
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console
from synthetic import checksum, write_results
from timed import write_timing

from selbench.reports.document.numbers import questions, ratio
from selbench.reports.document.panels import Report, comparable
from selbench.reports.document.sections.costs import saving_words, selection_words
from selbench.reports.figures.canvas import drawing_rules
from selbench.reports.figures.cost import cost_plot
from selbench.reports.figures.rows import phase_bars
from selbench.reports.records.folder import Results
from selbench.reports.render import html as page
from selbench.reports.render import markdown
from selbench.reports.render.terminal import print_summary
from selbench.reports.summary import summarise

SAVED = "FLOPs saved, but no seconds: gstds (0.60× the FLOPs, 1.10× the seconds [1.09, 1.11])."


def judged(root: Path, *, timed: bool = True, timing: dict[str, Any] | None = None, **how: Any) -> Report:
    effects = {"gstds": 0.0, "rho": 1.5, "static": -0.4}
    how = {"seeds": 8, "effects": effects, "ratios": {"gstds": 0.6}, "pays": {"account": "marginal"}, **how}
    how = {"cost_twins": False, **how}
    write_results(root, **how)
    if timed:
        write_timing(root, **{"slowness": {"gstds": 1.1, "rho": 0.84}, **(timing or {})})
    results = Results.read(root)
    return Report.of(summarise(results), results)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    return judged(tmp_path_factory.mktemp("timed"))


@pytest.fixture(scope="module")
def untimed(tmp_path_factory: pytest.TempPathFactory) -> Report:
    return judged(tmp_path_factory.mktemp("untimed"), timed=False)


def plain(text: str) -> str:
    """What is read: without tags, runs of space as one."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", text)).replace("\u202f", " ")


def row_of(text: str, table: str, label: str) -> list[str]:
    """The cells of an arm's row in the page's table of that name."""
    body = text.split(f'aria-label="{table}')[1].split("</table>")[0]
    (line,) = (line for line in re.findall(r"<tr.*?</tr>", body, re.S) if re.search(rf"</span>{label}</th>", line))
    return [plain(cell).strip() for cell in re.findall(r"<t[hd].*?</t[hd]>", line, re.S)]


def printed(report: Report) -> str:
    stream = io.StringIO()
    print_summary(report.summary, Console(file=stream, width=80))
    return stream.getvalue()


def test_the_page_says_what_was_saved_and_what_was_not(report: Report) -> None:
    text = page.render(report, [])
    assert SAVED in plain(text)
    cells = row_of(text, "Table of costs", "gstds")
    assert cells[3].startswith("0.60× (1.67×)"), "FLOPs, marginal"
    assert cells[6:8] == ["1.67×", "0.91× 0.90× to 0.91×"], "the ceiling, and beside it what was realised"
    assert cells[8].startswith("1.10× (0.91×)"), "seconds, marginal"


@pytest.mark.parametrize(
    ("ends", "said"),
    [
        ((0.65, 1.01), "0 fewer seconds. FLOPs saved, and seconds not told apart: gstds (0.60×"),
        ((1.0, 1.2), "0 fewer seconds. FLOPs saved, but no seconds: gstds (0.60×"),
        ((0.65, 0.99), "1 fewer seconds."),
        ((None, None), "1 fewer seconds."),
    ],
)
def test_an_interval_on_both_sides_of_one_is_neither_saved_nor_lost(
    tmp_path: Path, ends: tuple[float | None, float | None], said: str
) -> None:
    report = judged(tmp_path, effects={"gstds": 0.0})
    for row in report.panels[0].of(report.panels[0].role("strategy")[0], "accuracy"):
        row["costs"]["marginal"]["wall_clock"].update(ratio=0.78, ci_low=ends[0], ci_high=ends[1])
    text = saving_words(report.summary, report.panels[0])
    assert text.startswith("Of 1 strategy, 1 spent fewer FLOPs than full training (marginal) and ") and said in text
    assert ("FLOPs saved" in text) == ("FLOPs saved" in said)
    assert ends != (0.65, 1.01) or text.endswith("the FLOPs, 0.78× the seconds [0.65, 1.01]).")


def test_beside_the_answer_stands_what_the_clock_says(report: Report, untimed: Report) -> None:
    said = (
        "By the clock, against training on everything, cut to the same seconds (marginal), and exploratory: "
        "gstds has no verdict yet on whether it pays, outside the ladder: "
    )
    for text in (plain(page.render(report, [])), markdown.render(report, [])):
        found = text.replace("\u202f", " ")
        assert said in found
        assert ", though 8 of its 8 runs cost more than all of that ladder (timing pass, 3 blocks)." in found
    assert "By the clock" not in page.render(untimed, [])


def test_every_reading_says_whose_seconds_they_are(report: Report, untimed: Report) -> None:
    for one, told, other in (
        (report, "timing pass, 3 blocks", "indication: ordinary cells"),
        (untimed, "indication: ordinary cells", "timing pass, 3 blocks"),
    ):
        for text in (plain(page.render(one, [])), markdown.render(one, []), " ".join(printed(one).split())):
            assert told in text and other not in text
    assert "Seconds are of a timing pass: 3 blocks of 11 arms" in plain(page.render(report, []))
    assert "not from a timing pass, and carry no verdict" in plain(page.render(untimed, []))


def test_what_selecting_took_is_told_in_numbers(report: Report) -> None:
    panel = report.panels[0]
    said = selection_words(report.summary, panel).replace("\u202f", " ")
    shares = [arm["selection"] for arm in panel.role("strategy")]
    least, most = (end(part["flops_share"] for part in shares) for end in (min, max))
    assert f"Selecting took {100 * least:.2g} % to {100 * most:.2g} % of all FLOPs but" in said
    assert "MFLOP/s and training at 4.7" in said and "as long as one of training" in said
    slower = [part["train_flops_per_second"] / part["flops_per_second"] for part in shares]
    assert f"took {ratio(min(slower))} to {ratio(max(slower))} as long" in said


def test_the_words_follow_the_numbers(tmp_path: Path) -> None:
    """No adjective is fixed: where selection is cheap in seconds too, nothing is set against it."""
    report = judged(tmp_path)
    panel = report.panels[0]
    for arm in panel.role("strategy"):
        arm["selection"].update(flops_share=0.2, seconds_share=0.1, flops_per_second=8e9, train_flops_per_second=4e9)
    said = selection_words(report.summary, panel).replace("\u202f", " ")
    assert said.startswith("Selecting took 20 % of all FLOPs and 10 % of the seconds")
    assert "8.00 GFLOP/s" in said and "took 0.50× as long" in said
    for arm in panel.role("strategy"):
        arm["selection"].update(seconds_share=None)
    assert "unlike machines" in selection_words(report.summary, panel)


def test_selection_has_a_table_of_its_own(tmp_path: Path) -> None:
    report = judged(tmp_path)
    cells = row_of(page.render(report, []), "Table of what selection costs", "gstds")
    assert cells[1:3] == ["0.056 %", "45 %"]
    assert cells[3] == "20.0 MFLOP" and cells[5].endswith("MFLOP/s") and cells[6].endswith("GFLOP/s")
    assert cells[7:] == ["2 runs", "never"], "a rule that saves no seconds never earns its reference back"
    table = row_of(page.render(report, []), "Table of what selection costs", "static")
    assert table[7].endswith("run") and table[8].endswith("run")


def test_markdown_and_terminal_say_the_same(tmp_path: Path) -> None:
    report = judged(tmp_path)
    text = printed(report)
    assert max(cell_len(line) for line in text.splitlines()) <= 80
    assert SAVED in " ".join(text.split())
    (line,) = (line for line in text.splitlines() if line.startswith("gstds") and "1.10×" in line)
    assert line.replace("\u202f", " ").split() == [
        *("gstds", "0.60×", "1.10×", "0.91×", "1.67×", "0.056", "%", "45", "%", "(no", "verdict)")
    ]
    assert SAVED in html.unescape(markdown.render(report, []))


def test_ordinary_seconds_claim_nothing(untimed: Report) -> None:
    assert saving_words(untimed.summary, untimed.panels[0]) == ""
    text = plain(page.render(untimed, []))
    assert "The same at equal seconds" not in text and "realised in seconds" not in text
    assert "needs a timing pass (selbench run synthetic --timing 3)" in text
    assert "faster" not in printed(untimed)


def test_seconds_of_two_sources_are_never_set_against_each_other(tmp_path: Path) -> None:
    """Without a timed ``full`` there is nothing to hold the timed seconds against."""
    report = judged(tmp_path, timing={"missing": [("full", block) for block in range(3)]})
    panel = report.panels[0]
    gstds = next(arm for arm in panel.arms if arm["label"] == "gstds")
    assert panel.full is not None and not comparable(gstds, panel.full)
    assert panel.relative_cost(gstds, "seconds", "marginal") is None and panel.speedup(gstds) is None
    assert panel.relative_cost(gstds, "total_flops", "marginal") == pytest.approx(0.6, abs=0.001)
    with drawing_rules():
        drawn = cost_plot("c", "t", report, panel, "seconds", "marginal")
        bars = phase_bars("p", "t", panel, "seconds", "marginal")
    assert "gstds" not in drawn.description and "gstds" not in bars.description
    text = plain(page.render(report, []))
    assert "The pass is incomplete" in text and "s , indication" in text.replace("s, indication", "s , indication")


def test_the_plot_of_seconds_shows_the_ceiling_where_it_was_timed(report: Report, untimed: Report) -> None:
    """A tail reaches from the strategy to the ceiling: three more dotted lines than without the pass."""
    tails = []
    for one in (report, untimed):
        with drawing_rules():
            drawn = cost_plot("c", "t", one, one.panels[0], "seconds", "marginal")
        tails.append(drawn.svg.count(b"stroke-dasharray: 0.8,1.28"))
    assert tails == [3, 0]


def test_the_loops_own_seconds_are_drawn(report: Report, untimed: Report) -> None:
    for one, there in ((report, True), (untimed, False)):
        with drawing_rules():
            svg = phase_bars("p", "t", one.panels[0], "seconds", "marginal").svg
        assert (b"the loop itself" in svg) is there


def test_operators_that_no_formula_counts_are_named(tmp_path: Path) -> None:
    root = tmp_path / "run"
    quiet = judged(root, timed=False)
    assert "leave out" not in plain(page.render(quiet, []))
    path = next(p for p in (root / "cells").iterdir() if json.loads(p.read_text())["arm_label"] == "gstds")
    record = json.loads(path.read_text())
    record["selection"] |= {"uncounted": ["aten._fft_r2c"], "understated": [1e3, 2e6]}
    path.write_text(json.dumps(record | {"checksum": checksum(record)}))
    results = Results.read(root)
    said = plain(page.render(Report.of(summarise(results), results), []))
    assert "The FLOPs of gstds leave out aten._fft_r2c, which no formula counts." in said
    assert "gstds declares 1.00 kFLOP for a call that counts 2.00 MFLOP: the count is what its costs hold." in said


@pytest.mark.parametrize(
    ("budget", "words"),
    [({"passes": 4}, "equal passes"), ({"flops": 1e9}, "equal FLOPs"), ({"seconds": 60}, "equal seconds")],
)
def test_full_training_is_compared_at_what_the_budget_is_in(budget: dict[str, float], words: str) -> None:
    assert questions(budget)["accuracy"][1] == f"against full training at {words}"
