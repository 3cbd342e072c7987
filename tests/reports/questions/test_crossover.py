"""When static pruning fails: crossings of known place are found, and what is lacking is said."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from editing import replace
from synthetic import write_results

from selbench.harness.plan.matrix import read
from selbench.reports.questions import ANALYSES, Answer, Names
from selbench.reports.questions.crossover import BEST, GAP, OVERTAKES, Crossover
from selbench.reports.questions.digitised import Source, sources
from selbench.reports.records.folder import Results

KEPT = (90, 70, 50, 30, 20, 10, 5)
SEEDS = 6
RULES = {"EL2N": "el2n", "CCS": "ccs"}
ENTRIES = {"steps": "equal steps", "passes": "equal passes"}
OPTIONS = {"rules": RULES, "entries": ENTRIES, "published": {"steps": "ccs", "passes": "dual"}}
LABELS = tuple(f"{prefix}-{kept}" for prefix in RULES.values() for kept in KEPT)
NAMES = Names(tuple(ENTRIES), (), LABELS)
Truth = Callable[[float], float]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """Records of every arm, each beside the random subsets of its size as its twin."""
    random = {f"random-{kept}": kept for kept in KEPT}
    labels = dict.fromkeys((*LABELS, *random), 0.0)
    path = write_results(tmp_path_factory.mktemp("crossover"), datasets=ENTRIES, effects=labels, seeds=SEEDS)
    read = Results.read(path)
    twins = {(arm.dataset, random[arm.label]): arm.key for arm in read.matrix.arms.values() if arm.label in random}
    arms = {}
    for key, arm in read.matrix.arms.items():
        _, _, kept = arm.label.partition("-")
        if kept.isdigit():
            twin = arm.label in random
            more = {"role": "twin", "twin": ""} if twin else {"twin": twins[arm.dataset, int(kept)]}
            arm = replace(arm, schedule=f"fixed {int(kept) / 100:g}", **more)
        arms[key] = arm
    return replace(read, matrix=replace(read.matrix, arms=arms))


def made(
    folder: Results,
    truths: dict[str, Truth],
    *,
    noise: float = 0.3,
    draw: int = 0,
    seeds: int = SEEDS,
    only: Any = None,
) -> Results:
    """The folder with accuracies whose differences from random are ``truths`` of the percentage kept, with noise."""
    rng, cells = np.random.default_rng(draw), []
    shared = rng.normal(0, 2, SEEDS)
    for cell in folder.cells:
        prefix, _, kept = cell.arm_label.partition("-")
        gap = truths[prefix](float(kept)) if prefix in truths else 0.0
        accuracy = 40 + 5 * math.log(float(kept) if kept.isdigit() else 100) + shared[cell.seed] + gap
        accuracy += noise * rng.standard_normal() / math.sqrt(2)
        if cell.seed < seeds and (only is None or only(cell)):
            cells.append(replace(cell, accuracy=accuracy / 100))
    return replace(folder, cells=tuple(cells))


def answer(results: Results, **options: Any) -> Answer:
    return Crossover({**OPTIONS, **options}, NAMES).answer(results, {})


def crosses_at(place: float, slope: float = 2.0) -> Truth:
    """A straight line over the logarithm between the ratios measured, so that reading it so is exact."""
    return lambda kept: slope * math.log(kept / place)


def behind(kept: float) -> float:
    return -3.0


def ahead(kept: float) -> float:
    return 2.0


def crossings(found: Answer) -> dict[tuple[str, str], Any]:
    return {(row.dataset, row.strategy): row for row in found.quantities if row.name == OVERTAKES}


def test_it_is_registered() -> None:
    assert ANALYSES["crossover"] is Crossover


def test_a_known_crossing_is_found_exactly_without_noise(folder: Results) -> None:
    found = answer(made(folder, {"el2n": crosses_at(41.3), "ccs": crosses_at(12.0)}, noise=0.0))
    for (dataset, strategy), row in crossings(found).items():
        assert row.estimate == pytest.approx({"el2n": 41.3, "ccs": 12.0}[strategy], rel=1e-9), dataset
        assert row.low == pytest.approx(row.estimate) and row.high == pytest.approx(row.estimate)
        assert row.n == SEEDS and row.rival == "random"
    assert found.enough and found.sentence == (
        "steps: EL2N falls behind random subsets below 41 % kept [41, 41], over 6 seeds; the tables have the others."
    )
    assert found.tables[0].rows[-1][2:] == ("41 % [41, 41]", "12 % [12, 12]")


def test_intervals_cover_the_crossing_as_often_as_they_say(folder: Results) -> None:
    """With four seeds, where the two entries and rules share the noise of a seed."""
    draws, hits, places = 60, 0, {"el2n": 41.3, "ccs": 12.0}
    for draw in range(draws):
        truths = {prefix: crosses_at(place) for prefix, place in places.items()}
        for row in crossings(answer(made(folder, truths, noise=0.8, draw=draw, seeds=4))).values():
            hits += (row.low or 0.0) <= places[row.strategy] <= (row.high or math.inf)
    assert 0.9 <= hits / (4 * draws) <= 0.99


def test_rules_that_never_cross_are_said_to_with_the_evidence(folder: Results) -> None:
    found = answer(made(folder, {"el2n": behind, "ccs": ahead}))
    assert found.sentence.startswith("steps: EL2N is behind random subsets throughout 5 to 90 % kept (p")
    swapped = answer(made(folder, {"el2n": ahead, "ccs": behind}))
    assert "EL2N is ahead of random subsets throughout 5 to 90 % kept (p" in swapped.sentence
    below, above = crossings(found)["steps", "el2n"], crossings(found)["steps", "ccs"]
    assert (below.estimate, below.low, below.high) == (None, 90.0, None)
    assert (above.estimate, above.low, above.high) == (None, None, 5.0)
    assert [cell.split(", p")[0] for cell in found.tables[0].rows[-1][2:]] == ["over 90 %", "under 5 %"]
    assert all(", p" in cell for cell in found.tables[0].rows[-1][2:])


def test_what_noise_hides_is_not_said_for_certain(folder: Results) -> None:
    found = answer(made(folder, {"el2n": lambda kept: -0.3, "ccs": lambda kept: 0.3}, noise=0.2, seeds=3, draw=3))
    assert found.enough
    assert "throughout 5 to 90 % kept (p" not in found.sentence
    for row in crossings(found).values():
        assert row.estimate is None or row.low is None or row.high is None


def test_where_a_rule_may_yet_cross_is_said(folder: Results) -> None:
    """Clearly behind but at 90 %, or clearly ahead but at 5 %, where noise has the last word."""
    towards = {"el2n": lambda kept: -0.05 if kept > 80 else -3.0, "ccs": lambda kept: 0.05 if kept < 8 else 3.0}
    drawn = (answer(made(folder, towards, noise=0.5, draw=draw)) for draw in range(40))
    found, below, above = next(
        (found, below, above)
        for found in drawn
        for below, above in [(crossings(found)["steps", "el2n"], crossings(found)["steps", "ccs"])]
        if below.estimate is above.estimate is None and below.low < 90 and (above.high or 0.0) > 5
    )
    assert f"throughout 5 to 90 % kept and may draw level only above {below.low:.0f} %, over" in found.sentence
    assert found.tables[0].rows[-1][2:] == (
        f"over 90 % [{below.low:.0f}, over 90]",
        f"under 5 % [under 5, {above.high:.0f}]",
    )
    first = {"el2n": towards["ccs"], "ccs": ahead}
    last = (answer(made(folder, first, noise=0.5, draw=draw)).sentence for draw in range(40))
    assert any(
        "nowhere behind random subsets from 5 to 90 % kept and may fall behind only below" in said for said in last
    )
    assert below.low > 70 and above.high < 10


def test_a_curve_that_comes_back_is_read_from_the_lowest_ratio(folder: Results) -> None:
    """Behind up to 15 %, ahead to 60 %, behind again: the first zero from below, and a note on the rest."""

    def back(kept: float) -> float:
        return -3.0 if kept < 15 else 3.0 if kept < 60 else -3.0

    found = answer(made(folder, {"el2n": back, "ccs": lambda kept: -back(kept)}, noise=0.05))
    row = crossings(found)["steps", "el2n"]
    assert row.estimate == pytest.approx(math.sqrt(200), rel=0.01) and row.high < 20
    assert any("EL2N on steps: above the crossing it is behind random again" in note for note in found.notes)
    assert "at 70 and 90 % kept" in " ".join(found.notes)
    turned = answer(made(folder, {"el2n": lambda kept: -back(kept), "ccs": back}, noise=0.05))
    assert "EL2N is not behind random subsets at 5 % kept, yet is at 20, 30 and 50 %" in turned.sentence


def test_no_rule_is_further_ahead_than_the_best_may_be(folder: Results) -> None:
    found = answer(made(folder, {"el2n": behind, "ccs": ahead}))
    row = next(row for row in found.quantities if row.name == BEST)
    gap = next(of for of in found.quantities if (of.name, of.dataset, of.strategy) == (GAP, row.dataset, row.strategy))
    assert row.estimate == gap.estimate and row.strategy in ("ccs-10", "ccs-5")
    assert row.high > gap.high, "it holds for every rule at once"
    assert f"no rule is ahead by more than {row.high:.1f} points; the furthest ahead is CCS" in found.notes[1]
    few = answer(made(folder, {"el2n": behind, "ccs": ahead}, noise=2.0, seeds=2))
    assert "At 10 % kept and less the furthest ahead is CCS" in few.notes[1]
    worse = answer(made(folder, {"el2n": behind, "ccs": behind}))
    assert "each rule is behind by 2." in worse.notes[1]


def test_the_table_and_the_chart_hold_what_the_quantities_do(folder: Results) -> None:
    found = answer(made(folder, {"el2n": behind, "ccs": ahead}))
    gaps = {(row.dataset, row.strategy): row for row in found.quantities if row.name == GAP}
    assert len(gaps) == len(LABELS) * len(ENTRIES)
    for table, chart, dataset in zip(found.tables, found.charts, ENTRIES, strict=False):
        assert [row[0] for row in table.rows[:-1]] == [f"{kept} %" for kept in KEPT]
        ours = {series.label: series for series in chart.series}
        assert list(ours) == ["EL2N", "CCS"]
        for kept, _, *shown in table.rows[:-1]:
            for text, (rule, prefix) in zip(shown, RULES.items(), strict=True):
                row = gaps[dataset, f"{prefix}-{kept.removesuffix(' %')}"]
                assert text.startswith(f"{row.estimate:+.1f} [".replace("-", "\u2212"))
                at = ours[rule].x.index(float(kept.removesuffix(" %")))
                assert (ours[rule].y[at], ours[rule].low[at], ours[rule].high[at]) == (row.estimate, row.low, row.high)


def test_missing_runs_are_left_out_and_said(folder: Results) -> None:
    truths = {"el2n": crosses_at(41.3), "ccs": ahead}
    gone = answer(made(folder, truths, only=lambda cell: (cell.arm_label, cell.seed) != ("el2n-30", 2)))
    assert crossings(gone)["steps", "el2n"].n == SEEDS - 1 and crossings(gone)["steps", "ccs"].n == SEEDS
    assert any(note.startswith("EL2N on steps: the crossing is read from 5 seeds") for note in gone.notes)
    no_ratio = answer(made(folder, truths, only=lambda cell: cell.arm_label != "el2n-90"))
    assert crossings(no_ratio)["steps", "el2n"].n == SEEDS
    assert no_ratio.tables[0].rows[0][2] == "\u2013"
    no_entry = answer(made(folder, truths, only=lambda cell: cell.dataset == "steps"))
    assert not no_entry.enough and "passes: EL2N cannot be judged yet" in no_entry.sentence
    assert {row.dataset for row in no_entry.quantities} == {"steps"}


def test_one_seed_and_none_have_no_interval(folder: Results) -> None:
    one = answer(made(folder, {"el2n": behind, "ccs": ahead}, seeds=1))
    assert not one.enough and "cannot be judged yet" in one.sentence and "(now 1 seed)" in one.sentence
    assert all(row.low is None and row.high is None for row in one.quantities)
    none = answer(replace(folder, cells=()))
    assert not none.enough and not none.quantities
    unequal = answer(replace(folder, matrix=replace(folder.matrix, arms={}), cells=()))
    assert not unequal.enough


def test_accuracies_that_are_no_number_are_no_pairs(folder: Results) -> None:
    results = made(folder, {"el2n": behind, "ccs": ahead})
    first = next(cell for cell in results.cells if cell.arm_label == "el2n-10" and cell.dataset == "steps")
    cells = tuple(replace(cell, accuracy=math.nan) if cell is first else cell for cell in results.cells)
    assert crossings(answer(replace(results, cells=cells)))["steps", "el2n"].n == SEEDS - 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rules": {}}, "option 'rules' = .* is wrong: give a table of words"),
        ({"rules": {"EL2N": 3}}, "option 'rules' = .* is wrong: give a table of words"),
        ({"rules": {"EL2N": "el2m"}}, "two strategies labelled el2m-PERCENT"),
        ({"entries": {"step": "equal steps"}}, "did you mean 'steps'"),
        ({"published": {"steps": "cs"}}, "did you mean 'ccs'"),
        ({"published": {"other": "ccs"}}, "'other' is unknown"),
        ({"rule": {}}, "did you mean 'rules'"),
    ],
)
def test_options_that_cannot_work_are_refused_in_one_line(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        Crossover({**OPTIONS, **change}, NAMES)
    assert "\n" not in str(caught.value)


def test_published_is_optional(folder: Results) -> None:
    options = {name: value for name, value in OPTIONS.items() if name != "published"}
    found = Crossover(options, NAMES).answer(made(folder, {"el2n": behind, "ccs": ahead}), {})
    assert len(found.tables) == len(found.charts) == 2


def test_what_others_published_is_as_their_figures_have_it() -> None:
    """Differences and crossings worked out by hand from the file's numbers."""
    ccs, dual = sources()["ccs"], sources()["dual"]
    gaps = {gap.kept: gap for gap in ccs.gaps("EL2N")}
    assert gaps[30].difference == pytest.approx(87.5 - 90.9) and gaps[30].error == pytest.approx(0.6)
    assert gaps[10].bound and gaps[10].difference == pytest.approx(40 - 79.0)
    assert {gap.kept: gap.error for gap in ccs.gaps("forgetting")}[70] == pytest.approx(0.3), "one stands in the text"
    assert [gap.kept for gap in dual.gaps("EL2N") if gap.bound] == [10, 20]


