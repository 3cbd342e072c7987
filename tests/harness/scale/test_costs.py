from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from selbench.harness.scale.costs import MEASURED, Affine, Measured, Scaled


def test_between_measured_sizes_the_line_is_straight_and_called_measured():
    cost = Measured({10: 1.0, 20: 3.0, 40: 4.0})
    assert cost.at(20) == (3.0, MEASURED)
    assert cost.at(15) == (2.0, MEASURED)
    assert cost.at(30) == (3.5, MEASURED)


@given(st.floats(0, 1), st.floats(1e-4, 1), st.integers(1, 5000))
def test_an_affine_cost_is_found_again_at_every_size(fixed, slope, n):
    cost = Measured({size: fixed + slope * size for size in (8, 16, 64, 256)})
    assert cost.fit == pytest.approx((fixed, slope), rel=1e-6, abs=1e-6)
    seconds, basis = cost.at(n)
    assert seconds == pytest.approx(fixed + slope * n, rel=1e-5)
    assert (basis == MEASURED) == (8 <= n <= 256)


def test_the_fit_is_weighted_least_squares():
    points = {4: 0.9, 8: 1.4, 16: 2.6, 64: 8.2}
    sizes, seconds = np.array(list(points)), np.array(list(points.values()))
    slope, fixed = np.polyfit(sizes, seconds, 1, w=1 / seconds)  # numpy weights the residuals, not their squares
    assert Measured(points).fit == pytest.approx((fixed, slope))


def test_a_fit_that_would_start_below_zero_goes_through_zero():
    fixed, slope = Measured({10: 1.0, 20: 4.0}).fit
    assert fixed == 0
    assert slope == pytest.approx((10 / 1.0 + 20 / 4.0) / (100 / 1.0 + 400 / 16.0))


def test_one_size_alone_is_taken_in_proportion_and_labelled():
    assert Measured({4: 2.0}).at(128) == (64.0, "extrapolated (from batch 4)")
    assert Measured({4: 2.0}).at(2)[1] == "extrapolated (from batch 4)"


@given(st.lists(st.floats(1e-6, 10), min_size=1, max_size=5), st.integers(1, 2000))
def test_what_grows_is_a_part_of_the_whole(seconds, n):
    cost = Measured({8 << place: value for place, value in enumerate(seconds)})
    assert 0 < cost.growing(n) <= cost.at(n).seconds * (1 + 1e-9)
    assert Measured({10: 30.0, 20: 50.0}).growing(40) == pytest.approx(80)  # 10 + 2n
    assert Affine(10.0, 2.0, MEASURED).growing(40) == 80


def test_a_label_names_the_operation():
    assert Measured({4: 2.0}, "train").at(8).basis == "extrapolated (from batch 4 of train)"
    assert Scaled({4: 2.0}, float, name="select").at(8).basis == "extrapolated (from batch 4 of select)"


def test_no_sample_is_free_however_noisy_the_readings():
    fixed, slope = Measured({8: 3.0, 16: 2.0, 32: 1.0}).fit
    assert slope > 0 and fixed > 0
    assert Measured({8: 0.0, 16: 0.0}).at(12).seconds > 0


def test_extrapolation_joins_the_nearest_measured_point():
    cost = Measured({8: 1.0, 16: 1.5, 32: 3.5})
    assert cost.at(33).seconds == pytest.approx(3.5, rel=0.05)
    assert cost.at(33).basis == "extrapolated (from batch 32)"


@given(st.floats(0.2, 3), st.floats(1e-6, 1e-3), st.floats(10, 1000))
def test_selection_follows_a_power_law_between_its_points(power, scale, n):
    cost = Scaled({10: scale * 10**power, 100: scale * 100**power, 1000: scale * 1000**power}, float)
    seconds, basis = cost.at(n)
    assert seconds == pytest.approx(scale * n**power, rel=1e-6) and basis == MEASURED


def test_selection_grows_with_its_flops_beyond_its_points_and_never_shrinks_below_them():
    cost = Scaled({10: 1.0, 100: 2.0}, lambda n: 5.0 * n * n)
    assert cost.at(1000) == (200.0, "extrapolated (from batch 100)")
    assert cost.at(2) == (1.0, "extrapolated (from batch 10)")


def test_a_rule_without_any_flops_keeps_its_seconds():
    assert Scaled({10: 1.0}, lambda n: 0.0).at(1000).seconds == 1.0


def test_points_of_a_profile_are_never_called_measured():
    cost = Scaled({10: 1.0, 100: 2.0}, float, "extrapolated (from profile x)")
    assert {cost.at(n).basis for n in (10, 50, 1000)} == {"extrapolated (from profile x)"}
    assert Affine(1.0, 2.0, "extrapolated (from profile x)").at(3) == (7.0, "extrapolated (from profile x)")
