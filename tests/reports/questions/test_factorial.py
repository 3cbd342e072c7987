"""Factorial studies: effects of known size are found, and what is lacking is said."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from editing import replace
from synthetic import write_results

from selbench.reports.questions.answer import Names
from selbench.reports.questions.factorial import Factorial
from selbench.reports.records.folder import Results

SEEDS = 8
FACTORS = {"score": ["random", "Fiedler"], "schedule": ["fixed", "sigmoid"], "sampling": ["top", "hybrid"]}
LEVELS = {
    "twin of gstds-fixed": ["random", "fixed", "top"],
    "twin of gstds": ["random", "sigmoid", "top"],
    "random-hybrid-fixed": ["random", "fixed", "hybrid"],
    "random-hybrid": ["random", "sigmoid", "hybrid"],
    "fiedler-fixed": ["Fiedler", "fixed", "top"],
    "fiedler": ["Fiedler", "sigmoid", "top"],
    "gstds-fixed": ["Fiedler", "fixed", "hybrid"],
    "gstds": ["Fiedler", "sigmoid", "hybrid"],
}
LABELS = tuple(label for label in LEVELS if not label.startswith("twin of"))
CONTROLS = ("degree", "shuffled")
OPTIONS = {
    "centre": "gstds",
    "factors": FACTORS,
    "levels": LEVELS,
    "controls": list(CONTROLS),
    "diagnostics": ["participation"],
}
NAMES = Names(("digits",), ("holdout",), LABELS + CONTROLS)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Results:
    """Records of every arm; those under the fixed schedule have a twin of their own."""
    path = tmp_path_factory.mktemp("factorial")
    read = Results.read(write_results(path, effects=dict.fromkeys((*LABELS, *CONTROLS, "random"), 0.0), seeds=SEEDS))
    twin = next(arm for arm in read.matrix.arms.values() if arm.label == "random")
    arms = {
        key: replace(arm, twin=twin.key) if arm.label.endswith("-fixed") else arm
        for key, arm in read.matrix.arms.items()
    }
    arms[twin.key] = replace(twin, role="twin", twin="")
    return replace(read, matrix=replace(read.matrix, arms=arms))


def with_accuracies(folder: Results, points: dict[str, np.ndarray]) -> Results:
    """The folder with other accuracies, in per cent, one for each seed; arms that are not named keep theirs."""
    named = {arm.key: points[label] for label, arm in keys(folder).items() if label in points}
    cells = tuple(
        replace(cell, accuracy=float(named[cell.arm][cell.seed]) / 100) if cell.arm in named else cell
        for cell in folder.cells
    )
    return replace(folder, cells=cells)


def keys(folder: Results) -> dict:
    """Each arm under the label that the design gives it."""
    arms = folder.matrix.arms.values()
    found = {arm.label: arm for arm in arms if arm.role == "strategy"}
    return found | {f"twin of {label}": folder.matrix.arms[found[label].twin] for label in ("gstds", "gstds-fixed")}


def simulated(seed: int, *, noise: float = 0.5, score: float = 0.0, schedule: float = 0.0, joint: float = 0.0) -> dict:
    """Accuracies with effects of the score, of the schedule and of both together, blocks and noise."""
    draw = np.random.default_rng(seed)
    blocks = draw.normal(70.0, 2.0, SEEDS)
    points = {label: blocks + draw.normal(0.0, noise, SEEDS) for label in (*LEVELS, *CONTROLS)}
    for label, levels in LEVELS.items():
        a, b = (1 if levels[i] == FACTORS[name][1] else -1 for i, name in enumerate(("score", "schedule")))
        points[label] = points[label] + (score * a + schedule * b + joint * a * b) / 2
    return points


def study(**changes) -> Factorial:
    return Factorial(OPTIONS | changes, NAMES)


def quantities(answer) -> dict:
    return {(each.name, each.strategy): each for each in answer.quantities}


def test_effects_without_noise_are_what_was_put_in(folder):
    points = simulated(0, noise=0.0, score=1.0, schedule=2.0, joint=0.5)
    answer = study().answer(with_accuracies(folder, points), {})
    found = {name: each.estimate for (name, _), each in quantities(answer).items()}
    assert found["effect of score"] == pytest.approx(1.0)
    assert found["effect of schedule"] == pytest.approx(2.0)
    assert found["effect of sampling"] == pytest.approx(0.0, abs=1e-9)
    assert found["effect of score \u00d7 schedule"] == pytest.approx(0.5)
    # Random picks gain 2 - .5 by the schedule; what is left of its effect is the picks' own.
    assert found["effect of schedule on what the picks bring"] == pytest.approx(0.5)
    assert found["effect of score on what the picks bring"] == pytest.approx(1.0)
    assert answer.enough
    assert answer.sentence == (
        "Digits: of gstds's parts, schedule (sigmoid against fixed) moves accuracy most, by +2.00 points (8 seeds)."
    )


def test_intervals_cover_the_truth_as_often_as_they_say(folder):
    """Both kinds; the schedule's effect on what the picks bring is the one that shared twins make noisier."""
    reader = study(controls=[])
    truth = {"score": 0.3, "schedule": 0.5}
    names = ("effect of score", "effect of schedule", "effect of schedule on what the picks bring")
    hits = dict.fromkeys(names, 0)
    for seed in range(200):
        found = quantities(reader.answer(with_accuracies(folder, simulated(seed, **truth)), {}))
        for name, true in zip(names, (0.3, 0.5, 0.0), strict=True):
            hits[name] += found[name, ""].low <= true <= found[name, ""].high
    assert all(182 <= count <= 199 for count in hits.values()), hits


