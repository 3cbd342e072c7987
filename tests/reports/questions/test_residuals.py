"""Residuals that decay at known rates, read at equal cost."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
from asked import plain
from measuredcells import folder, measured, names

from selbench.reports.questions.residuals import Residuals
from selbench.reports.records.measured import Measures
from selbench.reports.records.measured import Residuals as Taken

LABELS = ("spectral-oracle", "jest", "static")
OPTIONS = {"oracle": "spectral-oracle", "approximations": ["jest"], "groups": [2, 4]}
RATES = {"spectral-oracle": 3.0, "jest": 2.5, "static": 1.5, "": 2.0}
COSTS = {"spectral-oracle": 1.5, "jest": 1.0, "static": 0.8, "": 1.0}
"""Rates of the tail, and costs, of rules and (under the empty name) of random picks; heads decay twice as fast."""
MEAN = 21 / 40
"""Of 1/20, 2/20, ..., 1: log ratios of exponential decays grow in proportion to the cost."""


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return folder(tmp_path_factory.mktemp("residuals"), LABELS, ("static",))


def simulated(results, noise=0.0, seed=0, points=7):
    draw = np.random.default_rng(seed)

    def make(arm, cell):
        name = arm.label if arm.role == "strategy" else ""
        flops = COSTS[name] * np.arange(1, points + 1) / points
        rates = RATES[name] * np.array([2.0] * 2 + [1.5] * 2 + [1.0] * 3) + noise * draw.normal()
        taken = zip((flops / flops[-1]).tolist(), flops.tolist(), np.exp(-flops[:, None] * rates).tolist(), strict=True)
        return Measures(residuals=Taken(reference="squeezenet1_1", images=100, directions=7, points=list(taken)))

    return measured(results, make)


def read(results, **options):
    answer = plain(Residuals(OPTIONS | options, names(LABELS)).answer(results, {}))
    return answer, {(each.name, each.strategy): each for each in answer.quantities}


def left(group: str, when: str = "at equal total FLOPs") -> str:
    return f"residual left in the {group} of the spectrum {when} as a multiple of the twin's"


def test_decay_is_read_at_the_cost_that_both_have_spent(results):
    answer, found = read(simulated(results))
    # The oracle and its twin up to 1, where the oracle is at two thirds of its run; the static rule's end is at 0.8.
    assert found[left("tail"), "spectral-oracle"].estimate == pytest.approx(math.exp(-1.0 * MEAN))
    assert found[left("head"), "spectral-oracle"].estimate == pytest.approx(math.exp(-2.0 * MEAN))
    assert found[left("middle"), "jest"].estimate == pytest.approx(math.exp(-0.75 * MEAN))
    assert found[left("tail"), "static"].estimate == pytest.approx(math.exp(0.5 * 0.8 * MEAN))
    assert found[left("tail", "after equal passes"), "spectral-oracle"].estimate == pytest.approx(math.exp(-4.5 + 2))
    assert {each.rival for each in answer.quantities} == {"twin"}
    assert answer.sentence == (
        "Digits: at equal total FLOPs, spectral-oracle leaves 0.59 [0.59, 0.59] times the residual that random picks "
        "leave in the tail (6 seeds): the tail is learned faster."
    )
    assert [row[0] for row in answer.tables[0].rows] == list(LABELS) and "5 to 7 (tail)" in answer.tables[0].note
    assert answer.tables[0].rows[0][2:6:2] == ("0.35 [0.35, 0.35]", "0.59 [0.59, 0.59]")
    assert answer.tables[0].rows[1][4] == "0.77 [0.77, 0.77]"
    assert answer.tables[0].rows[0][-3:-1] == ("3.000", "2.000")


def test_the_interval_covers_the_truth(results):
    hits = 0
    for seed in range(100):
        _, found = read(simulated(results, noise=0.3, seed=seed))
        one = found[left("tail"), "jest"]
        hits += one.low <= math.exp(-0.5 * MEAN) <= one.high
    assert 88 <= hits <= 100


def test_runs_that_diverged_and_lone_seeds_are_said(results):
    def broken(arm, cell):
        energies = None if cell.seed else [0.5] * 7
        points = [(0.5, 1.0, energies), (1.0, 2.0, energies)]
        return Measures(residuals=Taken(reference="squeezenet1_1", images=100, directions=7, points=points))

    answer, _ = read(measured(results, broken))
    assert not answer.enough and "it takes 2 seeds of spectral-oracle" in answer.sentence
    assert re.search(r"left out: \d+ runs that diverged\.$", answer.sentence)
    assert read(results)[0].sentence == "No answer yet: no run says its residual by eigen-direction."


def test_too_few_directions_for_the_groups_are_no_answer(results):
    assert not read(simulated(results), groups=[3, 7])[0].enough


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "'oracle' is missing: give the rule that follows the residual"),
        ({"oracle": "oracle"}, "oracle: 'oracle' is unknown"),
        (
            {"oracle": "jest", "approximations": "loss"},
            "option 'approximations' = 'loss' is wrong: give a list of names",
        ),
        ({"oracle": "jest", "approximations": ["loss"]}, "approximations: 'loss' is unknown"),
        ({"oracle": "jest", "groups": [8]}, "last directions"),
        ({"oracle": "jest", "groups": [8, 8]}, "last directions"),
        ({"oracle": "jest", "group": [8, 9]}, "option 'group' is unknown: did you mean 'groups'"),
    ],
)
def test_options_that_cannot_work_are_refused(options, words):
    with pytest.raises(ValueError, match=words) as raised:
        Residuals(options, names(LABELS))
    assert "\n" not in str(raised.value)
