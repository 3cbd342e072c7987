"""Slopes within blocks, lines and the spread of items, against statsmodels, scipy and known truth."""

from __future__ import annotations

import math

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from selbench.reports.statistics import mean_interval
from selbench.reports.statistics.slopes import (
    blocked_slope,
    off_the_line,
    predicted,
    range_of_items,
    slopes_within,
    spread_of_items,
)

X = np.array([11.0, 21.0, 24.0, 30.0, 43.0, 60.0])


def drawn(seed: int, seeds: int = 8, slope: float = 0.05, scatter: float = 0.3) -> np.ndarray:
    rng = np.random.default_rng(seed)
    items = slope * X + scatter * rng.normal(size=len(X))
    return items + 2 * rng.normal(size=(seeds, 1)) + 0.5 * rng.normal(size=(seeds, len(X)))


def test_the_slope_is_that_of_a_regression_with_a_level_for_each_seed() -> None:
    y = drawn(0)
    seeds, items = y.shape
    levels = np.kron(np.eye(seeds), np.ones((items, 1)))
    fit = sm.OLS(y.ravel(), np.column_stack([np.tile(X, seeds), levels])).fit()
    found = blocked_slope(X, y)
    assert found.estimate == pytest.approx(fit.params[0], rel=1e-10)
    each = [sm.OLS(row, sm.add_constant(X)).fit().params[1] for row in y]
    assert slopes_within(X, y) == pytest.approx(each, rel=1e-10)
    assert found == pytest.approx(mean_interval(each), rel=1e-9)


@given(st.lists(st.floats(-50, 50), min_size=8, max_size=8), st.floats(-100, 100))
def test_a_seeds_level_and_where_x_begins_change_no_slope(levels: list[float], start: float) -> None:
    y = drawn(1)
    moved = slopes_within(X + start, y + np.array(levels)[:, None])
    assert moved == pytest.approx(slopes_within(X, y), abs=1e-8)


def test_the_slope_covers_the_truth_as_often_as_it_says() -> None:
    covered = 0
    for seed in range(300):
        found = blocked_slope(X, drawn(seed, scatter=0.0))
        covered += found.low <= 0.05 <= found.high
    assert 0.91 <= covered / 300 <= 0.985


@pytest.mark.parametrize("at", [5.0, 35.0, 80.0])
def test_the_prediction_interval_is_the_textbooks(at: float) -> None:
    means = drawn(2).mean(axis=0)
    line, (rest, *_), *_ = np.polyfit(X, means, 1, full=True)
    wide = np.sqrt(rest / 4 * (1 + 1 / 6 + (at - X.mean()) ** 2 / ((X - X.mean()) ** 2).sum()))
    found, half = predicted(X, means, at), stats.t.ppf(0.975, 4) * wide
    assert found.estimate == pytest.approx(np.polyval(line, at), rel=1e-9)
    assert (found.low, found.high) == pytest.approx((found.estimate - half, found.estimate + half), rel=1e-9)


def test_distance_from_the_line_is_seed_by_seed() -> None:
    y = drawn(3)
    at = 50.0
    on = np.array([np.polyval(np.polyfit(X, row, 1), at) for row in y])
    assert off_the_line(X, y, at, on + 2.0) == pytest.approx(np.full(len(y), 2.0), abs=1e-9)


def test_the_spread_is_unbiased_in_the_variance_and_its_interval_inverts_the_noncentral_f() -> None:
    y = drawn(4, seeds=6)
    seeds, items = y.shape
    left = y - y.mean(1, keepdims=True) - y.mean(0) + y.mean()
    noise = (left**2).sum() / ((seeds - 1) * (items - 1))
    between = seeds * y.mean(0).var(ddof=1)
    found = spread_of_items(y)
    assert found.estimate**2 == pytest.approx((between - noise) * (items - 1) / (items * seeds), rel=1e-9)
    assert found.sd == pytest.approx(math.sqrt(noise), rel=1e-9)
    for end, share in ((found.low, 0.975), (found.high, 0.025)):
        noncentral = end**2 * items * seeds / noise
        cdf = stats.ncf.cdf(between / noise, items - 1, (items - 1) * (seeds - 1), noncentral)
        assert cdf == pytest.approx(share, abs=1e-6)


def test_the_spread_covers_the_truth_and_is_nothing_where_there_is_none() -> None:
    truth = 0.05 * X
    rows = [spread_of_items(drawn(seed, seeds=6, scatter=0.0)) for seed in range(60)]
    assert sum(row.low <= truth.std() <= row.high for row in rows) >= 53
    none = [spread_of_items(drawn(seed, seeds=6, slope=0.0, scatter=0.0)) for seed in range(60)]
    assert sum(row.low == 0.0 for row in none) >= 53
    assert np.mean([row.estimate for row in none]) < 0.15
    exact = spread_of_items(np.tile(truth, (3, 1)))
    assert exact == pytest.approx((truth.std(), truth.std(), truth.std(), 0.0))


def test_the_range_is_give_and_take_tukeys_difference() -> None:
    y = drawn(5, seeds=5)
    found = range_of_items(y)
    means = y.mean(0)
    assert found.estimate == pytest.approx(means.max() - means.min())
    # Without blocks Tukey's difference is scipy's: the blocks' levels are taken off, and with them degrees of freedom.
    half = (found.high - found.low) / 2
    q = half / (found.sd / math.sqrt(len(y)))
    assert stats.studentized_range.sf(q, len(X), (len(X) - 1) * 4) == pytest.approx(0.05, abs=1e-3)


@settings(max_examples=30)
@given(st.integers(0, 10**6), st.floats(0.1, 10.0))
def test_a_spread_scales_with_the_unit(seed: int, unit: float) -> None:
    y = drawn(seed, seeds=4)
    assert spread_of_items(unit * y) == pytest.approx(tuple(unit * v for v in spread_of_items(y)), rel=1e-5, abs=1e-6)


def test_tables_that_cannot_be_used_are_refused() -> None:
    with pytest.raises(ValueError, match="differ in x"):
        slopes_within([1.0, 1.0], [[1.0, 2.0]])
    with pytest.raises(ValueError, match="at least 2 seeds"):
        spread_of_items([[1.0, 2.0]])
    with pytest.raises(ValueError, match="finite"):
        slopes_within([1.0, 2.0], [[math.nan, 2.0]])
    with pytest.raises(ValueError, match="at least 3"):
        predicted([1.0, 2.0], [1.0, 2.0], 1.5)
