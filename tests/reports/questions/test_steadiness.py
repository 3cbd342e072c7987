"""The study of schedules on folders with known truth."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from editing import replace
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests
from synthetic import write_results

from selbench.reports.effects.estimate import Quantity
from selbench.reports.questions.answer import Answer, Names
from selbench.reports.questions.schedules import Steadiness
from selbench.reports.questions.schedules_paired import Runs, adjusted, at_own_amount, compare, mean, per_doubling
from selbench.reports.records.folder import Results

SEEDS, NOISE, SHARED = 40, 0.3, 0.3
EFFECTS = {"sigmoid": 0.6, "fixed": -1.0, "linear": -1.0, "shaky": -1.0, "adaptive": -0.2, "less": -2.0}
RATIOS = {"less": 0.25, "adaptive": math.sqrt(0.5)}
GROWN = {"sigmoid": -0.6}
NAMES = Names(("digits", "flowers"), ("holdout",), tuple(EFFECTS))
OPTIONS: dict[str, Any] = {
    "baseline": "fixed",
    "schedules": ["sigmoid", "linear", "shaky", "adaptive"],
    "amounts": ["less"],
    "growth": [["digits", "flowers"]],
    "swept": "sigmoid",
    "sweep": {"start": {"linear": 0.3, "sigmoid": 0.18, "shaky": 0.5}},
}


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """Full training gains 1 point for each doubling, as the fixed schedules do: 0.25, 0.5 and 1 of the images."""
    path = write_results(
        tmp_path_factory.mktemp("schedules"),
        seeds=SEEDS,
        datasets=("digits", "flowers"),
        effects=EFFECTS,
        effects_on={"flowers": GROWN},
        ratios=RATIOS,
        noise=NOISE,
        noises={"shaky": 1.5},
        seed_effect=SHARED,
        full_accuracy=90.0,
        test_n=5000,
    )
    return Results.read(path)


def answer(results: Results, **changes: Any) -> Answer:
    return Steadiness({**OPTIONS, **changes}, NAMES).answer(results, {})


def quantity(found: Answer, name: str, strategy: str = "", dataset: str = "digits") -> Quantity:
    (one,) = [q for q in found.quantities if (q.name, q.strategy, q.dataset) == (name, strategy, dataset)]
    return one


def column(found: Answer, title: str, name: str) -> dict[str, str]:
    """A column of the first table whose title has these words, by the row's name."""
    table = next(table for table in found.tables if title in table.title)
    return {row[0]: row[table.columns.index(name)] for row in table.rows}


def covers(q: Quantity, truth: float) -> bool:
    """Whether a 95 % interval, made half as wide again, holds the truth: no seed of these tests is a rare one."""
    assert q.low is not None and q.high is not None and q.estimate is not None
    slack = (q.high - q.low) / 4
    return q.low - slack <= truth <= q.high + slack


def few(results: Results, seeds: int) -> Results:
    return replace(results, cells=tuple(cell for cell in results.cells if cell.seed < seeds))


def test_differences_cover_the_truth(known: Results) -> None:
    found = answer(known)
    assert found.enough
    for label in OPTIONS["schedules"]:
        q = quantity(found, "difference in accuracy", label)
        assert covers(q, EFFECTS[label] - EFFECTS["fixed"]) and (q.n, q.rival) == (SEEDS, "fixed")
        assert q.low is not None and q.high is not None and q.high - q.low < 1.2
    assert quantity(found, "difference in accuracy of random picks", "sigmoid").estimate == 0.0
    due = quantity(found, "difference in accuracy due to the picks", "sigmoid")
    assert due.estimate == pytest.approx(quantity(found, "difference in accuracy", "sigmoid").estimate)


def test_spreads_cover_the_truth_and_are_told(known: Results) -> None:
    found = answer(known)
    whole = math.hypot(NOISE, SHARED)
    for label, truth in (("linear", 1.0), ("shaky", math.hypot(1.5, SHARED) / whole)):
        assert covers(quantity(found, "spread ratio", label), truth)
    told = column(found, "steadiness over seeds", "told")
    assert told["shaky"] == "less steady" and told["linear"] == "not told apart"
    turned = answer(known, baseline="shaky", schedules=["linear"], sweep={})
    assert column(turned, "steadiness over seeds", "told") == {"linear": "steadier"}


