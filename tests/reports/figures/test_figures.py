"""Figures: they say what the numbers say, labels do not overlap, names are text, nothing global is left changed."""

from __future__ import annotations

import re
import sys
from itertools import islice, pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest
from filled import fill, ranks
from hypothesis import given
from hypothesis import strategies as st
from synthetic import write_results

from selbench.reports.document import numbers as wording
from selbench.reports.document import panels as view
from selbench.reports.document.looks import HUES, look
from selbench.reports.document.numbers import fraction
from selbench.reports.document.panels import Report, target_rows
from selbench.reports.document.sections.parts import _left_out
from selbench.reports.document.text import clean
from selbench.reports.figures import all as figures
from selbench.reports.figures.all import Placed, _across, draw, planned
from selbench.reports.figures.axes import relative_scale, spread
from selbench.reports.figures.canvas import Drawing, canvas, drawing_rules, finish
from selbench.reports.figures.cost import cost_plot
from selbench.reports.figures.curves import mean_curve, training_curves
from selbench.reports.figures.heatmap import overlap_map
from selbench.reports.figures.learning_rates import tuned_rows, tuning_grid
from selbench.reports.figures.ranks import rank_plot
from selbench.reports.figures.rows import forest, pooled_drawn, target_plot
from selbench.reports.records.folder import Results
from selbench.reports.render.drawings import Drawings
from selbench.reports.summary import summarise

HOSTILE = "<b>&$\\frac{\x01]]>--\u202e"


def make(root: Path, *, full: bool = False, **how: Any) -> Report:
    results = Results.read(write_results(root, **how))
    summary = summarise(results)
    return Report.of(fill(summary) if full else summary, results)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    how = {"effects": {"gstds": 0.2, HOSTILE: -1.0, "static": -0.4}, "references": ("a", "b"), "seeds": 4}
    return make(tmp_path_factory.mktemp("r"), full=True, collapse=[("gstds", 1)], **how)


@pytest.fixture(scope="module")
def drawn(report: Report) -> list[Placed]:
    before = dict(matplotlib.rcParams)
    placed = list(draw(report))
    assert dict(matplotlib.rcParams) == before
    return placed


def test_every_kind_is_there_once_for_each_panel_and_account(report: Report, drawn: list[Placed]) -> None:
    names = [placed.drawing.name for placed in drawn]
    assert len(names) == len(set(names))
    for panel in report.panels:
        mine = [
            placed for placed in drawn if placed.panel is panel and placed.kind not in ("references", "tuning-grid")
        ]
        kinds = [(placed.kind, placed.account) for placed in mine]
        questions, costs, targets, training, picks = 2 + 3, 2 * 3 + 2, 2 * 3, 2 + 1, 2
        assert len(kinds) == len(set(kinds)) == questions + costs + targets + training + picks
        assert [placed.kind for placed in drawn if placed.panel is panel].count("tuning-grid") == 3
    assert [placed.kind for placed in drawn].count("references") == 3


@pytest.mark.skipif(sys.platform != "linux", reason="drawn by one process elsewhere")
def test_forked_processes_draw_the_same(report: Report, drawn: list[Placed], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "planned", lambda report: islice(planned(report), 4))
    monkeypatch.setattr(figures, "SHARE", 2)
    monkeypatch.setattr(figures.os, "sched_getaffinity", lambda process: {0, 1})
    drawings = [placed.drawing for placed in draw(report)]
    assert [drawing.figure for drawing in drawings] == [None] * 4, "figures stay where they were drawn"
    assert drawings == [placed.drawing for placed in drawn[:4]]


def test_text_stays_text_and_names_stay_names(drawn: list[Placed]) -> None:
    shown, page = clean(HOSTILE), Drawings()
    for placed in drawn:
        root = ElementTree.fromstring(placed.drawing.svg)
        texts = ["".join(item.itertext()) for item in root.iter("{http://www.w3.org/2000/svg}text")]
        if placed.kind in ("accuracy", "curves", "cost-flops", "phases-seconds", "classes", "target-flops", "overlap"):
            assert shown in texts, placed.drawing.name
        inline = ElementTree.fromstring(page.markup(placed.drawing))
        assert inline.tag == "svg" and inline.get("role") == "img"
        described = {item.get("id") for item in inline.iter() if item.tag in ("title", "desc")}
        assert set(str(inline.get("aria-labelledby")).split()) <= described


def test_descriptions_carry_the_numbers(report: Report, drawn: list[Placed]) -> None:
    panel = report.panels[0]
    said = next(p.drawing.description for p in drawn if p.panel is panel and p.kind == "accuracy")
    for row in report.question(panel, "accuracy"):
        assert f"{clean(row['strategy'])} {wording.points(row['mean_difference'])}" in said


