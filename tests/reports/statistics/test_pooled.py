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


@pytest.mark.parametrize("n", [8, 24])
def test_interquartile_means_do_not_pick_a_data_set_by_its_level(n: int) -> None:
    """One data set's +6 is worth two points over three, at whichever level of accuracy it stands."""
    rng = np.random.default_rng(4)
    for gains in ((6, 0, 0), (0, 6, 0), (0, 0, 6)):
        base = [rng.normal(level, 0.2, n) for level in (50, 70, 90)]
        ours = [d + gain + rng.normal(0, 0.1, n) for d, gain in zip(base, gains, strict=True)]
        mine, other, difference = s.iqm_interval(ours, base)
        assert difference.estimate == pytest.approx(2.0, abs=0.1) and other == pytest.approx(70, abs=0.2)
        assert difference.low < difference.estimate < difference.high and difference.high - difference.low < 0.4
        assert mine - other == pytest.approx(2.0, abs=0.3)
        wider = s.iqm_interval(ours, base, 0.99)[2]
        assert wider.low <= difference.low < difference.high <= wider.high
    still = s.iqm_interval([d + 1.5 for d in base], base)[2]
    assert still[:3] == pytest.approx((1.5, 1.5, 1.5)) and still.sd == 0.0


def test_a_trimmed_mean_has_tukeys_and_mclaughlins_interval() -> None:
    """Of one data set, from the formula: the winsorised SD over the share kept, with kept - 1 degrees of freedom."""
    d = np.random.default_rng(8).normal(0.3, 1.0, 12)
    found = s.iqm_interval([d], [np.zeros(12)], 0.9)[2]
    kept = np.sort(d)[3:-3]
    winsorised = np.clip(d, kept[0], kept[-1])
    half = stats.t.ppf(0.95, 5) * winsorised.std(ddof=1) / (0.5 * np.sqrt(12))
    assert found[:3] == pytest.approx((kept.mean(), kept.mean() - half, kept.mean() + half))


@pytest.mark.parametrize("n", [3, 5, 8])
def test_few_pairs_are_covered_as_often_as_declared(n: int) -> None:
    """Two data sets of unlike noise: differences, wins and costs, each with a truth that is known."""
    rng, runs, confidence = np.random.default_rng(9), 800, 0.95
    covered = np.zeros(3)
    for _ in range(runs):
        noise = [rng.normal(0, sd, n) for sd in (1.0, 0.4)]
        costs = [(np.exp(rng.normal(0.5, 0.1, n)), np.exp(rng.normal(0.0, 0.1, n))) for _ in range(2)]
        found = (
            (s.iqm_interval(noise, [np.zeros(n)] * 2, confidence)[2], 0.0),
            (s.probability_of_improvement(noise, confidence), 0.5),
            (s.geometric_ratio_interval(costs, confidence), np.exp(0.5)),
        )
        covered += [ends is not None and ends.low <= truth <= ends.high for ends, truth in found]
    least = confidence - 3 * np.sqrt(confidence * (1 - confidence) / runs)
    assert (covered / runs >= least - 0.01).all(), covered / runs