def test_published_tables_say_where_they_are_from(folder: Results) -> None:
    found = answer(replace(folder, cells=()))
    ccs, dual = found.tables[2:]
    assert ccs.title.startswith("Published, CIFAR-10, ResNet-18, equal steps, read off a figure")
    assert "2210.15809" in ccs.note and "best test accuracy" in ccs.note
    shown = dict(zip(ccs.columns, ccs.rows[-1], strict=True))
    crossing = 30 * (50 / 30) ** (3.4 / (3.4 + 1.3))
    assert shown["EL2N"].startswith(f"{crossing:.0f} % [") and shown["CCS"] == "under 10 %"
    bound = dict(zip(dual.columns, dual.rows[-1], strict=True))["EL2N"]
    assert bound == "[28, 30]", "below the axis at 20 %, so only its ends are known"
    assert dict(zip(dual.columns, dual.rows[3], strict=True))["EL2N"] == "below \u22126.3"
    chart = found.charts[3]
    assert [series.label for series in chart.series[:3]] == ["EL2N", "CCS", "TDDS"], "ours first, in our order"
    assert chart.series[0].y[:2] == (None, None) and chart.series[0].y[2] == pytest.approx(91.6 - 90.5)
    assert (chart.series[0].low[2], chart.series[0].high[2]) == pytest.approx((0.9, 1.3)), "0.1 of each accuracy"


