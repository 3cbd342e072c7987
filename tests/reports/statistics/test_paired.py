"""The t family, and its rank-based and unpaired companions."""

from __future__ import annotations

import math

import numpy as np
import pytest
from drawn import samples, varied
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.weightstats import CompareMeans, DescrStatsW, ttost_paired

from selbench.reports import statistics as s


@given(samples(), st.sampled_from([0.8, 0.9, 0.95, 0.99]), st.sampled_from([0.0, -1.0, 0.5]))
def test_paired_t_agrees_with_scipy(d: np.ndarray, confidence: float, null: float) -> None:
    assume(varied(d))
    theirs = stats.ttest_1samp(d, null, alternative="greater")
    assert s.t_test(d, null) == pytest.approx(theirs.pvalue, abs=1e-10)
    ends = stats.ttest_1samp(d, 0.0).confidence_interval(confidence)
    ours = s.mean_interval(d, confidence)
    assert (ours.low, ours.high) == pytest.approx((ends.low, ends.high), abs=1e-8)
    assert ours.sd == pytest.approx(np.std(d, ddof=1), abs=1e-10)


@given(samples(), st.floats(0.01, 0.2), st.floats(0, 3))
def test_the_test_rejects_exactly_where_its_interval_excludes_the_null(d, alpha: float, margin: float) -> None:
    assume(varied(d))
    p, low = s.t_test(d, -margin), s.mean_interval(d, 1 - 2 * alpha).low
    assume(abs(p - alpha) > 1e-9)
    assert (p < alpha) == (low > -margin)


@given(samples(), samples(), st.sampled_from([0.9, 0.95]))
def test_welch_agrees_with_scipy_and_statsmodels(a: np.ndarray, b: np.ndarray, confidence: float) -> None:
    assume(varied(a) and varied(b))
    ends = stats.ttest_ind(a, b, equal_var=False).confidence_interval(confidence)
    ours = s.welch_interval(a, b, confidence)
    assert (ours.low, ours.high) == pytest.approx((ends.low, ends.high), abs=1e-8)
    theirs = CompareMeans(DescrStatsW(a), DescrStatsW(b)).tconfint_diff(1 - confidence, usevar="unequal")
    assert (ours.low, ours.high) == pytest.approx(theirs, abs=1e-8)


@given(samples(), st.floats(0.1, 5))
def test_equivalence_agrees_with_statsmodels(d: np.ndarray, margin: float) -> None:
    assume(varied(d))
    theirs = ttost_paired(d, np.zeros_like(d), -margin, margin)[0]
    assert s.equivalence_test(d, margin) == pytest.approx(theirs, abs=1e-8)


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


def test_differences_without_spread_get_the_exact_tests_p() -> None:
    same = np.full(6, 0.1) + 0.2  # 0.30000000000000004 throughout
    assert s.t_test(same) == 0.5**6
    assert s.t_test(same, 0.3) == 1.0 == s.t_test(-same)
    assert s.mean_interval(same) == (pytest.approx(0.3), pytest.approx(0.3), pytest.approx(0.3), 0.0)


@given(samples(3, 10), samples(3, 10))
def test_correlation(a: np.ndarray, b: np.ndarray) -> None:
    n = min(a.size, b.size)
    a, b = a[:n], b[:n]
    assume(varied(a) and varied(b))
    assert s.correlation(a, b) == pytest.approx(stats.pearsonr(a, b).statistic, abs=1e-8)
    assert s.correlation(a, np.full(n, 2.0)) is None


@pytest.mark.parametrize("bad", [[1.0], [[1.0, 2.0]], [1.0, math.nan], [1.0, math.inf]])
def test_what_is_no_sample_is_refused(bad: list) -> None:
    with pytest.raises(ValueError):
        s.mean_interval(bad)


@settings(max_examples=25)  # scipy counts every flip
@given(samples(3, 9), st.sampled_from([0.0, 0.5]))
def test_wilcoxon_agrees_with_scipy_ties_and_zeros_included(d: np.ndarray, null: float) -> None:
    d = np.round(d * 2) / 2  # halves are exact, and tie
    shifted = d - null
    assume(shifted.any())
    method = stats.PermutationMethod(n_resamples=np.inf)
    kept = shifted[shifted != 0]
    theirs = stats.wilcoxon(kept, alternative="greater", method=method if kept.size > 1 else "exact")
    assert s.wilcoxon_test(d, null) == pytest.approx(theirs.pvalue, abs=1e-8)


@pytest.mark.parametrize("n", [5, 13, 24, 25, 40])
def test_wilcoxon_agrees_with_scipy_at_any_number_of_pairs(n: int) -> None:
    d = np.random.default_rng(n).normal(0.2, 1.0, n)
    expected = stats.wilcoxon(d, alternative="greater", method="exact").pvalue
    assert s.wilcoxon_test(d) == pytest.approx(expected, abs=1e-8)


def test_differences_that_rounding_alone_tells_apart_share_a_rank() -> None:
    tied = [0.5, -0.5, 1.0, 2.0]
    apart = [0.1 + 0.4, -(0.8 - 0.3 - 1e-16), 1.0, 2.0 + 1e-15]
    assert s.wilcoxon_test(apart) == s.wilcoxon_test(tied)
    assert s.wilcoxon_test([0.3, 1.0, 2.0], 0.1 + 0.2) == s.wilcoxon_test([1.0, 2.0], 0.3)


@given(samples(), st.floats(0.1, 5))
def test_equivalence_is_seen_from_both_sides_alike(d: np.ndarray, margin: float) -> None:
    assert s.equivalence_test(d, margin) == s.equivalence_test(-d, margin)
    assert s.equivalence_test(d, margin) >= max(s.t_test(d, -margin), s.t_test(-d, -margin)) - 1e-15


