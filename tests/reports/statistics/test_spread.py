"""Which of two arms is steadier."""

from __future__ import annotations

import math

import numpy as np
import pytest
from drawn import pairs, quick, varied
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from selbench.reports import statistics as s


@quick
@given(pairs(3, 15))
def test_the_test_is_that_of_the_correlation_of_sum_and_difference(xy: np.ndarray) -> None:
    x, y = xy
    assume(varied(x) and varied(y) and abs(np.corrcoef(x, y)[0, 1]) < 0.999)
    theirs = stats.pearsonr(x + y, x - y, alternative="less").pvalue
    ours = s.spread_ratio(x, y)
    assert ours.p_steadier == pytest.approx(theirs, abs=1e-8)
    assert ours.ratio == pytest.approx(np.std(x) / np.std(y))


@quick
@given(pairs(4, 15), st.sampled_from([0.9, 0.95]))
def test_the_ends_are_the_ratios_that_the_test_just_allows(xy: np.ndarray, confidence: float) -> None:
    x, y = xy
    assume(varied(x) and varied(y) and abs(np.corrcoef(x, y)[0, 1]) < 0.999)
    ours = s.spread_ratio(x, y, confidence)
    for end, side in ((ours.low, "greater"), (ours.high, "less")):
        theirs = stats.pearsonr(x + end * y, x - end * y, alternative=side).pvalue
        assert theirs == pytest.approx((1 - confidence) / 2, abs=1e-8)


@quick
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
