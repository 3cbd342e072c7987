"""Power of the paired t test."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.power import TTestPower

from selbench.reports import statistics as s


@pytest.mark.parametrize(("sd", "margin", "pairs"), [(0.25, 0.25, 8), (0.25, 0.1, 41), (1.0, 0.5, 27), (0.25, 1.0, 5)])
def test_pairs_needed_for_80_per_cent_power(sd: float, margin: float, pairs: int) -> None:
    assert s.pairs_needed(sd, margin) == pairs


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


@given(st.integers(2, 60), st.floats(0.01, 3), st.sampled_from([0.05, 0.05 / 3]))
def test_the_smallest_margin_has_just_the_power(n: int, sd: float, alpha: float) -> None:
    margin = s.smallest_margin(sd, n, alpha=alpha)
    assert s.power_noninferior(n, sd, margin, alpha=alpha) == pytest.approx(0.8, abs=1e-6)


@given(st.floats(0.01, 4), st.floats(0.2, 3))
def test_pairs_needed_is_the_fewest(sd: float, margin: float) -> None:
    n = s.pairs_needed(sd, margin)
    assert n is not None and s.power_noninferior(n, sd, margin) >= 0.8
    assert n == 5 or s.power_noninferior(n - 1, sd, margin) < 0.8


def test_no_number_of_pairs_shows_a_margin_of_zero() -> None:
    assert s.pairs_needed(1.0, 0.0) is None
    assert s.pairs_needed(0.0, 0.5) == 5


@given(st.integers(3, 60), st.floats(0.1, 2), st.floats(-0.5, 0.5), st.sampled_from([0.05, 0.05 / 3]))
def test_power_agrees_with_statsmodels(n: int, margin: float, difference: float, alpha: float) -> None:
    effect = (difference + margin) / 0.7
    theirs = TTestPower().power(effect, n, alpha, df=n - 1, alternative="larger")
    assert s.power_noninferior(n, 0.7, margin, alpha=alpha, difference=difference) == pytest.approx(theirs, abs=1e-8)


def test_power_as_r_prints() -> None:
    """``pwr.t.test(d = 0.2, n = 60, sig.level = 0.10, type = "one.sample")`` of R's pwr: power = 0.4555818."""
    above = s.power_noninferior(60, 1.0, 0.2)
    below = s.power_noninferior(60, 1.0, 0.0, difference=-0.2)
    assert above + below == pytest.approx(0.4555818, abs=5e-8)


def test_no_spread_is_shown_for_certain() -> None:
    assert s.power_noninferior(5, 0.0, 0.5) == 1.0
    assert s.power_noninferior(5, 0.0, 0.5, difference=-0.5) == 0.0


@pytest.mark.parametrize(
    ("n", "ratio", "correlation", "alpha"),
    [(12, 0.5, 0.0, 0.05), (40, 0.7, 0.4, 0.025), (5, 0.3, 0.9, 0.05), (40, 0.8, -0.3, 0.05)],
)
def test_power_to_see_who_is_steadier_agrees_with_simulation(
    n: int, ratio: float, correlation: float, alpha: float
) -> None:
    rng = np.random.default_rng(3)
    x, own = rng.normal(size=(2, 20_000, n))
    y = correlation * x + math.sqrt(1 - correlation**2) * own
    sums, differences = (v - v.mean(axis=1, keepdims=True) for v in (ratio * x + y, ratio * x - y))
    r = (sums * differences).sum(axis=1) / np.sqrt((sums**2).sum(axis=1) * (differences**2).sum(axis=1))
    p = stats.t.cdf(r * np.sqrt((n - 2) / (1 - r**2)), n - 2)
    assert p[0] == pytest.approx(s.spread_ratio(ratio * x[0], y[0]).p_steadier)
    simulated = np.mean(p < alpha)
    assert s.power_steadier(n, ratio, correlation=correlation, alpha=alpha) == pytest.approx(simulated, abs=0.012)


@given(st.integers(3, 200), st.floats(-0.9, 0.9), st.sampled_from([0.05, 0.025]))
def test_the_spread_that_is_shown_has_just_the_power(n: int, correlation: float, alpha: float) -> None:
    ratio = s.spread_shown(n, correlation=correlation, alpha=alpha)
    assert 0 < ratio < 1
    assert s.power_steadier(n, ratio, correlation=correlation, alpha=alpha) == pytest.approx(0.8, abs=1e-6)
    assert s.power_steadier(n, 1.0, correlation=correlation, alpha=alpha) == pytest.approx(alpha, abs=1e-9)


def test_more_seeds_and_closer_pairs_show_smaller_differences_of_spread() -> None:
    assert s.spread_shown(10) < s.spread_shown(40) < s.spread_shown(40, correlation=0.8) < 1