def test_the_unpaired_sleep_data_give_what_r_prints() -> None:
    """``t.test(extra ~ group, data = sleep)`` of R: interval -3.3654832 to 0.2054832."""
    a = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]
    b = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]
    ours = s.welch_interval(a, b)
    assert (ours.low, ours.high) == pytest.approx((-3.3654832, 0.2054832), abs=5e-8)


@settings(max_examples=5)  # a tenth of a second each in statsmodels
@given(arrays(np.float64, st.integers(1, 9), elements=st.floats(0, 1)))
def test_holm_agrees_with_statsmodels(p: np.ndarray) -> None:
    assert s.holm(p) == pytest.approx(multipletests(p, method="holm")[1], abs=1e-12)


@pytest.mark.parametrize(
    ("alpha", "family", "pairs"), [(0.05, 1, 5), (0.05, 3, 6), (0.05, 24, 9), (0.25, 1, 2), (0.4, 1, 2)]
)
def test_fewest_pairs(alpha: float, family: int, pairs: int) -> None:
    assert s.fewest_pairs(alpha, family) == pairs
    assert 0.5**pairs <= alpha / family


def test_holm_as_r_adjusts() -> None:
    """``p.adjust(c(.01, .02, .03, .04, .05), "holm")`` of R."""
    assert s.holm([0.03, 0.01, 0.05, 0.02, 0.04]) == pytest.approx([0.09, 0.05, 0.09, 0.08, 0.09], abs=1e-12)


@given(arrays(np.float64, st.integers(1, 9), elements=st.floats(0, 1)))
def test_holm_lies_between_no_adjustment_and_bonferroni(p: np.ndarray) -> None:
    adjusted = s.holm(p)
    assert (adjusted >= p).all()
    assert (adjusted <= np.minimum(1.0, p.size * p) + 1e-15).all()
    assert (np.diff(adjusted[np.argsort(p, kind="stable")]) >= 0).all()


@given(samples(1, 40), st.sampled_from([0.55, 0.8, 0.9, 0.95, 0.99]))
def test_medians_agree_with_scipy(x: np.ndarray, confidence: float) -> None:
    ours, theirs = s.median_interval(x, confidence), stats.quantile_test(x, p=0.5).confidence_interval(confidence)
    expected = (
        -math.inf if math.isnan(theirs.low) else theirs.low,
        math.inf if math.isnan(theirs.high) else theirs.high,
    )
    assert (ours.low, ours.high) == expected
    assert ours.estimate == pytest.approx(np.median(x))


@pytest.mark.parametrize("n", range(1, 30))
@pytest.mark.parametrize("confidence", [0.8, 0.95])
def test_the_coverage_is_at_least_the_confidence_and_no_narrower_pair_has_it(n: int, confidence: float) -> None:
    x = np.arange(1.0, n + 1)
    low, high = s.median_interval(x, confidence)[1:3]
    outside = 0.0 if low == -math.inf else 2 * stats.binom.cdf(low - 1, n, 0.5)
    assert outside <= 1 - confidence + 1e-12
    narrower = 1 if low == -math.inf else low + 1
    assert 2 * stats.binom.cdf(narrower - 1, n, 0.5) > 1 - confidence
    assert low == -high or low + high == n + 1


def test_misses_are_infinite_and_kept() -> None:
    x = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, math.inf, math.inf]
    assert s.median_interval(x)[:3] == (4.5, 1.0, math.inf)
    assert s.median_interval([1.0, math.inf])[:3] == (math.inf, -math.inf, math.inf)
    assert s.median_interval([math.inf] * 7)[:3] == (math.inf, math.inf, math.inf)
    with pytest.raises(ValueError):
        s.median_interval([1.0, math.nan])
    with pytest.raises(ValueError):
        s.median_interval([])


def _crossed(rng: np.random.Generator, seeds: int, n: int, images: float, runs: float) -> tuple[np.ndarray, np.ndarray]:
    """Right or wrong of two arms that are equally good on average: images favour one or the other, and so do seeds."""
    tilt = images * rng.normal(size=n) + runs * rng.normal(size=(seeds, 1))
    ours, theirs = (rng.random((seeds, n)) < 0.7 + sign * tilt / 2 for sign in (1, -1))
    return ours, theirs


@pytest.mark.parametrize(("images", "runs"), [(0.2, 0.0), (0.2, 0.02), (0.0, 0.02)])
def test_new_seeds_and_new_images_are_covered_once_each(images: float, runs: float) -> None:
    """The true difference is 0 over all seeds and images: nominal 90 %, whichever error rules."""
    rng, confidence, covered = np.random.default_rng(5), 0.9, 0
    for _ in range(400):
        ours, theirs = _crossed(rng, 8, 300, images, runs)
        found = s.mean_interval(100 * (ours.mean(axis=1) - theirs.mean(axis=1)), confidence)
        both = s.widened(found, s.image_error(ours, theirs), confidence)
        assert both.low <= found.low and found.high <= both.high
        covered += both.low <= 0 <= both.high
    assert 0.87 <= covered / 400 <= 0.955


def test_image_error_is_the_images_part_of_the_sampling_error() -> None:
    rng = np.random.default_rng(6)
    ours, theirs = _crossed(rng, 400, 500, 0.2, 0.0)
    assert s.image_error(ours, theirs) == pytest.approx(s.sampling_error(list(ours), list(theirs)), rel=0.02)
    assert s.image_error(ours, theirs) == pytest.approx(100 * 0.2 / math.sqrt(500), rel=0.1)
    one = s.image_error(ours[:1], theirs[:1])
    assert one == pytest.approx(s.sampling_error(list(ours[:1]), list(theirs[:1])))
    assert s.image_error(ours, ours) == 0