def test_the_sentence_says_what_is_shown_and_the_tables_the_rest(known: Results) -> None:
    found = answer(known)
    assert found.sentence.startswith("Digits: changing fixed to sigmoid changes accuracy by +1.")
    assert f"points, trained on as many images ({SEEDS} seeds): better; " in found.sentence
    assert column(found, "Digits: shape against amount", "images trained") == {"adaptive": "1.41"}
    assert "twice the images are worth +" in found.tables[0].note
    assert column(found, "Digits: start of sigmoid", "told") == {"0.3": "worse", "0.5": "worse"}
    assert any(table.title.startswith("Flowers-102: ") for table in found.tables)
    even = answer(known, schedules=["linear"], sweep={}).sentence
    assert ": within the margin of 1; " in even
    assert column(found, "schedules against fixed", "told")["adaptive"] == "another amount"
    uneven = answer(known, schedules=["adaptive"], sweep={}).sentence
    assert "fixed to adaptive changes accuracy by +" in uneven and "trained on 1.41 times as many images" in uneven


def test_amount_is_told_from_shape(known: Results) -> None:
    found = answer(known)
    assert covers(quantity(found, "difference in accuracy per doubling of the amount"), 1.0)
    beside = quantity(found, "difference in accuracy at its own amount", "adaptive")
    assert covers(beside, EFFECTS["adaptive"] - -0.5) and beside.n == SEEDS
    assert not [q for q in found.quantities if q.name.endswith("its own amount") and q.strategy == "linear"]


def test_growth_is_the_difference_of_the_differences(known: Results) -> None:
    found = answer(known)
    name = "difference in accuracy due to growing sub-batches"
    assert covers(quantity(found, name, "sigmoid"), EFFECTS["sigmoid"] - GROWN["sigmoid"])
    assert covers(quantity(found, name, "linear"), 0.0)
    assert not [q for q in answer(known, growth=[]).quantities if q.name == name]


def test_a_sweep_is_held_against_what_it_moves_away_from(known: Results) -> None:
    found = answer(known)
    q = quantity(found, "difference in accuracy over start", "linear")
    assert covers(q, EFFECTS["linear"] - EFFECTS["sigmoid"]) and q.rival == "sigmoid"
    chart = next(chart for chart in found.charts if chart.x_label == "start")
    assert chart.series[0].x == (0.18, 0.3, 0.5) and chart.series[0].y[0] == 0.0


def test_below_the_fewest_seeds_no_spread_is_compared(known: Results) -> None:
    found = answer(few(known, 10))
    assert set(column(found, "Digits: steadiness over seeds", "told").values()) == {"not powered"}
    assert any("10 seeds show an SD 0." in table.note for table in found.tables)
    assert not [chart for chart in found.charts if chart.log_y] and [
        chart for chart in answer(known).charts if chart.log_y
    ]
    q = quantity(found, "spread ratio", "shaky")
    assert (q.estimate, q.low, q.high, q.n) == (None, None, None, 10)
    assert quantity(answer(few(known, 10), fewest=10), "spread ratio", "shaky").estimate is not None


def test_one_seed_has_no_interval_and_none_no_answer(known: Results) -> None:
    one = answer(few(known, 1))
    assert not one.enough and "one seed" in one.sentence
    assert quantity(one, "difference in accuracy", "sigmoid").low is None
    none = answer(few(known, 0))
    assert not none.enough and none.sentence.startswith("No answer yet") and not none.quantities


@settings(max_examples=25)
@given(st.data())
def test_whatever_is_missing_it_answers(known: Results, data: st.DataObject) -> None:
    seeds = data.draw(st.integers(0, 4))
    kept = [cell for cell in known.cells if cell.seed < seeds and data.draw(st.booleans())]
    broken = [
        replace(cell, accuracy=math.nan) if data.draw(st.sampled_from([False, False, False, True])) else cell
        for cell in kept
    ]
    found = answer(replace(known, cells=tuple(broken)), fewest=3)
    assert found.sentence
    for chart in found.charts:
        for series in chart.series:
            assert len(series.x) == len(series.y) == len(series.low) == len(series.high)
    for table in found.tables:
        assert {len(row) for row in table.rows} <= {len(table.columns)}
    assert all(q.estimate is None or math.isfinite(q.estimate) for q in found.quantities)


