"""The exact sign-flip test and the interval that it inverts to."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from drawn import points, samples
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats

from selbench.reports import statistics as s
from selbench.reports.statistics import flips


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


@given(st.integers(2, 10))
def test_the_exact_test_has_a_floor(n: int) -> None:
    assert s.sign_flip_test(np.linspace(1, 2, n)) == 0.5**n


def subset_means(d: np.ndarray) -> np.ndarray:
    """Means of all non-empty subsets: where the p-value steps up as the shift grows."""
    subsets = itertools.chain.from_iterable(itertools.combinations(d, k) for k in range(1, d.size + 1))
    return np.sort([np.mean(subset) for subset in subsets])


@given(samples(2, 9), st.sampled_from([0.5, 0.8, 0.9, 0.95]))
def test_ends_are_means_of_subsets(d: np.ndarray, confidence: float) -> None:
    level = (1 - confidence) / 2
    below = math.ceil(level * 2**d.size - 1e-9) - 1  # flips that may tie with or pass the observed one, itself left out
    means = subset_means(d)
    expected = (means[below - 1], means[-below]) if below else (-math.inf, math.inf)
    ours = s.sign_flip_interval(d, confidence)
    assert (ours.low, ours.high) == pytest.approx(expected, abs=1e-8)
    assert ours.estimate == pytest.approx(d.mean(), abs=1e-12)
    assert ours.sd == pytest.approx(d.std(ddof=1), abs=1e-12)


@settings(max_examples=100)
@given(samples(2, 11), st.sampled_from([0.05, 0.05 / 3, 0.2]), points)
def test_the_interval_excludes_exactly_what_the_test_rejects(d: np.ndarray, alpha: float, null: float) -> None:
    ours = s.sign_flip_interval(d, 1 - 2 * alpha)
    assume(min(abs(ours.low - null), abs(ours.high - null)) > 1e-9)
    assert (ours.low > null) == (s.sign_flip_test(d, null) < alpha)
    assert (ours.high < null) == (s.sign_flip_test(-d, -null) < alpha)


@given(samples(2, 10), st.sampled_from([0.05, 0.05 / 3]))
def test_a_shift_at_an_end_is_not_rejected(d: np.ndarray, alpha: float) -> None:
    """Ends belong to the interval, and nulls do tie with them: accuracies are multiples of 1 / n."""
    ours = s.sign_flip_interval(d, 1 - 2 * alpha)
    if math.isfinite(ours.low):
        assert s.sign_flip_test(d, ours.low) >= alpha
        assert s.sign_flip_test(d, ours.low - 1e-6) < alpha


@pytest.mark.parametrize(
    ("n", "alpha", "finite"), [(4, 0.05, False), (5, 0.05, True), (5, 0.05 / 3, False), (6, 0.05 / 3, True)]
)
def test_below_the_floor_of_the_test_there_are_no_ends(n: int, alpha: float, finite: bool) -> None:
    ours = s.sign_flip_interval(np.linspace(1, 2, n), 1 - 2 * alpha)
    assert math.isfinite(ours.low) == math.isfinite(ours.high) == finite == (s.fewest_pairs(alpha) <= n)
    if not finite:
        assert (ours.low, ours.high) == (-math.inf, math.inf)


def test_differences_without_spread_give_a_point() -> None:
    ours = s.sign_flip_interval(np.full(6, 0.1) + 0.2, 0.9)
    assert ours[:3] == pytest.approx((0.3, 0.3, 0.3), abs=1e-11) and ours.sd == 0.0


def test_beyond_the_exact_range_the_interval_still_inverts_its_test() -> None:
    d = np.random.default_rng(9).normal(0.5, 1.0, s.EXACT_PAIRS + 3)
    ours, t = s.sign_flip_interval(d, 0.9), s.mean_interval(d, 0.9)
    assert (ours.low, ours.high) == pytest.approx((t.low, t.high), abs=0.05)
    assert s.sign_flip_test(d, ours.low) >= 0.05 > s.sign_flip_test(d, ours.low - 1e-6)
    assert s.sign_flip_test(-d, -ours.high) >= 0.05 > s.sign_flip_test(-d, -ours.high - 1e-6)


@given(samples(5, 9), st.floats(-5, 5), st.sampled_from([0.5, 2.0]))
def test_the_interval_moves_with_the_data(d: np.ndarray, shift: float, scale: float) -> None:
    before, after = s.sign_flip_interval(d, 0.9), s.sign_flip_interval(scale * d + shift, 0.9)
    assert after[:3] == pytest.approx([scale * x + shift for x in before[:3]], abs=1e-9)
    mirrored = s.sign_flip_interval(-d, 0.9)
    assert mirrored[:3] == pytest.approx((-before.estimate, -before.high, -before.low), abs=1e-12)
