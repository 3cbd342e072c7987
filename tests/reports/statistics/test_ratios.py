"""Fieller's interval against the t test that it inverts, and against the truth."""

from __future__ import annotations

import math

import numpy as np
import pytest
from drawn import pairs, varied
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import optimize, stats

from selbench.reports import statistics as s


@given(st.integers(0, 10_000), st.sampled_from([2, 3, 4, 12]), st.sampled_from([0.8, 0.95]))
def test_it_is_the_paired_t_test_turned_round(seed: int, n: int, confidence: float) -> None:
    rng = np.random.default_rng(seed)
    shared = rng.normal(1.0, 0.05, n)
    a, b = 3.0 * shared + rng.normal(0, 0.1, n), 4.0 * shared + rng.normal(0, 0.1, n)
    found = s.fieller_interval(a, b, confidence)
    if found is None:
        assert stats.ttest_1samp(b, 0.0).pvalue >= 1 - confidence - 1e-9
        return

    def excess(q: float) -> float:
        return float(stats.ttest_1samp(a - q * b, 0.0).pvalue) - (1 - confidence)

    for end in (found.low, found.high):
        assert excess(end) == pytest.approx(0.0, abs=1e-6)
    assert found.low < found.estimate < found.high
    assert found.estimate == pytest.approx(a.mean() / b.mean())
    step = 1e-3 * (found.high - found.low)
    assert optimize.brentq(excess, found.high - step, found.high + step) == pytest.approx(found.high, rel=1e-6)


@given(st.integers(0, 10_000), st.floats(0.01, 100.0))
def test_units_do_not_matter(seed: int, unit: float) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.normal(2, 0.1, 5), rng.normal(5, 0.1, 5)
    one, other = s.fieller_interval(a, b), s.fieller_interval(unit * a, b)
    assert one is not None and other is not None
    assert other == pytest.approx([unit * value for value in one], rel=1e-9)


def test_four_pairs_cover_as_often_as_they_say() -> None:
    """With a drift that pairs share; the bootstrap of the same pairs covers far less often."""
    rng, inside = np.random.default_rng(5), {"fieller": 0, "bootstrap": 0}
    draws = 600
    for _ in range(draws):
        drift = rng.normal(1.0, 0.05, 4)
        a, b = 1.1 * drift + rng.normal(0, 0.02, 4), drift + rng.normal(0, 0.02, 4)
        for name, found in (
            ("fieller", s.fieller_interval(a, b)),
            ("bootstrap", s.bca_interval((a, b), lambda one, other: one / other)),
        ):
            assert found is not None
            inside[name] += found.low <= 1.1 <= found.high
    assert inside["fieller"] / draws == pytest.approx(0.95, abs=0.03)
    assert inside["bootstrap"] / draws < 0.88


def test_pairs_without_spread_are_a_point_and_a_mean_of_zero_has_no_ratio() -> None:
    assert s.fieller_interval([1.5, 1.6], [3.0, 3.2]) == (0.5, 0.5, 0.5, 0.0)
    assert s.fieller_interval([1.0, 2.0, 3.0], [-1.0, 1.1, 0.2]) is None
    assert s.fieller_interval([1.0, 2.0], [0.0, 0.0]) is None


@pytest.mark.parametrize(("a", "b"), [([1.0], [2.0]), ([1.0, 2.0], [1.0, 2.0, 3.0]), ([1.0, np.nan], [1.0, 2.0])])
def test_what_is_no_sample_of_pairs_is_refused(a: list[float], b: list[float]) -> None:
    with pytest.raises(ValueError, match=r"pairs|numbers"):
        s.fieller_interval(a, b)


def test_a_ratio_without_variance_is_a_point() -> None:
    assert s.ratio_interval(np.full(8, 3.3e9), np.full(8, 6.6e9)) == (0.5, 0.5, 0.5, 0.0)


def test_ratios_that_there_are_not() -> None:
    assert s.ratio_interval([1.0, 2.0], [0.0, 1.0]) is None
    single = s.ratio_interval([1.0], [2.0])
    assert single is not None and single.estimate == 0.5 and math.isnan(single.low)


@given(st.integers(0, 1000), st.sampled_from([0.25, 2.0, 1024.0]))
def test_ratios_scale_with_their_costs(seed: int, factor: float) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.uniform(1, 2, 8), rng.uniform(1, 2, 8)
    one, other = s.ratio_interval(a, b), s.ratio_interval(a * factor, b)
    assert one is not None and other is not None
    assert other[:3] == pytest.approx([factor * value for value in one[:3]], rel=1e-9)
    assert one.low <= one.estimate <= one.high


def test_a_ratio_over_what_may_be_nothing_has_no_ends() -> None:
    found = s.ratio_interval([1.0, 2.0, 3.0], [0.01, 0.1, 9.0])
    assert found is not None and found.estimate == pytest.approx(6.0 / 9.11) and math.isnan(found.high)


@given(pairs(3, 15))
def test_the_test_is_that_of_the_correlation_of_sum_and_difference(xy: np.ndarray) -> None:
    x, y = xy
    assume(varied(x) and varied(y) and abs(np.corrcoef(x, y)[0, 1]) < 0.999)
    theirs = stats.pearsonr(x + y, x - y, alternative="less").pvalue
    ours = s.spread_ratio(x, y)
    assert ours.p_steadier == pytest.approx(theirs, abs=1e-8)
    assert ours.ratio == pytest.approx(np.std(x) / np.std(y))


@given(pairs(4, 15), st.sampled_from([0.9, 0.95]))
def test_the_ends_are_the_ratios_that_the_test_just_allows(xy: np.ndarray, confidence: float) -> None:
    x, y = xy
    assume(varied(x) and varied(y) and abs(np.corrcoef(x, y)[0, 1]) < 0.999)
    ours = s.spread_ratio(x, y, confidence)
    for end, side in ((ours.low, "greater"), (ours.high, "less")):
        theirs = stats.pearsonr(x + end * y, x - end * y, alternative=side).pvalue
        assert theirs == pytest.approx((1 - confidence) / 2, abs=1e-8)


@given(pairs(3, 15), st.sampled_from([0.05, 0.01]))
def test_the_interval_excludes_equal_spread_exactly_where_the_test_rejects(xy: np.ndarray, alpha: float) -> None:
    x, y = xy
    assume(varied(x) and varied(y))
    ours, turned = s.spread_ratio(x, y, 1 - 2 * alpha), s.spread_ratio(y, x, 1 - 2 * alpha)
    assume(abs(ours.p_steadier - alpha) > 1e-9)
    assert (ours.high < 1) == (ours.p_steadier < alpha)
    assert (turned.low, turned.high) == pytest.approx((1 / ours.high, 1 / ours.low), rel=1e-9)
    assert turned.p_steadier == pytest.approx(1 - ours.p_steadier, abs=1e-9)


def test_without_spread_there_is_no_test() -> None:
    flat, x = np.full(5, 3.0), np.arange(5.0)
    for ours, theirs, ratio in ((flat, x, 0.0), (x, flat, math.inf), (flat, flat, math.nan)):
        found = s.spread_ratio(ours, theirs)
        assert found.ratio == ratio or math.isnan(found.ratio) == math.isnan(ratio) is True
        assert math.isnan(found.low) and math.isnan(found.high) and found.p_steadier == 1.0
    with pytest.raises(ValueError, match="one length"):
        s.spread_ratio(x, x[:4])