def test_marks_stand_where_the_numbers_say(report: Report) -> None:
    """Read the forest plot back from its SVG: horizontal distances between marks are proportional to differences."""
    panel = report.panels[0]
    rows = [row for row in report.question(panel, "accuracy") if abs(row["mean_difference"]) < 3]
    with drawing_rules():
        drawing = forest("f", "t", rows, report, panel.dataset["margin"])
    root = ElementTree.fromstring(drawing.svg)
    uses = list(root.iter("{http://www.w3.org/2000/svg}use"))
    by_height = {float(use.attrib["y"]): float(use.attrib["x"]) for use in uses}
    marks = [by_height[y] for y in sorted(by_height)][: len(rows)]
    wanted = np.array([row["mean_difference"] for row in rows])
    scale = np.polyfit(wanted, marks, 1)
    assert len(marks) == len(rows) >= 3 and scale[0] > 0
    assert np.allclose(np.polyval(scale, wanted), marks, atol=0.05)


def texts_of(drawing: Drawing) -> list[str]:
    root = ElementTree.fromstring(drawing.svg)
    return ["".join(item.itertext()) for item in root.iter("{http://www.w3.org/2000/svg}text")]


def marks_of(drawing: Drawing) -> list[tuple[float, float]]:
    """Where the markers of a figure stand, from the SVG's own coordinates."""
    uses = ElementTree.fromstring(drawing.svg).iter("{http://www.w3.org/2000/svg}use")
    return [(float(use.attrib["x"]), float(use.attrib["y"])) for use in uses]


def test_targets_stand_where_their_costs_are_and_misses_at_infinity(report: Report) -> None:
    panel = report.panels[-1]
    assert panel.full is not None
    rows = target_rows(report.summary, panel, "amortised", "total_flops")
    with drawing_rules():
        drawing = target_plot("t", "t", report, panel, "amortised", "flops")
    lines: dict[float, list[float]] = {}
    for x, y in marks_of(drawing):
        lines.setdefault(round(y, 1), []).append(x)
    levels = [lines[y] for y in sorted(lines)][: len(rows)]
    known = [(row, min(at)) for row, at in zip(rows, levels, strict=True) if row["median"] is not None]
    costs = np.log([row["median"] for row, _ in known])
    scale = np.polyfit(costs, [x for _, x in known], 1)
    assert len(known) >= 4 and scale[0] > 0
    assert np.allclose(np.polyval(scale, costs), [x for _, x in known], atol=0.05), "a logarithmic axis"
    never = [max(at) for row, at in zip(rows, levels, strict=True) if row["misses"]]
    assert len(never) >= 2 and np.ptp(never) < 0.01 and min(never) > max(x for _, x in known), "one column of arrows"
    counted = [f"{row['misses']} of {row['n']}" for row in rows]
    assert [text for text in texts_of(drawing) if re.fullmatch(r"\d+ of \d+", text)] == counted
    for row in rows:
        if row["misses"]:
            assert f"missed by {row['misses']} of {row['n']} seeds" in drawing.description


def test_targets_without_a_cost_say_so(report: Report) -> None:
    bare = Report.of({**report.summary, "targets": []}, report.results)
    with drawing_rules():
        drawing = target_plot("t", "t", bare, bare.panels[0], "amortised", "flops")
    assert "No total FLOPs to a target yet" in drawing.description
    assert not [figure for figure in planned(bare) if figure.kind.startswith("target")]


def test_ranks_stand_in_order_and_cliques_are_bars(report: Report) -> None:
    found = ranks(report.summary, 12)
    with drawing_rules():
        drawing = rank_plot("r", "t", report, found)
    on_line = sorted({round(x, 3) for x, y in marks_of(drawing)})
    means = sorted(arm["mean_rank"] for arm in found["arms"])
    assert len(on_line) == len(means)
    assert np.allclose(np.polyval(np.polyfit(means, on_line, 1), means), on_line, atol=0.05)
    texts = texts_of(drawing)
    assert f"critical distance {found['critical_distance']:.2f}" in texts
    for arm in found["arms"]:
        assert any(f"{arm['mean_rank']:.2f}" in text for text in texts)
    bars = re.findall(r"stroke-width: 3\b", drawing.svg.decode())
    assert len(bars) == len(found["cliques"])
    assert "Not told apart" in drawing.description


def test_ranks_are_drawn_from_ten_data_sets_only(report: Report) -> None:
    for datasets, there in ((9, False), (10, True)):
        ranked = Report.of({**report.summary, "ranks": ranks(report.summary, datasets)}, report.results)
        assert any(placed.kind == "ranks" for placed in _across(ranked)) is there