def test_only_whole_blocks_count_and_it_is_said(folder):
    points = simulated(1, noise=0.0, score=1.0)
    spoilt = with_accuracies(folder, points)
    gone = keys(folder)["fiedler-fixed"].key
    cells = tuple(cell for cell in spoilt.cells if not (cell.arm == gone and cell.seed in (2, 5)))
    answer = study().answer(replace(spoilt, cells=cells), {})
    assert quantities(answer)["effect of score", ""].n == SEEDS - 2
    assert quantities(answer)["effect of score", ""].estimate == pytest.approx(1.0)
    assert "Digits: 2 seeds without every arm of the design left out." in answer.notes


@pytest.mark.parametrize("left", [0, 1])
def test_too_few_seeds_are_no_answer(folder, left):
    cells = tuple(cell for cell in folder.cells if cell.seed < left)
    answer = study().answer(replace(folder, cells=cells), {})
    assert not answer.enough
    there = "there is 1." if left else "there is none."
    assert (
        answer.sentence == f"Digits: no answer yet, since it takes 2 seeds with all 8 arms of the design, and {there}"
    )
    assert all(each.estimate is None and each.low is None for each in answer.quantities)


def test_an_arm_that_is_not_in_the_folder_is_named(folder):
    arms = {key: arm for key, arm in folder.matrix.arms.items() if arm.label != "fiedler"}
    answer = study().answer(replace(folder, matrix=replace(folder.matrix, arms=arms)), {})
    assert not answer.enough and answer.sentence == "Digits: no answer yet, since fiedler is not among its arms."
    answer = study().answer(replace(folder, matrix=replace(folder.matrix, arms={})), {})
    assert not answer.enough and answer.tables == ()


