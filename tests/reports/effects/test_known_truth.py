"""Results made with a truth that is known: every verdict comes out as it should, and errs as rarely as declared."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tomli_w
from editing import replace
from synthetic import write_results

from selbench.reports.effects.contrasts import contrasts, verdicts
from selbench.reports.effects.pairing import Pairs
from selbench.reports.effects.verdicts import (
    INCONCLUSIVE,
    INFERIOR,
    NON_INFERIOR,
    SUPERIOR,
    WITHHELD,
    WORSE,
    WORSE_WITHIN,
)
from selbench.reports.records.folder import Results
from selbench.reports.statistics import power_noninferior
from selbench.reports.summary import summarise

ALPHA, MARGIN, SEEDS, NOISE = 0.05, 1.0, 12, 0.35
SD = NOISE * math.sqrt(2)
"""Of a paired difference: two runs' own noise; what a seed does to both is gone."""

SETS = {"t": 200, "sign-flip": 80}
NOT_WORSE = (SUPERIOR, NON_INFERIOR, WORSE_WITHIN)

DRAWN = {"better": 0.6, "equal": 0.0, "little worse": -0.5, "edge": -MARGIN, "edge too": -MARGIN, "worse": -2.0}
DRAWN |= {"noisy": 0.0, "collapsed": 0.0}
NOISES = {"noisy": 1.2}


class Draws:
    """The cells of one folder, drawn anew around a truth, in memory."""

    def __init__(self, template: Results) -> None:
        whole = {  # without random picks, whose contrasts nobody looks at here
            key: replace(arm, twin="")
            for key, arm in template.matrix.arms.items()
            if arm.role == "strategy" or arm.label == "full"
        }
        self.template = replace(template, matrix=replace(template.matrix, arms=whole))

    def verdicts(self, truth: Mapping[str, float], seed: int, interval: str) -> dict[str, str]:
        """Each strategy's verdict against full training."""
        draw, arms = np.random.default_rng([29, seed]), self.template.matrix.arms
        shared = draw.normal(0.0, 0.4, SEEDS)
        points = {
            key: 90.0 + truth.get(arm.label, 0.0) + shared + NOISES.get(arm.label, NOISE) * draw.standard_normal(SEEDS)
            for key, arm in arms.items()
        }
        for key, arm in arms.items():
            if arm.label == "collapsed":
                points[key][0] = 10.0
        cells = tuple(replace(c, accuracy=points[c.arm][c.seed] / 100) for c in self.template.cells if c.arm in arms)
        results = replace(self.template, cells=cells, matrix=replace(self.template.matrix, interval=interval))
        found = contrasts(Pairs(results), lambda asks, of: asks == "accuracy" and of.arm.role == "strategy")
        return {row.arm.label: of.verdict for row, of in zip(found, verdicts(results, found), strict=True)}


@pytest.fixture(scope="module")
def draws(tmp_path_factory: pytest.TempPathFactory) -> Draws:
    """Declared: both strategies that are worse by the margin itself, and one that is equal."""
    primary = [f"{label}:accuracy" for label in ("edge", "edge too", "equal")]
    path = write_results(tmp_path_factory.mktemp("truth"), seeds=SEEDS, effects=DRAWN, test_n=50, primary=primary)
    table = tomllib.loads((path / "matrix.toml").read_text())
    table["analysis"]["scope"] = "test-set"  # the runs' bits are not those of the accuracies drawn
    (path / "matrix.toml").write_text(tomli_w.dumps(table))
    return Draws(Results.read(path))


@pytest.fixture(scope="module", params=list(SETS))
def drawn(request: pytest.FixtureRequest, draws: Draws) -> list[dict[str, str]]:
    """The verdicts of many sets of results under one truth."""
    return [draws.verdicts(DRAWN, seed, request.param) for seed in range(SETS[request.param])]


def rate(drawn: list[dict[str, str]], label: str, *verdicts: str) -> float:
    return sum(found[label] in verdicts for found in drawn) / len(drawn)


def allowed(drawn: list[dict[str, str]]) -> float:
    """Alpha and two standard errors of so many draws."""
    return ALPHA + 2 * math.sqrt(ALPHA * (1 - ALPHA) / len(drawn))


