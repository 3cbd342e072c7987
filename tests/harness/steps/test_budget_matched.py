from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq

from selbench.harness.plan.arms import pacer_of, schedule_of
from selbench.harness.plan.matrix import parse
from selbench.harness.steps.budget_matched import paced
from selbench.harness.steps.pacer import Pacer
from selbench.harness.steps.schedules import BudgetMatched, load_schedule
from selbench.harness.steps.step_iterator import steps_of
from selbench.strategies import UsageError

SHAPES = [
    {"name": "fixed", "ratio": 0.3},
    {"name": "sigmoid"},
    {"name": "linear", "start": 1.0, "end": 0.3},
    {"name": "cosine"},
    {"name": "step", "ratios": [0.3, 0.9, 0.5], "at": [0.2, 0.6]},
]
shapes = st.sampled_from(SHAPES)
shares = st.floats(0.2, 1.0)


def pacer(shape, share, batching="fixed-candidates", **more):
    settings = {"pool": 640, "batch": 32, "passes": 6.0, **more}
    return paced(BudgetMatched(share, shape), batching=batching, **settings)


def totals(steps):
    return sum(s.keep for s in steps), sum(s.size for s in steps)


@given(shapes, shares, st.sampled_from([{"passes": 6.0}, {"passes": None, "steps": 101}]), st.integers(2, 16))
def test_every_shape_trains_on_the_same_number_of_samples(shape, share, budget, buckets):
    run = pacer(shape, share, buckets=buckets, **budget)
    steps = list(steps_of(run))
    trained, candidates = totals(steps)
    assert candidates == 32 * (budget.get("steps") or 120)
    assert trained == round(share * candidates)
    assert {(s.size, s.keep) for s in steps} <= set(run.every_size())
    assert run.lowest() == min(s.keep for s in steps) / 32


@given(shapes, shares)
def test_at_cadence_epoch_less_than_a_sample_a_step_of_one_epoch_is_missing(shape, share):
    steps = list(steps_of(pacer(shape, share, hold=True)))
    trained, candidates = totals(steps)
    assert 0 <= round(share * candidates) - trained < 640 // 32
    for epoch in range(6):
        assert len({s.keep for s in steps if s.epoch == epoch}) == 1


@settings(max_examples=20)
@given(shapes, st.floats(0.4, 1.0), st.sampled_from([{"passes": 6.0}, {"passes": None, "steps": 101}]))
def test_with_sub_batches_of_one_size_the_share_is_met_as_nearly_as_whole_candidates_allow(shape, share, budget):
    steps = list(steps_of(pacer(shape, share, "fixed-trained", batch=16, **budget)))
    trained, candidates = totals(steps)
    assert {s.keep for s in steps} == {16}
    # A candidate batch of each step, more or less by one; and one step, more or less.
    assert abs(trained - share * candidates) <= share * len(steps) + 16


@given(shapes, shares)
def test_the_shape_is_kept_and_few_sizes_occur(shape, share):
    whole = Pacer(640, 32, "fixed-candidates", load_schedule(**shape), passes=6.0)
    before, after = [s.keep for s in steps_of(whole)], [s.keep for s in steps_of(pacer(shape, share))]
    assert len(set(after)) <= 2 * len(set(before))
    uncut = [(a, b) for a, b in zip(before, after, strict=True) if b < 32]
    factor = np.median([b / a for a, b in uncut]) if uncut else 1.0
    # One factor for all that was not cut at the whole batch, but for rounding and one sample of the remainder.
    assert all(abs(b - factor * a) <= 2.5 for a, b in uncut)


def test_a_case_by_hand():
    """Two levels of 4 steps, 8 and 16 of 32: 9 and 18 are 108 of 256; the 2 more go to the last steps."""
    shape = {"name": "step", "ratios": [0.25, 0.5]}
    steps = list(steps_of(pacer(shape, 110 / 256, passes=None, steps=8)))
    assert [s.keep for s in steps] == [9, 9, 9, 9, 18, 18, 19, 19]


@given(shapes, shares)
def test_before_rounding_the_mean_is_the_share_and_the_factor_is_that_of_a_root_finder(shape, share):
    schedule, plain = BudgetMatched(share, shape), load_schedule(**shape)
    points = [(i + 0.5) / 1000 for i in range(1000)]
    assert schedule.mean() == share
    assert np.mean([schedule.ratio(p) for p in points]) == pytest.approx(share)
    if share < 0.999:
        values = np.array([plain.ratio(p) for p in points])
        factor = brentq(lambda c: np.minimum(1, c * values).mean() - share, 0, 1 / values.min())
        assert [schedule.ratio(p) for p in points] == pytest.approx(np.minimum(1, factor * values), abs=1e-6)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"share": 0.0}, r"share = 0.0 is outside \(0, 1\]"),
        ({"share": 1.5}, "outside"),
        ({"shape": "sigmoid"}, "names no schedule"),
        ({"shape": {"start": 0.1}}, "names no schedule"),
        ({"shape": {"name": "sigmod"}}, "did you mean 'sigmoid'"),
        ({"shape": {"name": "sigmoid", "stat": 0.1}}, "did you mean 'start'"),
        ({"shape": {"name": "budget-matched"}}, "has its amount already"),
        ({"shape": {"name": "replay", "counts": [[1, 1]], "batch": 2}}, "has its amount already"),
    ],
)
def test_what_cannot_be_scaled_is_refused_in_one_line(arguments, says):
    with pytest.raises(UsageError, match=says) as caught:
        BudgetMatched(**arguments)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "share", "says"),
    [
        ({"passes": None, "cost": 1e9}, 0.5, "makes totals equal already, scoring included"),
        ({}, 0.01, "at least 2"),
        ({"passes": None, "steps": 10**9}, 0.5, "1,000,000 at most, and this budget is of 1,000,000,000"),
        ({"passes": 1e12}, 0.5, "make the budget smaller"),
        ({"batching": "fixed-trained", "pool": 100}, 0.33, "larger than the pool of 100 images"),
    ],
)
def test_a_share_that_no_run_can_keep_is_said_before_training(changes, share, says):
    with pytest.raises(UsageError, match=says):
        pacer({"name": "step", "ratios": [0.4, 1.0]}, share, **changes)


def test_it_says_what_it_is():
    text = str(load_schedule("budget-matched", share=0.4, shape={"name": "linear"}))
    assert text == "linear 0.18 to 0.88, scaled to keep 0.4 in all"


def test_arms_of_one_share_plan_equal_totals_each_with_its_twin(planned, tiny):
    rows = [{"name": "budget-matched", "share": 0.4, "shape": shape} for shape in SHAPES]
    tiny["strategies"] = [{"name": "loss", "label": f"loss {i}", "schedule": row} for i, row in enumerate(rows)]
    tiny["strategies"] += [{"name": "static", "schedule": rows[1]}]
    arms, matrix = planned(tiny).arms, parse(tiny)
    online = [arm for arm in arms if arm.role == "strategy" and arm.cadence == "batch"]
    assert len({totals(list(steps_of(pacer_of(matrix, arm, 140)))) for arm in online}) == 1
    assert len({arm.twin for arm in online}) == len(SHAPES)
    (static,) = [arm for arm in arms if arm.label == "static"]
    assert schedule_of(static).ratio(0) == schedule_of(static).mean() == 0.4
