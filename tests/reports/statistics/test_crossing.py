"""Where a curve of paired differences crosses zero."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from selbench.reports.statistics.crossing import crossing

LEVELS = np.array([5.0, 10.0, 20.0, 30.0, 50.0, 70.0, 90.0])


def drawn(seed: int, n: int, noise: float) -> np.ndarray:
    """Differences ``[n, 7]`` about a curve that comes up through zero, not always, with a seed's noise in common."""
    rng = np.random.default_rng(seed)
    curve = np.sort(rng.normal(0, 2, LEVELS.size))
    return curve + noise * (rng.normal(size=(n, LEVELS.size)) + rng.normal(size=(n, 1)))


def on_a_grid(differences: np.ndarray, points: int = 4000) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Levels, and the mean with scipy's t interval of the interpolated difference at each."""
    fine = np.geomspace(LEVELS[0], LEVELS[-1], points)
    at = np.array([np.interp(np.log(fine), np.log(LEVELS), row) for row in differences])
    mean, error = at.mean(0), stats.sem(at)
    half = stats.t.ppf(0.975, len(differences) - 1) * error
    return fine, mean, mean - half, mean + half


@given(st.integers(0, 100_000), st.integers(2, 8), st.sampled_from([0.1, 0.5, 2.0]))
def test_it_is_what_intervals_on_a_fine_grid_say(seed: int, n: int, noise: float) -> None:
    differences = drawn(seed, n, noise)
    found = crossing(LEVELS, differences)
    fine, mean, low, high = on_a_grid(differences)
    step = fine[1] / fine[0] * 1.0001

    def first(true: np.ndarray, otherwise: float) -> float:
        return float(fine[np.argmax(true)]) if true.any() else otherwise

    zero = first(mean >= 0, math.inf)
    if found.at is not None:
        assert 1 / step <= found.at / zero <= step
    else:
        assert found.side == ("below" if zero == math.inf else "not below")
    lowest = first(high >= 0, LEVELS[-1])
    assert found.low == 0.0 if lowest == LEVELS[0] else 1 / step <= found.low / lowest <= step
    highest = first(low > 0, math.inf)
    assert found.high == highest or 1 / step <= found.high / highest <= step
    assert found.low <= (found.at or found.low) <= found.high


def test_a_single_stretch_has_the_interval_of_fieller() -> None:
    """By hand: with two levels the crossing is a ratio of means, a / (a - b), whose set Fieller's theorem gives."""
    a, b = np.array([-2.1, -1.4, -1.9, -2.4, -1.6]), np.array([1.3, 0.8, 1.6, 1.1, 0.7])
    found = crossing([1.0, math.e], np.column_stack([a, b]))
    top, bottom, n = -a, b - a, a.size
    t = stats.t.ppf(0.975, n - 1)
    (v, c), (_, w) = np.cov(top, bottom) / n
    ends = np.roots(
        [bottom.mean() ** 2 - t**2 * w, -2 * (top.mean() * bottom.mean() - t**2 * c), top.mean() ** 2 - t**2 * v]
    )
    assert math.log(found.at) == pytest.approx(top.mean() / bottom.mean())
    assert [math.log(found.low), math.log(found.high)] == pytest.approx(sorted(ends))


@pytest.mark.parametrize(("n", "noise"), [(3, 0.5), (5, 1.5), (12, 1.5)])
def test_its_interval_covers_the_true_crossing(n: int, noise: float) -> None:
    rng, draws = np.random.default_rng(n), 800
    curve = np.interp(np.log(LEVELS), np.log([5, 40, 90]), [-6.0, 0.0, 1.5])
    right = int(np.argmax(curve > 0))
    share = curve[right - 1] / (curve[right - 1] - curve[right])
    true = LEVELS[right - 1] * (LEVELS[right] / LEVELS[right - 1]) ** share
    hits = 0
    for _ in range(draws):
        found = crossing(LEVELS, curve + noise * (rng.normal(size=(n, 7)) + 0.5 * rng.normal(size=(n, 1))))
        hits += found.low <= true <= found.high
    assert 0.927 <= hits / draws <= 0.973, "within 3 standard errors of 0.95"


def test_differences_without_spread_cross_at_a_point() -> None:
    curve = 2 * np.log(LEVELS / 33.0)
    found = crossing(LEVELS, np.tile(curve, (4, 1)))
    assert found[:4] == ("crosses", pytest.approx(33.0), pytest.approx(33.0), pytest.approx(33.0))


def test_curves_that_do_not_cross() -> None:
    below = crossing(LEVELS, -1 - np.arange(21).reshape(3, 7) / 100)
    assert below[:4] == ("below", None, 90.0, math.inf) and below.p_below < 0.001 < 0.999 < below.p_above
    above = crossing(LEVELS, 1 + np.arange(21).reshape(3, 7) / 100)
    assert above[:4] == ("not below", None, 0.0, 5.0) and above.p_above < 0.001 < 0.999 < above.p_below


def test_only_the_first_of_several_zeros_counts() -> None:
    curve = np.array([-3.0, -3.0, 3.0, 3.0, -3.0, -3.0, 3.0])
    found = crossing(LEVELS, curve + np.array([[0.1], [-0.1], [0.0]]))
    assert found.at == pytest.approx(math.sqrt(200)) and 10 < found.low < found.at < found.high < 20


@given(st.integers(0, 100_000), st.floats(0.01, 100.0), st.floats(0.5, 2.0))
def test_units_of_either_axis_do_not_matter(seed: int, points: float, power: float) -> None:
    """Differences in any unit; levels to any power, since they are read over their logarithm."""
    differences = drawn(seed, 5, 0.5)
    one, other = crossing(LEVELS, differences), crossing(LEVELS**power, points * differences[::-1])
    assert one.side == other.side
    for ours, theirs in ((one.at, other.at), (one.low, other.low), (one.high, other.high)):
        assert theirs == (ours if ours is None else pytest.approx(ours**power, rel=1e-6))
    assert other[4:] == pytest.approx(one[4:], rel=1e-6)


@pytest.mark.parametrize(
    ("levels", "differences"),
    [
        ([1.0], [[1.0], [2.0]]),
        ([2.0, 1.0], [[1.0, 2.0], [1.0, 2.0]]),
        ([0.0, 1.0], [[1.0, 2.0], [1.0, 2.0]]),
        ([1.0, 2.0], [[1.0, 2.0]]),
        ([1.0, 2.0], [[1.0, math.nan], [1.0, 2.0]]),
        ([1.0, 2.0], [[1.0], [1.0]]),
    ],
)
def test_what_cannot_be_read_is_refused(levels: list[float], differences: list[list[float]]) -> None:
    with pytest.raises(ValueError, match="needs"):
        crossing(levels, differences)