def test_pooled_effects_stand_below_their_data_sets(tmp_path: Path) -> None:
    both = make(tmp_path, full=True, effects={"gstds": 0.2, HOSTILE: -1.0}, datasets=("digits", "flowers"), seeds=3)
    with drawing_rules():
        placed = {item.kind: item.draw().drawing for item in _across(both)}
    assert set(placed) == {"pooled-accuracy", "pooled-picking", "pooled-pays"}
    texts = texts_of(placed["pooled-accuracy"])
    at = [texts.index(name) for name in ("Digits", "Flowers-102", "gstds, holdout: pooled")]
    assert at == sorted(at)
    (row,) = (row for row in pooled_drawn(both, "accuracy") if row["strategy"] == "gstds")
    assert f"gstds, holdout: pooled {wording.points(row['mean_difference'])}" in placed["pooled-accuracy"].description


def test_without_a_declared_contrast_the_best_few_are_pooled(tmp_path: Path) -> None:
    effects = {f"rule-{number}": 0.1 * number for number in range(9)}
    both = make(tmp_path, full=True, effects=effects, datasets=("digits", "flowers"), seeds=3, primary=[])
    shown = [row["strategy"] for row in pooled_drawn(both, "picking")]
    assert len(shown) == 6 and "rule-8" in shown and "rule-0" not in shown


def test_tuning_marks_what_was_chosen_and_gaps_what_diverged(report: Report, drawn: list[Placed]) -> None:
    panel = report.panels[0]
    said = next(p.drawing.description for p in drawn if p.panel is panel and p.kind == "tuning")
    for arm, row in tuned_rows(report, panel):
        if row["lr_from"] == "val":
            assert f"{clean(arm['label'])} is best at {fraction(row['factor'])}" in said
            assert not any(s["mean"] is None for s in row["scores"]) or ", diverged at 2" in said
    assert "full-all" not in said, "it is not tuned on the images that it trains on"


def test_the_grid_counts_what_other_rates_would_have_said() -> None:
    row = {"grid": [[1.0, -0.5], [None, -1.5]], "margin": 1.0, "chosen": [0, 0], "strategy": HOSTILE, "baseline": "b"}
    with drawing_rules():
        drawing = tuning_grid("g", "t", row, [1.0, 2.0])
    assert f"Of 3 pairs of learning rates, {clean(HOSTILE)} is better than b at 1" in drawing.description
    assert "worse by more than the margin of 1 at 1, in between at 1." in drawing.description
    assert [text for text in texts_of(drawing) if "." in text] == ["+1.00", "\u22120.50", "\u22121.50"]


def test_overlap_names_the_pairs_most_and_least_alike() -> None:
    labels = ["a", HOSTILE, "c", "d"]
    matrix = [[1, 0.9, 0.1, None], [0.9, 1, -0.2, 0.5], [0.1, -0.2, 1, 0.3], [None, 0.5, 0.3, 1]]
    with drawing_rules():
        drawing = overlap_map("o", "t", {"labels": labels, "matrix": matrix})
        empty = overlap_map("o", "t", {"labels": [], "matrix": []})
        many = overlap_map("o", "t", {"labels": list(map(str, range(40))), "matrix": np.eye(40).tolist()})
    assert f"Most alike: a and {clean(HOSTILE)} .90" in drawing.description
    assert f"least alike: {clean(HOSTILE)} and c \u2212.20" in drawing.description
    assert texts_of(drawing).count(".90") == 2 and "No picks" in empty.description
    assert "1" not in [text for text in texts_of(many) if not text.isdigit()] and len(texts_of(many)) == 80


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [(0.1, 4.0, 3), (0.45, 0.9, 3), (0.50, 0.56, 3), (0.01, 100.0, 5), (0.97, 1.02, 3)],
)
def test_a_cost_axis_always_has_ticks(low: float, high: float, ticks: int) -> None:
    with drawing_rules():
        _, (axes,) = canvas(3, 2)
        relative_scale(axes, low, high)
        at = axes.xaxis.get_major_locator()()
    ends = axes.get_xlim()
    assert ticks <= len(at) <= 12 and all(ends[0] <= tick <= ends[1] for tick in at)


def upright(drawing: Drawing) -> int:
    """Straight vertical strokes inside the axes, which are what is clipped."""
    paths = ElementTree.fromstring(drawing.svg).iter("{http://www.w3.org/2000/svg}path")
    inside = (str(path.get("d")) for path in paths if path.get("clip-path"))
    strokes = (re.fullmatch(r"M (\S+) (\S+) \s*L (\S+) (\S+) \s*", stroke) for stroke in inside)
    return sum(1 for at in strokes if at and at[1] == at[3] and at[2] != at[4])


