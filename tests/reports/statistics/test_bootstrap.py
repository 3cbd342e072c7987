"""Bootstrap intervals."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from selbench.reports import statistics as s


@given(st.integers(0, 10_000), st.sampled_from([4, 8, 16, 32]), st.sampled_from([0.9, 0.95]))
def test_bca_agrees_with_scipy(seed: int, n: int, confidence: float) -> None:
    """On numbers whose means are exact, so that both see the same ties between resamples and the estimate."""
    rng = np.random.default_rng(seed)
    x, y = (np.round(256 * rng.gamma(shape, 1.0, n)) / 256 for shape in (2.0, 3.0))
    y += 1.0
    for data, statistic in (((x,), s.mean_of), ((x, y), lambda one, other: one / other)):
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


def test_the_stratified_bootstrap_has_the_error_that_theory_gives() -> None:
    """Of a mean of means: each stratum's plug-in variance over its size, and a percentile interval near the normal."""
    rng = np.random.default_rng(1)
    data = [rng.normal(0.0, scale, n) for scale, n in ((1.0, 12), (2.0, 20), (0.5, 30))]
    ours = s.stratified_interval(
        [[d] for d in data], lambda strata: np.mean([d.mean(axis=-1) for (d,) in strata], axis=0)
    )
    error = math.sqrt(sum(d.var() / d.size for d in data)) / 3
    assert ours.estimate == pytest.approx(np.mean([d.mean() for d in data]))
    assert ours.sd == pytest.approx(error, rel=0.05)
    assert (ours.high - ours.low) / 2 == pytest.approx(1.96 * error, rel=0.08)


def test_one_stratum_agrees_with_scipys_percentile_bootstrap() -> None:
    x, y = np.random.default_rng(2).gamma(2.0, 1.0, (2, 15))
    ours = s.stratified_interval([[x, y]], lambda strata: strata[0][0].mean(axis=-1) / strata[0][1].mean(axis=-1), 0.9)
    theirs = stats.bootstrap(
        (x, y),
        lambda a, b, axis=-1: a.mean(axis=axis) / b.mean(axis=axis),
        paired=True,
        method="percentile",
        confidence_level=0.9,
        n_resamples=2000,
        rng=np.random.default_rng(0),
    ).confidence_interval
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), rel=1e-8)


def test_the_arrays_of_a_stratum_stay_paired() -> None:
    x = np.random.default_rng(3).normal(size=9)
    same = s.stratified_interval([[x, x + 1.0]], lambda strata: (strata[0][1] - strata[0][0]).mean(axis=-1))
    assert same[:3] == pytest.approx((1.0, 1.0, 1.0)) and same.sd == 0.0
    with pytest.raises(ValueError, match="one length"):
        s.stratified_interval([[x, x[:4]]], lambda strata: strata[0][0].mean(axis=-1))


@given(st.integers(0, 1000), st.sampled_from([4, 8, 12]))
def test_geometric_ratios_of_alike_data_sets_are_the_ratio(seed: int, n: int) -> None:
    a, b = np.random.default_rng(seed).uniform(1, 2, (2, n))
    found, one = s.geometric_ratio_interval([(a, b), (10 * a, 10 * b), (b, b)]), s.ratio_interval(a, b)
    assert found is not None and one is not None
    assert found.estimate == pytest.approx(one.estimate ** (2 / 3))
    assert found.low <= found.estimate <= found.high


@given(st.integers(0, 1000))
def test_geometric_ratios_turn_over_with_their_sides(seed: int) -> None:
    pairs = [tuple(np.random.default_rng([seed, i]).uniform(1, 2, (2, 6))) for i in range(3)]
    there, back = s.geometric_ratio_interval(pairs), s.geometric_ratio_interval([(b, a) for a, b in pairs])
    assert there is not None and back is not None
    assert (back.estimate, back.low, back.high) == pytest.approx(
        (1 / there.estimate, 1 / there.high, 1 / there.low), rel=1e-3
    )


def test_geometric_ratios_at_the_edges() -> None:
    point = s.geometric_ratio_interval([(np.full(4, 2.0), np.full(4, 1.0)), (np.full(4, 8.0), np.full(4, 1.0))])
    assert point is not None and point[:3] == pytest.approx((4.0, 4.0, 4.0)) and point.sd == 0.0
    assert s.geometric_ratio_interval([([1.0, 2.0], [1.0, 0.0])]) is None
    assert s.geometric_ratio_interval([([0.0, 2.0], [1.0, 1.0])]) is None
    single = s.geometric_ratio_interval([([1.0, 2.0], [1.0, 1.5]), ([3.0], [1.0])])
    assert single is not None and single.estimate == pytest.approx(math.sqrt(1.2 * 3)) and math.isnan(single.low)