def test_a_strategy_worse_by_the_margin_is_hardly_ever_called_non_inferior(drawn: list[dict[str, str]]) -> None:
    """The declared family as a whole: two true nulls that share their baseline, beside a strategy that is equal."""
    either = sum(any(found[label] in NOT_WORSE for label in ("edge", "edge too")) for found in drawn) / len(drawn)
    assert 0 < either <= allowed(drawn)
    assert rate(drawn, "edge", INFERIOR) <= allowed(drawn), "nor inferior: it lies on the margin"
    assert rate(drawn, "worse", *NOT_WORSE) == 0


def test_no_strategy_is_called_superior_without_being_better(drawn: list[dict[str, str]]) -> None:
    for label in ("equal", "noisy"):
        assert rate(drawn, label, SUPERIOR) <= allowed(drawn)
    for label in ("little worse", "edge", "worse"):
        assert rate(drawn, label, SUPERIOR) == 0


def test_what_is_there_is_found(drawn: list[dict[str, str]]) -> None:
    assert rate(drawn, "better", SUPERIOR) >= 0.95
    assert rate(drawn, "equal", *NOT_WORSE) >= 0.98
    assert rate(drawn, "little worse", WORSE_WITHIN) >= 0.85
    assert rate(drawn, "worse", INFERIOR) >= 0.98


def test_noise_leaves_open_as_often_as_the_power_function_says(drawn: list[dict[str, str]]) -> None:
    """So many pairs of this SD show non-inferiority about as often; what they do not show is left open."""
    power = power_noninferior(SEEDS, math.hypot(NOISE, NOISES["noisy"]), MARGIN, alpha=ALPHA)
    error = math.sqrt(power * (1 - power) / len(drawn))
    assert rate(drawn, "noisy", *NOT_WORSE) == pytest.approx(power, abs=3 * error)
    assert rate(drawn, "noisy", INCONCLUSIVE) == pytest.approx(1 - power, abs=3 * error)


def test_one_collapsed_run_withholds_the_verdict_in_every_set(drawn: list[dict[str, str]]) -> None:
    assert rate(drawn, "collapsed", WITHHELD) == 1


# One folder, all three questions. Full training has -0.93 points at these strategies' cost
# (0.526 of full, one point for each halving), and as many random picks -0.5.
TRUTH: dict[str, tuple[float, tuple[str, str, str]]] = {
    "better": (2.0, (SUPERIOR, SUPERIOR, SUPERIOR)),
    "equal": (0.0, (NON_INFERIOR, SUPERIOR, SUPERIOR)),
    "like random": (-0.5, (WORSE_WITHIN, NON_INFERIOR, SUPERIOR)),
    "like training less": (-0.93, (WORSE, WORSE_WITHIN, NON_INFERIOR)),
    "poor": (-1.25, (INFERIOR, WORSE_WITHIN, WORSE_WITHIN)),
    "inferior": (-4.0, (INFERIOR, INFERIOR, INFERIOR)),
    "noisy": (0.0, (INCONCLUSIVE, INCONCLUSIVE, INCONCLUSIVE)),
    "collapsed": (0.0, (WITHHELD, WITHHELD, WITHHELD)),
    "bad and collapsed": (-60.0, (INFERIOR, INFERIOR, INFERIOR)),
}
QUESTIONS = ("accuracy", "picking", "pays")


def told(path: Path, **more: Any) -> dict[str, Any]:
    truth = {"seeds": 12, "effects": {label: effect for label, (effect, _) in TRUTH.items()}, "noises": {"noisy": 4.0}}
    collapse = [("collapsed", 3), ("bad and collapsed", 5)]
    truth |= {"collapse": collapse, "cost_twins": "all"}
    return summarise(Results.read(write_results(path, **{**truth, **more})))


