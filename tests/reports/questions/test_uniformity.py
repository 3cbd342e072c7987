"""Distance against speed, where their relation is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from asked import plain
from editing import replace
from measuredcells import folder, measured, names

from selbench.reports.questions.uniformity import QUANTITY, Uniformity, _area, _reached
from selbench.reports.records.measured import Distance, Measures

LABELS = tuple(f"rule-{place}" for place in range(9))
STATIC = f"{QUANTITY}, one subset for the run"


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return folder(tmp_path_factory.mktemp("uniformity"), LABELS, LABELS)


def simulated(results, slope, noise=0.0, seed=0, rules=9):
    """Rule i lies i steps farther apart than random, and gains ``slope`` points of area for each."""
    draw = np.random.default_rng(seed)
    scatter = {label: draw.normal() for label in LABELS}

    def make(arm, cell):
        if arm.role != "strategy" or arm.label not in LABELS[:rules]:
            return None
        apart = math.exp(0.1 * LABELS.index(arm.label) - 0.4)
        found = {"minimum": 2 * apart, "low": 3.0, "random_minimum": 2.0, "random_low": 3.0}
        counts = {"samples": 8, "draws": 32, "size": 32.0, "quantile": 0.05}
        return Measures(distance=Distance(reference="squeezenet1_1", **counts, **found))

    read = measured(results, make)
    arms, cells = read.matrix.arms, []
    for cell in read.cells:
        arm, gain = arms[cell.arm], noise / 4 * draw.normal()
        if arm.role == "strategy":
            gain += slope * (LABELS.index(arm.label) - 4) + noise * scatter[arm.label]
        curve = tuple(replace(point, val_accuracy=0.5 + gain / 100) for point in cell.curve)
        cells.append(replace(cell, curve=curve))
    return replace(read, cells=tuple(cells))


def read(results, **options):
    answer = plain(Uniformity(options, names(LABELS)).answer(results, {}))
    return answer, {each.name: each for each in answer.quantities}


def test_rules_in_one_order_correlate(results):
    answer, found = read(simulated(results, 0.3))
    assert found[STATIC].estimate == pytest.approx(1.0) and found[STATIC].low > 0.5
    assert answer.sentence.startswith(
        "Digits: over 9 rules that pick once (6 seeds), minimum distance of picks and speed of training have rank "
        "correlation 1 ["
    )
    assert answer.sentence.endswith("]: picks that lie farther apart go with faster training.")
    first, last = answer.tables[0].rows[0], answer.tables[0].rows[-1]
    assert last[0] == "rule-0" and last[2].startswith("0.67 [") and last[3].startswith("\u22121.20 [")
    assert first[0] == "rule-8" and first[2] == "1.49 [1.49, 1.49]" and first[3].startswith("+1.20 [")
    assert read(simulated(results, -0.3))[1][STATIC].estimate == pytest.approx(-1.0)


def test_where_there_is_no_relation_none_is_claimed_too_often(results):
    false = 0
    for seed in range(40):
        answer, found = read(simulated(results, 0.0, noise=1.0, seed=seed))
        told = found[STATIC].low > 0 or found[STATIC].high < 0
        assert told != ("goes with faster training cannot be told" in answer.sentence)
        false += told
    assert false <= 7


def test_what_is_lacking_is_said(results):
    assert read(results)[0].sentence == "No answer yet: no run says the distances between its picks."
    answer, found = read(simulated(results, 0.3, rules=7))
    assert not answer.enough and "it takes 8 rules" in answer.sentence and not found
    assert len(answer.tables[0].rows) == 7


def test_area_and_first_crossing():
    progress, accuracy = np.array([0.25, 0.5, 1.0]), np.array([0.2, 0.4, 0.6])
    assert _area(progress, accuracy) == pytest.approx(0.25 * 0.2 + 0.25 * 0.3 + 0.5 * 0.5)
    assert _reached(progress, accuracy, 0.5) == pytest.approx(0.75)
    assert _reached(progress, accuracy, 0.1) == 0.25 and _reached(progress, accuracy, 0.7) == 1.0


@pytest.mark.parametrize("options", [{"level": 0}, {"level": 1}, {"level": "most"}, {"levels": 0.9}])
def test_options_that_cannot_work_are_refused(options):
    with pytest.raises(ValueError, match="level"):
        Uniformity(options, names(LABELS))