def test_runs_that_collapsed_are_spoken_of(known: Results) -> None:
    at = next(i for i, cell in enumerate(known.cells) if cell.arm_label == "sigmoid")
    cells = (*known.cells[:at], replace(known.cells[at], accuracy=0.1), *known.cells[at + 1 :])
    assert any("1 run collapsed" in note for note in answer(replace(known, cells=cells)).notes)


def runs(points: Mapping[int, float], amount: float) -> Runs:
    return Runs(points, dict.fromkeys(points, amount), 0.5)


def test_families_are_adjusted_as_statsmodels_does() -> None:
    draw = np.random.default_rng(5)
    base = dict(enumerate(draw.normal(70, 1, 12)))
    shifts = {label: draw.normal(shift, 1, 12) for label, shift in (("a", 0.8), ("b", 0.1), ("c", 1.5))}
    pairs = [
        compare("", {"strategy": label}, runs({s: base[s] + d for s, d in enumerate(own)}, 9.0), runs(base, 9.0), "t")[
            0
        ]
        for label, own in shifts.items()
    ]
    found = [pair.record["adjusted"] for pair in adjusted(pairs)]
    assert found == pytest.approx(multipletests([pair.record["p"] for pair in pairs], method="holm")[1])


def test_a_p_is_two_sided() -> None:
    up = {seed: value for seed, value in enumerate([0.4, 0.9, 0.1, 0.7, 0.2])}
    down = {seed: -value for seed, value in up.items()}
    for kind, p in (("t", 2 * 0.01885), ("sign-flip", 2 / 32)):
        both = [mean("", {}, values, kind).record["p"] for values in (up, down)]
        assert both[0] == both[1] == pytest.approx(p, abs=2e-4)


@given(st.floats(-3, 3), st.floats(-2, 2), st.floats(101, 399), st.floats(-5, 5))
def test_a_fixed_schedule_of_its_own_amount_lies_on_the_line(slope: float, level: float, own: float, up: float) -> None:
    """Where accuracy rises evenly with every doubling, both readings of the amount are exact."""

    def line(amount: float) -> float:
        return level + slope * math.log2(amount)

    knots = [runs({0: line(amount)}, amount) for amount in (400.0, 100.0, 200.0)]
    assert per_doubling(knots) == {0: pytest.approx(slope, abs=1e-9)}
    assert at_own_amount(runs({0: line(own) + up}, own), knots) == {0: pytest.approx(up, abs=1e-9)}
    assert at_own_amount(runs({0: up}, 500.0), knots) == at_own_amount(runs({0: up}, 60.0), knots) == {}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"baselines": "fixed"}, "option 'baselines' is unknown: did you mean 'baseline'"),
        ({"baseline": "fixd"}, "baseline: 'fixd' is unknown: did you mean 'fixed'"),
        ({"schedules": []}, "one strategy or more"),
        ({"schedules": ["fixed"]}, "none of them the baseline"),
        ({"schedules": ["linear", "linear"]}, "schedules: holds a name twice: linear, linear"),
        ({"schedules": "linear"}, "'schedules' = 'linear' is wrong: give a list of names"),
        ({"amounts": ["more"]}, "amounts: 'more' is unknown"),
        ({"fewest": 2}, "3 or more"),
        ({"fewest": True}, "3 or more"),
        ({"growth": [["digits", "digits"]]}, "growth: holds a name twice: digits, digits"),
        ({"growth": [["digits", "flower"]]}, "growth: 'flower' is unknown: did you mean 'flowers'"),
        ({"growth": "digits"}, "list of pairs"),
        ({"swept": "cosine"}, "swept: 'cosine' is unknown"),
        ({"sweep": []}, "give each parameter two labels or more with their values"),
        ({"sweep": {"start": {"linear": 0.1}}}, "two labels or more"),
        ({"sweep": {"start": {"linear": 0.1, "shaky": "much"}}}, "each is a number"),
    ],
)
def test_wrong_options_are_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        Steadiness({**OPTIONS, **changes}, NAMES)
    assert "\n" not in str(caught.value)


def test_a_baseline_is_asked_for() -> None:
    with pytest.raises(ValueError, match="'baseline' is missing"):
        Steadiness({"schedules": ["sigmoid"]}, NAMES)
