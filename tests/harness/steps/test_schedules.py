from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad

from selbench.harness.steps.schedules import Cosine, Fixed, Linear, Replay, Sigmoid, Stepwise, load_schedule
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


@given(ratios, ratios)
def test_the_mean_of_a_cosine_is_its_integral_and_its_slope_dies_at_both_ends(start, end):
    schedule = Cosine(start, end)
    assert schedule.mean() == pytest.approx(quad(schedule.ratio, 0, 1)[0], abs=1e-9)
    assert (schedule.ratio(0), schedule.ratio(1)) == pytest.approx((start, end))
    assert schedule.ratio(0.25) == pytest.approx(start + (end - start) * (0.5 - math.sqrt(2) / 4))
    assert abs(schedule.ratio(0.001) - start) < 1e-5 > abs(schedule.ratio(0.999) - end)


@given(st.data())
def test_the_mean_of_steps_is_their_integral_and_each_begins_where_it_is_said_to(data):
    values = data.draw(st.lists(ratios, min_size=1, max_size=6))
    cuts = data.draw(st.lists(st.integers(1, 49), min_size=len(values) - 1, max_size=len(values) - 1, unique=True))
    at = [cut / 50 for cut in sorted(cuts)]
    schedule = Stepwise(values, at)
    middles = [schedule.ratio((i + 0.5) / 50) for i in range(50)]
    assert schedule.mean() == pytest.approx(np.mean(middles))
    assert [schedule.ratio(p) for p in [0.0, *at]] == values and schedule.ratio(1.0) == values[-1]
    assert [schedule.ratio(p - 1e-9) for p in at] == values[:-1]


def test_steps_share_training_equally_unless_told_otherwise():
    assert Stepwise([0.2, 0.4, 0.9]).mean() == pytest.approx(0.5)
    assert Stepwise().mean() == pytest.approx(Sigmoid().mean())


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"ratios": []}, "no list of fractions"),
        ({"ratios": 0.5}, "no list of fractions"),
        ({"ratios": "half"}, "no list of fractions"),
        ({"ratios": [0.5, 1.5]}, r"ratios.1 = 1.5 is outside \(0, 1\]"),
        ({"ratios": [0.5, 1.0], "at": [0.2, 0.4]}, "must hold 1 numbers"),
        ({"ratios": [0.5, 1.0], "at": 0.2}, "must hold 1 numbers"),
        ({"ratios": [0.5, 1.0], "at": ["late"]}, "must hold numbers"),
        ({"ratios": [0.5, 0.7, 1.0], "at": [0.6, 0.4]}, "must rise"),
        ({"ratios": [0.5, 1.0], "at": [0.0]}, "must rise"),
        ({"ratios": [0.5, 1.0], "at": [1.0]}, "must rise"),
        ({"ratios": [0.5, 1.0], "at": [float("nan")]}, "must rise"),
    ],
)
def test_steps_that_make_no_sense_are_refused_in_one_line(arguments, says):
    with pytest.raises(UsageError, match=says):
        Stepwise(**arguments)


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
