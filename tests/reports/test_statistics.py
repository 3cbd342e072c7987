"""Every statistic against a second implementation, or a law that it must obey."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import optimize, stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.weightstats import CompareMeans, DescrStatsW, ttost_paired

from selbench.reports import statistics as s
from selbench.reports.statistics import flips

quick = settings(max_examples=40, deadline=None)
points = st.floats(-20, 20, allow_nan=False).map(lambda x: round(x, 3))


def samples(low: int = 3, high: int = 12) -> st.SearchStrategy[np.ndarray]:
    return st.integers(low, high).flatmap(lambda n: arrays(np.float64, n, elements=points))


def spread(x: np.ndarray) -> bool:
    return float(np.std(x)) > 1e-3


@quick
@given(samples(), st.sampled_from([0.8, 0.9, 0.95, 0.99]), st.sampled_from([0.0, -1.0, 0.5]))
def test_paired_t_agrees_with_scipy(d: np.ndarray, confidence: float, null: float) -> None:
    assume(spread(d))
    theirs = stats.ttest_1samp(d, null, alternative="greater")
    assert s.t_test(d, null) == pytest.approx(theirs.pvalue, abs=1e-10)
    ends = stats.ttest_1samp(d, 0.0).confidence_interval(confidence)
    ours = s.mean_interval(d, confidence)
    assert (ours.low, ours.high) == pytest.approx((ends.low, ends.high), abs=1e-8)
    assert ours.sd == pytest.approx(np.std(d, ddof=1), abs=1e-10)


@quick
@given(samples(), st.floats(0.01, 0.2), st.floats(0, 3))
def test_the_test_rejects_exactly_where_its_interval_excludes_the_null(d, alpha: float, margin: float) -> None:
    assume(spread(d))
    p, low = s.t_test(d, -margin), s.mean_interval(d, 1 - 2 * alpha).low
    assume(abs(p - alpha) > 1e-9)
    assert (p < alpha) == (low > -margin)


@quick
@given(samples(), samples(), st.sampled_from([0.9, 0.95]))
def test_welch_agrees_with_scipy_and_statsmodels(a: np.ndarray, b: np.ndarray, confidence: float) -> None:
    assume(spread(a) and spread(b))
    ends = stats.ttest_ind(a, b, equal_var=False).confidence_interval(confidence)
    ours = s.welch_interval(a, b, confidence)
    assert (ours.low, ours.high) == pytest.approx((ends.low, ends.high), abs=1e-8)
    theirs = CompareMeans(DescrStatsW(a), DescrStatsW(b)).tconfint_diff(1 - confidence, usevar="unequal")
    assert (ours.low, ours.high) == pytest.approx(theirs, abs=1e-8)


@quick
@given(samples(), st.floats(0.1, 5))
def test_equivalence_agrees_with_statsmodels(d: np.ndarray, margin: float) -> None:
    assume(spread(d))
    theirs = ttost_paired(d, np.zeros_like(d), -margin, margin)[0]
    assert s.equivalence_test(d, margin) == pytest.approx(theirs, abs=1e-8)


@settings(max_examples=10, deadline=None)  # a tenth of a second each in statsmodels
@given(arrays(np.float64, st.integers(1, 9), elements=st.floats(0, 1)))
def test_holm_agrees_with_statsmodels(p: np.ndarray) -> None:
    assert s.holm(p) == pytest.approx(multipletests(p, method="holm")[1], abs=1e-12)


def test_the_sleep_data_give_what_r_prints() -> None:
    """``t.test(extra ~ group, data = sleep, paired = TRUE)`` of R, one-sided p half of the printed one."""
    d = np.array([1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4])
    ours = s.mean_interval(d, 0.95)
    assert (ours.estimate, ours.low, ours.high) == pytest.approx((1.58, 0.7001142, 2.4598858), abs=5e-8)
    assert 2 * s.t_test(d) == pytest.approx(0.002833, abs=5e-7)


def test_the_depression_data_give_what_r_prints() -> None:
    """``wilcox.test(x, y, paired = TRUE, alternative = "greater")`` of R: V = 40, p-value = 0.01953."""
    x = np.array([1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30])
    y = np.array([0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29])
    assert s.wilcoxon_test(x - y) == pytest.approx(0.01953, abs=5e-6)
    assert s.wilcoxon_test(np.zeros(6)) == 1.0


@quick
@given(samples(1, 8), st.sampled_from([0.0, -1.0]))
def test_sign_flips_agree_with_counting_them_in_whole_numbers(d: np.ndarray, null: float) -> None:
    whole = np.rint((d - null) * 1000).astype(int)
    flips = [
        sum(sign * x for sign, x in zip(signs, whole, strict=True))
        for signs in itertools.product((1, -1), repeat=d.size)
    ]
    expected = np.mean([flip >= whole.sum() for flip in flips])
    assert s.sign_flip_test(np.round(d, 3), null) == pytest.approx(expected, abs=1e-12)


def test_sign_flips_agree_with_scipy() -> None:
    d = np.random.default_rng(5).normal(0.4, 1.0, 11)
    theirs = stats.permutation_test(
        (d,), np.sum, permutation_type="samples", alternative="greater", n_resamples=np.inf, vectorized=False
    )
    assert s.sign_flip_test(d) == pytest.approx(theirs.pvalue, abs=1e-12)


@pytest.mark.parametrize("step", [1e-9, 0.5], ids=["no ties", "ties"])
def test_all_flips_are_counted_up_to_the_exact_range(step: float) -> None:
    d = np.round(np.random.default_rng(6).normal(0.3, 1.0, 17) / step) * step
    sums = np.zeros(1)
    for value in d:
        sums = np.concatenate([sums + value, sums - value])
    assert s.sign_flip_test(d) == np.count_nonzero(sums >= d.sum() - 1e-9) / 2**17


def test_beyond_the_exact_range_a_fixed_sample_of_flips_comes_close() -> None:
    d = np.random.default_rng(6).normal(0.3, 1.0, s.EXACT_PAIRS + 1)
    exact = flips._flips_reaching(d, d.sum() - 1e-9) / 2**d.size
    found = s.sign_flip_test(d)
    assert 0.001 < exact < 0.5 and found != exact
    assert found == pytest.approx(exact, abs=4 * math.sqrt(exact * (1 - exact) / 50_000))
    assert found == s.sign_flip_test(d)
    assert s.sign_flip_test(np.full(30, 5.0)) == 1 / 50_001


@quick
@given(st.integers(2, 10))
def test_the_exact_test_has_a_floor(n: int) -> None:
    assert s.sign_flip_test(np.linspace(1, 2, n)) == 0.5**n


def test_differences_without_spread_get_the_exact_tests_p() -> None:
    same = np.full(6, 0.1) + 0.2  # 0.30000000000000004 throughout
    assert s.t_test(same) == 0.5**6
    assert s.t_test(same, 0.3) == 1.0 == s.t_test(-same)
    assert s.mean_interval(same) == (pytest.approx(0.3), pytest.approx(0.3), pytest.approx(0.3), 0.0)


@pytest.mark.parametrize(
    ("alpha", "family", "pairs"), [(0.05, 1, 5), (0.05, 3, 6), (0.05, 24, 9), (0.25, 1, 2), (0.4, 1, 2)]
)
def test_fewest_pairs(alpha: float, family: int, pairs: int) -> None:
    assert s.fewest_pairs(alpha, family) == pairs
    assert 0.5**pairs <= alpha / family


@pytest.mark.parametrize(("sd", "margin", "pairs"), [(0.25, 0.25, 8), (0.25, 0.1, 41), (1.0, 0.5, 27), (0.25, 1.0, 5)])
def test_pairs_needed_for_80_per_cent_power(sd: float, margin: float, pairs: int) -> None:
    assert s.pairs_needed(sd, margin) == pairs


@quick
@given(st.integers(2, 300), st.floats(0.05, 5), st.floats(0, 40), st.sampled_from([0.05, 0.05 / 3]))
def test_power_agrees_with_the_noncentral_t(n: int, sd: float, margin: float, alpha: float) -> None:
    shift = margin / (sd / math.sqrt(n))
    expected = stats.nct.sf(stats.t.ppf(1 - alpha, n - 1), n - 1, shift)
    assert s.power_noninferior(n, sd, margin, alpha=alpha) == pytest.approx(expected, abs=1e-8)


def test_power_agrees_with_simulation() -> None:
    rng, n = np.random.default_rng(1), 8
    d = rng.normal(-0.1, 1.0, (40_000, n))
    t = (d.mean(axis=1) + 0.9) / (d.std(axis=1, ddof=1) / math.sqrt(n))
    simulated = np.mean(t > stats.t.ppf(0.95, n - 1))
    assert s.power_noninferior(n, 1.0, 0.9, difference=-0.1) == pytest.approx(simulated, abs=0.01)


@quick
@given(st.integers(2, 60), st.floats(0.01, 3), st.sampled_from([0.05, 0.05 / 3]))
def test_the_smallest_margin_has_just_the_power(n: int, sd: float, alpha: float) -> None:
    margin = s.smallest_margin(sd, n, alpha=alpha)
    assert s.power_noninferior(n, sd, margin, alpha=alpha) == pytest.approx(0.8, abs=1e-6)


@quick
@given(st.floats(0.01, 4), st.floats(0.2, 3))
def test_pairs_needed_is_the_fewest(sd: float, margin: float) -> None:
    n = s.pairs_needed(sd, margin)
    assert n is not None and s.power_noninferior(n, sd, margin) >= 0.8
    assert n == 5 or s.power_noninferior(n - 1, sd, margin) < 0.8


def test_no_number_of_pairs_shows_a_margin_of_zero() -> None:
    assert s.pairs_needed(1.0, 0.0) is None
    assert s.pairs_needed(0.0, 0.5) == 5


@quick
@given(st.integers(0, 10_000), st.sampled_from([4, 8, 16, 32]), st.sampled_from([0.9, 0.95]))
def test_bca_agrees_with_scipy(seed: int, n: int, confidence: float) -> None:
    """On numbers whose means are exact, so that both see the same ties between resamples and the estimate."""
    rng = np.random.default_rng(seed)
    x, y = (np.round(256 * rng.gamma(shape, 1.0, n)) / 256 for shape in (2.0, 3.0))
    y += 1.0
    for data, statistic in (((x,), s.mean_of), ((x, y), s.ratio_of_means)):
        theirs = stats.bootstrap(
            data,
            lambda *of, axis=-1, statistic=statistic: statistic(*(sample.mean(axis=axis) for sample in of)),
            paired=len(data) > 1,
            vectorized=True,
            confidence_level=confidence,
            n_resamples=2000,
            random_state=np.random.default_rng(3),
        ).confidence_interval
        ours = s.bca_interval(data, statistic, confidence, seed=3)
        assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), rel=1e-8)


def test_a_ratio_without_variance_is_a_point() -> None:
    assert s.ratio_interval(np.full(8, 3.3e9), np.full(8, 6.6e9)) == (0.5, 0.5, 0.5, 0.0)


def test_ratios_that_there_are_not() -> None:
    assert s.ratio_interval([1.0, 2.0], [0.0, 1.0]) is None
    single = s.ratio_interval([1.0], [2.0])
    assert single is not None and single.estimate == 0.5 and math.isnan(single.low)


@quick
@given(st.integers(0, 1000), st.sampled_from([0.25, 2.0, 1024.0]))
def test_ratios_scale_with_their_costs(seed: int, factor: float) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.uniform(1, 2, 8), rng.uniform(1, 2, 8)
    one, other = s.ratio_interval(a, b), s.ratio_interval(a * factor, b)
    assert one is not None and other is not None
    assert other[:3] == pytest.approx([factor * value for value in one[:3]], rel=1e-9)
    assert one.low <= one.estimate <= one.high


@quick
@given(arrays(np.float64, st.integers(1, 12), elements=points))
def test_isotonic_agrees_with_scipy(y: np.ndarray) -> None:
    theirs = optimize.isotonic_regression(y).x
    assert s.isotonic(y) == pytest.approx(theirs, abs=1e-9)


@quick
@given(samples(3, 10), samples(3, 10))
def test_correlation(a: np.ndarray, b: np.ndarray) -> None:
    n = min(a.size, b.size)
    a, b = a[:n], b[:n]
    assume(spread(a) and spread(b))
    assert s.correlation(a, b) == pytest.approx(stats.pearsonr(a, b).statistic, abs=1e-8)
    assert s.correlation(a, np.full(n, 2.0)) is None


@pytest.mark.parametrize(("accuracy", "n", "error"), [(0.95, 10_000, 0.22), (0.9, 3_669, 0.50), (0.9, 6_149, 0.38)])
def test_sampling_error_of_the_known_test_sets(accuracy: float, n: int, error: float) -> None:
    correct = np.arange(n) < round(accuracy * n)
    assert s.sampling_error([correct]) == pytest.approx(error, abs=0.005)


@quick
@given(st.integers(0, 1000))
def test_paired_sampling_error_agrees_with_mcnemars_variance(seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.random((2, 400)) < 0.8
    gain, loss, n = np.sum(a & ~b), np.sum(b & ~a), 400
    variance = ((gain + loss) / n - ((gain - loss) / n) ** 2) / (n - 1)
    assert s.sampling_error([a], [b]) == pytest.approx(100 * math.sqrt(variance), rel=1e-9)
    assert s.sampling_error([a], [a]) == 0.0


@pytest.mark.parametrize("bad", [[1.0], [[1.0, 2.0]], [1.0, math.nan], [1.0, math.inf]])
def test_what_is_no_sample_is_refused(bad: list) -> None:
    with pytest.raises(ValueError):
        s.mean_interval(bad)
