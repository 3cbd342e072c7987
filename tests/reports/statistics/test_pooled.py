"""One effect over several data sets."""

from __future__ import annotations

import numpy as np
import pytest
from drawn import points, samples, varied
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats
from statsmodels.stats.weightstats import CompareMeans, DescrStatsW

from selbench.reports import statistics as s


def several(least: int = 2) -> st.SearchStrategy[list[np.ndarray]]:
    """Differences of one to four data sets."""
    return st.lists(samples(least, 9), min_size=1, max_size=4)


@given(samples(2, 9), samples(2, 9), st.sampled_from([0.9, 0.95]))
def test_two_data_sets_are_welchs_test(a: np.ndarray, b: np.ndarray, confidence: float) -> None:
    assume(varied(a) and varied(b))
    ours, theirs = s.fixed_effect([a, -b], confidence), stats.ttest_ind(a, b, equal_var=False, alternative="greater")
    assert ours.p_superior == pytest.approx(theirs.pvalue, abs=1e-8)
    assert ours.df == pytest.approx(theirs.df, rel=1e-8)
    ends = stats.ttest_ind(a, b, equal_var=False).confidence_interval(confidence)
    assert (2 * ours.low, 2 * ours.high) == pytest.approx((ends.low, ends.high), abs=1e-8)
    theirs = CompareMeans(DescrStatsW(a), DescrStatsW(b)).tconfint_diff(1 - confidence, usevar="unequal")
    assert (2 * ours.low, 2 * ours.high) == pytest.approx(theirs, abs=1e-8)


def test_the_sleep_data_as_two_data_sets_give_what_r_prints() -> None:
    """``t.test(extra ~ group, data = sleep)`` of R: t = -1.8608, df = 17.776, p-value = 0.07939."""
    a = np.array([0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0])
    b = np.array([1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4])
    ours = s.fixed_effect([a, -b])
    assert ours.estimate / ours.se == pytest.approx(-1.8608, abs=5e-5)
    assert ours.df == pytest.approx(17.776, abs=5e-4)
    assert 2 * (1 - ours.p_superior) == pytest.approx(0.07939, abs=5e-6)


@given(samples(2, 12), st.sampled_from([0.9, 0.95]))
def test_one_data_set_is_the_paired_t_test(d: np.ndarray, confidence: float) -> None:
    ours, one = s.fixed_effect([d], confidence), s.mean_interval(d, confidence)
    assert (ours.estimate, ours.low, ours.high) == pytest.approx((one.estimate, one.low, one.high), abs=1e-9)
    if ours.se > 0:
        assert ours.df == pytest.approx(d.size - 1) and ours.p_superior == pytest.approx(s.t_test(d), abs=1e-12)


@given(several(), st.sampled_from([0.05, 0.01]))
def test_the_pooled_test_rejects_exactly_where_its_interval_lies_above_zero(data: list, alpha: float) -> None:
    ours = s.fixed_effect(data, 1 - 2 * alpha)
    assume(ours.se > 0 and abs(ours.p_superior - alpha) > 1e-9)
    assert (ours.low > 0) == (ours.p_superior < alpha)
    assert min(d.size for d in data) - 1 - 1e-9 <= ours.df <= sum(d.size - 1 for d in data) + 1e-9


def test_data_sets_count_alike_whatever_their_seeds() -> None:
    few, many = np.array([1.0, 3.0]), np.tile([9.0, 11.0], 50)
    assert s.fixed_effect([few, many]).estimate == 6.0
    assert s.probability_of_improvement([few, -many]).estimate == 0.5


def test_data_sets_without_spread_get_the_exact_tests_p() -> None:
    ours = s.fixed_effect([np.full(4, 1.0), np.full(3, 2.0)])
    assert ours == (1.5, 1.5, 1.5, 0.0, 5.0, 0.5**7)
    assert s.fixed_effect([np.full(4, -1.0)]).p_superior == 1.0


@given(several(1))
def test_the_probability_of_improvement_is_a_count_over_pairs(data: list) -> None:
    ours = s.probability_of_improvement(data)
    expected = np.mean([np.mean([1.0 if x > 0 else 0.5 if x == 0 else 0.0 for x in d]) for d in data])
    assert ours.estimate == pytest.approx(expected, abs=1e-12)
    assert 0.0 <= ours.low <= ours.estimate <= ours.high <= 1.0 and ours.low < ours.high
    turned = s.probability_of_improvement([-d for d in data])
    assert (turned.estimate, turned.low) == pytest.approx((1 - ours.estimate, 1 - ours.high), abs=1e-9)


@pytest.mark.parametrize("n", [5, 8, 20])
def test_winning_throughout_still_leaves_what_was_not_seen(n: int) -> None:
    ours = s.probability_of_improvement([np.ones(n)], 0.9)
    theirs = stats.binomtest(n, n).proportion_ci(0.9)
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=1e-12)
    assert s.probability_of_improvement([np.ones(n)] * 2, 0.9).low == pytest.approx(0.05 ** (1 / (2 * n)))


@given(arrays(np.float64, st.integers(1, 40), elements=points))
def test_the_interquartile_mean_agrees_with_scipy(x: np.ndarray) -> None:
    assert s.interquartile_mean(x) == pytest.approx(stats.trim_mean(x, 0.25), abs=1e-9)


def test_the_interquartile_interval_resamples_pairs_within_data_sets() -> None:
    rng = np.random.default_rng(4)
    base = [rng.normal(level, 0.2, 8) for level in (50, 70, 90)]
    ours = [d + 1.5 for d in base]
    mine, other, difference = s.iqm_interval(ours, base)
    assert mine == pytest.approx(stats.trim_mean(np.concatenate(ours), 0.25))
    assert other == pytest.approx(stats.trim_mean(np.concatenate(base), 0.25))
    assert difference[:3] == pytest.approx((1.5, 1.5, 1.5)) and difference.sd == 0.0
    noisy = [d + rng.normal(0, 0.2, 8) for d in ours]
    mine, other, difference = s.iqm_interval(noisy, base, 0.9)
    assert difference.estimate == pytest.approx(mine - other)
    # Were data sets resampled together, their levels (20 points apart) would swamp the noise.
    assert difference.low < 1.5 < difference.high and difference.high - difference.low < 1.0
    wider = s.iqm_interval(noisy, base, 0.99)[2]
    assert wider.low <= difference.low < difference.high <= wider.high