def test_controls_are_paired_with_the_centre(folder):
    points = simulated(2, noise=0.0)
    points["degree"] = points["gstds"] - 1.5
    points["shuffled"] = points["gstds"] + np.array([0.1, -0.1] * 4)
    answer = study().answer(with_accuracies(folder, points), {})
    found = quantities(answer)["difference in accuracy", "degree"]
    assert (found.estimate, found.rival, found.n) == (pytest.approx(-1.5), "gstds", SEEDS)
    table = next(table for table in answer.tables if "controls" in table.title)
    assert [row[0] for row in table.rows] == ["gstds", "degree", "shuffled"]
    assert [row[1] for row in table.rows[:2]] == ["\u2013", "\u22121.50"]
    assert [row[table.columns.index("participation")] for row in table.rows] == ["3.5", "\u2013", "\u2013"]
    assert all(len(row) == len(table.columns) for table in answer.tables for row in table.rows)


def test_the_chart_has_an_interval_for_each_effect(folder):
    (chart,) = study().answer(with_accuracies(folder, simulated(3)), {}).charts
    assert len(chart.ticks) == 6 and chart.level == 0.0
    for series in chart.series:
        assert len(series.x) == len(series.y) == len(series.low) == len(series.high) == 6
        assert all(low <= y <= high for low, y, high in zip(series.low, series.y, series.high, strict=True))


def test_collapsed_runs_are_counted(folder):
    points = simulated(4)
    points["gstds"][3] = 10.0
    answer = study().answer(with_accuracies(folder, points), {})
    assert "Digits: 1 run collapsed, and count as they are." in answer.notes


TWO = {"score": FACTORS["score"], "schedule": FACTORS["schedule"]}
HALF = {label: LEVELS[label] for label in ("fiedler-fixed", "gstds", "random-hybrid-fixed", "fiedler")}
PLANE = {
    label: [a, b, "hybrid" if (a == "Fiedler") == (b == "sigmoid") else "top"]
    for label, (a, b) in zip(LABELS, product(FACTORS["score"], FACTORS["schedule"]), strict=False)
}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"centre": "gstsd"}, r"centre: 'gstsd' is unknown: did you mean 'gstds'\?"),
        ({"controls": ["degre"]}, "did you mean 'degree'"),
        ({"controls": ["degree", "degree"]}, "holds a name twice"),
        ({"controls": "degree"}, "option 'controls' = 'degree' is wrong: give a list of names"),
        ({"level": {}}, "option 'level' is unknown: did you mean 'levels'"),
        ({"factors": {"score": FACTORS["score"]}}, "two factors or more"),
        ({"factors": FACTORS | {"score": ["random"]}}, "give two factors or more, each with two unlike levels"),
        ({"levels": LEVELS | {"gstds": ["Fiedler", "sigmoid"]}}, "levels of 'gstds' must be one for each of score"),
        ({"levels": LEVELS | {"gstds": ["Fidler", "sigmoid", "top"]}}, "score: 'Fidler' is unknown: did you mean"),
        ({"levels": LEVELS | {"gstds": LEVELS["fiedler"]}}, "'fiedler' and 'gstds' have the same levels"),
        ({"levels": LEVELS | {"twin of nobody": LEVELS["gstds"]}}, "'gstds' and 'twin of nobody' have the same"),
        ({"levels": {}}, "option 'levels' = {} is wrong: give each arm's label"),
        ({"levels": HALF}, "confounded"),
        ({"levels": PLANE}, "'score . schedule' is confounded with 'sampling'"),
        ({"factors": TWO, "levels": {"gstds": ["Fiedler", "sigmoid"], "fiedler-fixed": ["random", "fixed"]}},
         "'schedule' is confounded with 'score'"),
        ({"factors": TWO, "levels": dict(zip(("twin of nobody", *LABELS), product(*TWO.values()), strict=False))},
         "'nobody' is unknown"),
    ],
)  # fmt: skip
def test_wrong_declarations_say_how_to_mend_them(changes, message):
    with pytest.raises(ValueError, match=message) as caught:
        study(**changes)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("key", ["centre", "factors", "levels"])
def test_what_is_missing_is_named(key):
    with pytest.raises(ValueError, match=f"option '{key}' is missing"):
        Factorial({name: value for name, value in OPTIONS.items() if name != key}, NAMES)