@pytest.mark.parametrize("collapse", [[], [("gstds", 1)]], ids=["narrow", "wide"])
def test_every_arm_in_the_cost_plot_has_its_interval(tmp_path: Path, collapse: list[tuple[str, int]]) -> None:
    one = make(tmp_path, effects={"gstds": 0.2, "rho": -1.0, "loss": -2.0}, seeds=4, collapse=collapse)
    panel = one.panels[0]
    shown = [arm for arm in panel.arms if arm["role"] in ("strategy", "full", "uniform", "full-all")]
    with drawing_rules():
        assert upright(cost_plot("c", "t", one, panel, "flops", "amortised")) == len(shown)


def test_figures_stop_at_what_can_be_read_and_say_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(view, "DRAWN", 3)
    effects = {"declared": -3.0, **{f"rule-{number}": 0.5 * number for number in range(6)}}
    crowded = make(tmp_path, effects=effects, seeds=3)
    panel = crowded.panels[0]
    labels = [arm["label"] for arm in panel.drawn if arm["role"] == "strategy"]
    assert labels == ["declared", "rule-4", "rule-5"], "what was declared, then the most accurate"
    assert _left_out(panel).startswith("Drawn are 3 of 7 strategies")
    for placed in draw(crowded):
        assert b"rule-0" not in placed.drawing.svg
        assert (b"rule-5" in placed.drawing.svg) or placed.kind == "ratios", "where equal schedules share a line"
    assert len(crowded.question(panel, "picking")) == 7, "tables hold them all"


def test_labels_in_the_cost_plot_do_not_overlap(tmp_path: Path) -> None:
    effects = {f"rule-{number:02d}": 0.01 * number for number in range(18)}
    crowded = make(tmp_path, effects=effects, seeds=2)
    panel = crowded.panels[0]
    with drawing_rules():
        drawings = [
            cost_plot("c", "t", crowded, panel, "flops", "amortised"),
            training_curves("d", "t", crowded, panel),
        ]
    for drawing in drawings:
        root = ElementTree.fromstring(drawing.svg)
        places = [
            float(str(item.get("transform")).split()[-1].rstrip(")"))
            if item.get("y") is None
            else float(str(item.get("y")))
            for item in root.iter("{http://www.w3.org/2000/svg}text")
            if "".join(item.itertext()).startswith("rule-")
        ]
        assert len(places) == 18
        assert np.diff(sorted(places)).min() >= 8, "points between lines of 8-point type"


def test_same_strategy_same_look_and_no_two_alike(tmp_path: Path) -> None:
    looks = [look(number) for number in range(24)]
    assert len({(look(number).colour, look(number).marker) for number in range(48)}) == 48
    assert all(one.marker != other.marker for one, other in pairwise(looks))
    assert [item.colour for item in looks[:6]] == list(HUES)


@given(
    wanted=st.lists(st.floats(0, 1), max_size=30),
    gap=st.floats(0.001, 0.5),
)
def test_spread_keeps_order_gap_and_bounds(wanted: list[float], gap: float) -> None:
    places = spread(wanted, gap, 0.0, 1.0)
    assert len(places) == len(wanted)
    if wanted:
        assert places.min() >= -1e-9 and places.max() <= 1 + 1e-9
        room = min(gap, 1 / max(len(wanted) - 1, 1))
        order = np.argsort(wanted, kind="stable")
        assert np.all(np.diff(places[order]) >= room - 1e-9)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_spread_leaves_alone_what_fits(wanted: list[float]) -> None:
    gap = float(np.diff(sorted(wanted)).min(initial=1.0))
    assert np.allclose(spread(wanted, gap, 0.0, 1.0), wanted, atol=1e-9)


def test_mean_curve_is_the_mean(report: Report) -> None:
    cells = report.cells(report.panels[0].main_arms[1])
    x, y = mean_curve(cells, lambda point: point.passes, lambda point: point.val_accuracy)
    assert np.allclose(y, np.mean([[point.val_accuracy for point in cell.curve] for cell in cells], axis=0))
    assert np.allclose(x, [point.passes for point in cells[0].curve])


def test_an_arm_that_trains_on_the_validation_images_has_no_curve(report: Report, drawn: list[Placed]) -> None:
    assert any(arm["role"] == "full-all" and arm["n"] for arm in report.panels[0].arms)
    curves = next(placed.drawing for placed in drawn if placed.kind == "curves")
    assert "uniform" in curves.description and "full-all" not in curves.description


def test_equal_data_give_equal_bytes() -> None:
    def once() -> bytes:
        with drawing_rules():
            figure, (axes,) = canvas(3, 2)
            axes.plot([0, 1], [1, 0], marker="o")
            drawing = finish(figure, "n", "t", "d")
        return drawing.svg

    assert once() == once()