@pytest.fixture(scope="module", params=["t", "sign-flip"])
def summary(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return told(tmp_path_factory.mktemp("folder"), interval=request.param)


def answer(summary: dict[str, Any], label: str, question: str, dataset: str = "digits") -> dict[str, Any]:
    (row,) = [
        row
        for row in summary["contrasts"]
        if (row["dataset"], row["strategy"], row["question"]) == (dataset, label, question)
        and (question != "pays" or row["baseline"] == "cost twin")
    ]
    return row


@pytest.mark.parametrize("label", TRUTH)
def test_each_strategy_gets_its_verdict_in_all_three_questions(summary: dict[str, Any], label: str) -> None:
    rows = [answer(summary, label, question) for question in QUESTIONS]
    assert tuple(row["verdict"] for row in rows) == TRUTH[label][1]
    assert all(row["primary"] == (label == "better") for row in rows)


def test_every_row_agrees_with_itself(summary: dict[str, Any]) -> None:
    """Whatever the question and account: the verdict, its interval and its p-values tell one story."""
    for row in summary["contrasts"]:
        low, high, margin, verdict = row["ci_low"], row["ci_high"], row["margin"], row["verdict"]
        if verdict.startswith("no verdict"):
            assert row["cost"] == "wall_clock" or row["ladder"]
            assert row["p_noninferior"] is row["p_superior"] is None
            continue
        if row["ladder"] in ("full", "uniform"):
            assert verdict in (INFERIOR, "worse", WITHHELD) and (verdict == WITHHELD or high < 0)
            continue
        level = (1 - row["confidence"]) / 2
        assert (row["p_noninferior"] <= level) == (low > -margin)
        assert (verdict == SUPERIOR) == (low > 0 and row["p_superior"] <= level and not row["collapsed"])
        assert (verdict == INFERIOR) == (high < -margin)
        assert verdict not in NOT_WORSE or (low > -margin and not row["collapsed"])
        assert (verdict == WORSE) == (low <= -margin <= high < 0 and not row["collapsed"])
        assert (verdict == WITHHELD) == bool(row["collapsed"] and high >= -margin)


def test_what_is_open_says_what_it_would_take(summary: dict[str, Any]) -> None:
    row = answer(summary, "noisy", "accuracy")
    assert row["seeds_needed"] > row["n_pairs"] and row["smallest_margin"] > row["margin"]
    enough = power_noninferior(row["seeds_needed"], row["sd"], row["margin"], alpha=(1 - row["confidence"]) / 2)
    assert enough >= 0.8 > power_noninferior(row["n_pairs"], row["sd"], row["margin"])
    measured = row["mean_difference"]
    least, alpha = row["seeds_needed_measured"], (1 - row["confidence"]) / 2
    powers = [
        power_noninferior(n, row["sd"], row["margin"], alpha=alpha, difference=measured) for n in (least - 1, least)
    ]
    assert powers[0] < 0.8 <= powers[1]


def test_over_twelve_data_sets_the_order_is_the_true_one(tmp_path: Path) -> None:
    effects = {"best": 2.0, "good": 1.0, "equal": 0.0, "bad": -3.0}
    names = [f"set {i}" for i in range(12)]
    opposite = {names[0]: {"best": -2.0}}
    summary = told(tmp_path, seeds=3, datasets=names, effects=effects, effects_on=opposite, collapse=(), test_n=500)
    assert summary["ranks"]["datasets"] == 12 and summary["ranks"]["p"] < 1e-4
    order = [arm["label"] for arm in summary["ranks"]["arms"]]
    assert order[:2] == ["best", "good"] and set(order[2:4]) == {"equal", "full"} and order[4:] == ["uniform", "bad"]
    pooled = {row["strategy"]: row for row in summary["pooled"] if row["question"] == "accuracy"}
    for label, effect in effects.items():
        true = effect - 4 / 12 if label == "best" else effect
        assert pooled[label]["mean_difference"] == pytest.approx(true, abs=0.15)
        assert pooled[label]["n_datasets"] == 12
    assert pooled["best"]["ci_low"] > 1 and pooled["best"]["p_superior"] < 1e-4
    assert pooled["best"]["probability_of_improvement"]["estimate"] == pytest.approx(11 / 12)
    assert [item["mean_difference"] < 0 for item in pooled["best"]["datasets"]] == [True] + 11 * [False]
    assert not any(row["primary"] for row in summary["pooled"] if row["strategy"] != "best")
