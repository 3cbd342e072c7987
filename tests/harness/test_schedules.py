from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from selbench.harness.schedules import Fixed, Linear, Replay, Sigmoid, load_schedule
from selbench.strategies import UsageError
from selbench.strategies.registry import registry

ratios = st.floats(0.01, 1.0)


@given(ratios, ratios, st.floats(0.5, 40.0))
def test_a_sigmoid_reaches_both_ends_and_its_mean_is_midway_whatever_its_steepness(start, end, steepness):
    schedule = Sigmoid(start, end, steepness)
    assert schedule.ratio(0.0) == pytest.approx(start)
    assert schedule.ratio(1.0) == pytest.approx(end)
    assert schedule.mean() == pytest.approx((start + end) / 2, abs=1e-9)


def test_the_default_sigmoid_is_that_of_the_paper():
    assert Sigmoid().ratio(0) == pytest.approx(0.18) and Sigmoid().ratio(1) == pytest.approx(0.88)
    assert Sigmoid().mean() == pytest.approx(0.53)


@given(st.sampled_from([Fixed(0.3), Linear(0.2, 0.9), Linear(0.9, 0.2), Sigmoid(), Sigmoid(midpoint=0.2)]))
def test_the_mean_is_the_integral_and_ratios_stay_within_bounds(schedule):
    grid = [schedule.ratio(p) for p in np.linspace(0, 1, 4001)]
    assert schedule.mean() == pytest.approx(np.mean(grid), abs=1e-3)
    assert min(grid) > 0 and max(grid) <= 1


@given(st.lists(st.tuples(st.integers(1, 64), st.integers(1, 9)), min_size=1, max_size=12))
def test_replay_gives_back_every_step(counts):
    schedule = Replay(counts, 64)
    expected = [k for k, steps in counts for _ in range(steps)]
    assert [round(schedule.ratio(t / schedule.total) * 64) for t in range(schedule.total)] == expected
    assert schedule.mean() * 64 == pytest.approx(np.mean(expected))


@pytest.mark.parametrize("bad", [0.0, -0.1, 1.01, float("nan"), "half"])
def test_a_ratio_outside_its_range_is_refused_in_one_line(bad):
    with pytest.raises(UsageError, match=r"outside \(0, 1\]"):
        Fixed(bad)


def test_every_registered_schedule_loads_and_prints():
    for name in registry("schedules").found():
        arguments = {"counts": [[3, 2]], "batch": 8} if name == "replay" else {}
        assert str(load_schedule(name, **arguments))


def test_an_unknown_parameter_names_the_nearest():
    with pytest.raises(UsageError, match="did you mean 'steepness'"):
        load_schedule("sigmoid", stepness=3)
