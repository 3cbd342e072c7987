"""The median of values of which some may be infinite."""

from __future__ import annotations

import math

import numpy as np
import pytest
from drawn import quick, samples
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from selbench.reports import statistics as s


@quick
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
