"""Ratios of what was measured, and names that tell arms apart."""

from __future__ import annotations

import math

import pytest
from editing import replace
from measuredcells import folder, measured

from selbench.reports.effects.estimate import Estimates
from selbench.reports.questions.answer import Answer
from selbench.reports.questions.measuredarms import answered, ratio_of, shown
from selbench.reports.records.measured import Distance, Measures


def test_a_ratio_is_the_geometric_mean_and_takes_two_seeds():
    found = ratio_of("q", {"dataset": "d"}, {3: math.log(2.0), 5: math.log(8.0)})
    assert found.value == pytest.approx(4.0) and found.n == 2 and found.low < 4.0 < found.high
    lone = ratio_of("q", {"dataset": "d"}, {3: math.log(2.0)})
    assert (lone.value, lone.low, lone.n) == (None, None, 1)
    assert shown("q")(Estimates([lone])) == shown("q")(Estimates()) == "–"
    assert shown("q")(Estimates([replace(found, low=4.0, high=4.0)])) == "4.00 [4.00, 4.00]"


DISTANCE = Distance(
    reference="squeezenet1_1",
    samples=8,
    draws=8,
    size=32.0,
    quantile=0.05,
    minimum=2.0,
    low=3.0,
    random_minimum=2.0,
    random_low=3.0,
)


def test_arms_of_one_label_are_told_apart(tmp_path):
    results = folder(tmp_path, ("gstds", "loss"), seeds=2)
    one = Measures(distance=DISTANCE)
    arm = next(arm for arm in results.matrix.arms.values() if arm.label == "gstds")
    cells = [replace(cell, arm="again") for cell in results.cells if cell.arm == arm.key]
    arms = {**results.matrix.arms, "again": replace(arm, key="again", reference="resnet50")}
    both = replace(results, matrix=replace(results.matrix, arms=arms), cells=(*results.cells, *cells))
    seen = {}

    def part(dataset, found):
        seen.update({key: of.name for key, of in found.items()})
        return Answer(f"{dataset.title}.", enough=True)

    answered(measured(both, lambda arm, cell: one), lambda measures: measures.distance, part, "Nothing.")
    assert (seen[arm.key], seen["again"]) == (f"gstds ({arm.reference})", "gstds (resnet50)")
    assert "loss" in seen.values() and len({*seen.values()}) == len(seen)
