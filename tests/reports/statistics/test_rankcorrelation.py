"""Correlations of ranks, and how much of them noise leaves."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from drawn import pairs, samples
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from selbench.reports.statistics import rankcorrelation as rc


@given(pairs(3, 15), st.booleans())
def test_correlations_agree_with_scipy_ties_included(pair: np.ndarray, coarse: bool) -> None:
    x, y = np.round(pair / 10) if coarse else pair
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        assert math.isnan(rc.spearman(x, y)) and math.isnan(rc.kendall(x, y))
        return
    assert float(rc.spearman(x, y)) == pytest.approx(stats.spearmanr(x, y).statistic, abs=1e-12)
    assert float(rc.kendall(x, y)) == pytest.approx(stats.kendalltau(x, y).statistic, abs=1e-12)


@given(st.integers(0, 10_000), st.integers(1, 7))
def test_resamples_are_done_at_once_as_one_by_one(seed: int, k: int) -> None:
    x, y = np.random.default_rng(seed).integers(0, 6, (2, 5, 9)).astype(float)
    x[0], y[1] = 1.0, 2.0
    for statistic in (rc.spearman, rc.kendall, rc.pair_agreement, lambda a, b: rc.regret(a, b, k)):
        np.testing.assert_array_equal(statistic(x, y), [statistic(a, b) for a, b in zip(x, y, strict=True)])


@given(pairs(3, 10), st.floats(0, 15))
def test_pairs_in_order_are_counted_one_by_one(pair: np.ndarray, least: float) -> None:
    target, proxy = np.round(pair / 4)
    counted = right = 0.0
    for i, j in itertools.combinations(range(len(target)), 2):
        if abs(target[i] - target[j]) > least:
            counted += 1
            same = (target[i] - target[j]) * (proxy[i] - proxy[j])
            right += 0.5 if same == 0 else float(same > 0)
    found = float(rc.pair_agreement(target, proxy, least))
    assert math.isnan(found) if counted == 0 else found == pytest.approx(right / counted)


@given(pairs(4, 12), st.integers(1, 6))
def test_regret(pair: np.ndarray, k: int) -> None:
    target, proxy = pair
    loss = float(rc.regret(target, proxy, k))
    assert 0 <= float(rc.regret(target, proxy, k + 1)) <= loss <= np.ptp(target)
    assert rc.regret(target, target, k) == 0
    assert rc.regret(target, proxy, len(target)) == 0


def test_regret_in_numbers_and_without_luck_among_equals() -> None:
    assert float(rc.regret([3.0, 7.0, 9.0], [5.0, 6.0, 4.0])) == 2.0
    assert float(rc.regret([3.0, 7.0, 9.0], [5.0, 5.0, 4.0])) == 6.0
    assert float(rc.regret([3.0, 7.0, 9.0], [5.0, 5.0, 4.0], 2)) == 2.0


def test_the_least_difference_is_that_of_the_analysis_of_variance() -> None:
    """By the classical sums of squares of a two-way layout without replication."""
    table = np.array([[5.0, 7.0, 6.0], [8.0, 9.0, 7.0], [1.0, 4.0, 3.0], [2.0, 2.0, 5.0]])
    items, runs = table.shape
    correction = table.sum() ** 2 / table.size
    rest = (table**2).sum() - (table.sum(1) ** 2).sum() / runs - (table.sum(0) ** 2).sum() / items + correction
    error = rest / ((items - 1) * (runs - 1))
    wanted = stats.t.ppf(0.975, (items - 1) * (runs - 1)) * math.sqrt(2 * error / runs)
    assert rc.least_difference(table) == pytest.approx(wanted)
    assert math.isinf(rc.least_difference(table[:, :1]))


def test_two_runs_step_up_by_spearman_and_brown() -> None:
    table = np.random.default_rng(3).normal(size=(20, 2)) + np.linspace(0, 3, 20)[:, None]
    halved = float(stats.spearmanr(*table.T).statistic)
    assert rc.repeatability(table) == pytest.approx(2 * halved / (1 + halved))
    assert math.isnan(rc.repeatability(table[:, :1]))


@pytest.mark.parametrize("runs", [2, 3, 4, 7, 20])
def test_the_ceiling_is_what_a_repeat_would_reach(runs: int) -> None:
    """Halves of all of many simulated targets, against repeats of them that were really drawn."""
    rng = np.random.default_rng(runs)
    foretold, reached = [], []
    for _ in range(40 if runs < 20 else 6):
        truth = rng.normal(size=(60, 1))
        table, again = truth + math.sqrt(runs / 4) * rng.normal(size=(2, 60, runs))
        foretold.append(rc.repeatability(table))
        reached.append(float(rc.spearman(table.mean(1), again.mean(1))))
    assert np.mean(foretold) == pytest.approx(np.mean(reached), abs=0.03)


def test_noise_alone_has_no_ceiling_to_speak_of() -> None:
    rng = np.random.default_rng(0)
    found = [rc.repeatability(rng.normal(size=(40, 4))) for _ in range(20)]
    assert min(found) == 0.0 and np.mean(found) < 0.25


def test_shared_noise_shows_between_halves() -> None:
    rng = np.random.default_rng(1)
    truth, noise = rng.normal(size=(200, 1)), rng.normal(size=(200, 4))
    shared = rc.halves(truth + noise, truth + noise)
    own = rc.halves(truth + noise, truth + rng.normal(size=(200, 4)))
    assert shared.same == pytest.approx(1.0) and shared.other < 0.75
    assert own.same == pytest.approx(own.other, abs=0.05)
    assert math.isnan(rc.halves(truth, truth).same)


@given(samples(3, 10), st.integers(0, 100))
def test_ranks_are_all_that_counts(x: np.ndarray, seed: int) -> None:
    y = np.random.default_rng(seed).normal(size=x.size)
    if np.ptp(x) > 0:
        for statistic in (rc.spearman, rc.kendall):
            assert float(statistic(x**3 + x, y)) == pytest.approx(float(statistic(x, y)))
            assert float(statistic(x, -y)) == pytest.approx(-float(statistic(x, y)))