def test_sources_whose_numbers_do_not_fit_together_are_refused() -> None:
    table = sources()["dual"].model_dump()
    with pytest.raises(ValueError, match="one accuracy for each percentage"):
        Source.model_validate(table | {"kept": (70, 50)})
    with pytest.raises(ValueError, match="random's accuracies are numbers"):
        Source.model_validate(table | {"accuracy": {"random": ("<40", 1.0, 2.0, 3.0, 4.0)}})
    with pytest.raises(ValueError, match="exact names rules"):
        Source.model_validate(table | {"exact": {"EL2N": (5.0,)}})


@pytest.mark.parametrize("name", ["study-5", "study-5-gpu"])
def test_the_shipped_matrices_ask_it_over_90_to_5_percent(name: str) -> None:
    matrix = read(name)
    labels = {entry.label: entry for entry in matrix.strategies}
    (study,) = matrix.studies
    names = Names(tuple(entry.name for entry in matrix.datasets), (), tuple(labels))
    asked = ANALYSES[study.analysis](study.options, names)
    assert set(asked.entries) == set(names.datasets) and set(asked.rules) <= {"EL2N", "forgetting", "CCS", "calibrated"}
    for prefix in asked.rules.values():
        ratios = [labels[f"{prefix}-{kept}"].schedule.parameters()["ratio"] for kept in KEPT]
        assert ratios == [kept / 100 for kept in KEPT]
    assert len(asked.rules) * len(KEPT) == len(labels)
