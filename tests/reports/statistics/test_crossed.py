"""Resamples of items and runs at once."""

from __future__ import annotations

import math

import numpy as np
import pytest

from selbench.reports.statistics.bootstrap import crossed_means, replica_interval
from selbench.reports.statistics.rankcorrelation import spearman


def test_the_variance_of_a_resampled_mean_is_the_pigeonhole_bootstraps() -> None:
    """Of a grand mean: rows' and columns' shares as they should be, and that of single entries (Owen 2007)."""
    rng = np.random.default_rng(0)
    rows, columns = rng.normal(size=(12, 1)), rng.normal(size=(1, 6))
    rows, columns = rows - rows.mean(), columns - columns.mean()
    (drawn,) = crossed_means([rows + columns], resamples=20_000)
    wanted = rows.var() / 12 + columns.var() / 6
    assert drawn.mean(1).var() == pytest.approx(wanted, rel=0.05)


def test_items_are_resampled_together_and_runs_where_they_are_the_same() -> None:
    table = np.arange(20.0).reshape(5, 4) ** 2
    same, again = crossed_means([table, 2 * table])
    np.testing.assert_array_equal(2 * same, again)
    own, other = crossed_means([table, table], together=False)
    assert (own != other).any()
    by_item = np.repeat(np.arange(5.0)[:, None], 3, 1)
    items, shifted = crossed_means([by_item, by_item[:, :2] + 10], together=False)
    np.testing.assert_array_equal(items + 10, shifted)


def test_one_run_is_resampled_over_items_alone() -> None:
    (drawn,) = crossed_means([np.array([[1.0], [2.0], [4.0]])])
    assert set(np.unique(drawn)) == {1.0, 2.0, 4.0}


@pytest.mark.parametrize(
    ("tables", "together"),
    [([np.ones((3, 2)), np.ones((4, 2))], False), ([np.ones((3, 2)), np.ones((3, 4))], True), ([np.ones(3)], True)],
)
def test_tables_that_do_not_belong_together(tables: list[np.ndarray], together: bool) -> None:
    with pytest.raises(ValueError, match="tables"):
        crossed_means(tables, together=together)


def test_plain_percentiles_and_corrected_ones() -> None:
    replicas = np.random.default_rng(0).normal(size=20_001)
    middle = float(np.median(replicas))
    plain, corrected = (replica_interval(middle, replicas, corrected=way) for way in (False, True))
    assert (plain.low, plain.high) == pytest.approx(tuple(np.quantile(replicas, [0.025, 0.975])))
    assert (corrected.low, corrected.high) == pytest.approx((plain.low, plain.high), abs=1e-3)
    above = replica_interval(0.5, replicas)
    assert above.low > plain.low + 0.4 and above.high > plain.high + 0.4
    assert replica_interval(1.0, np.ones(50))[:3] == (1.0, 1.0, 1.0)


def test_resamples_that_rank_nothing_are_left_out() -> None:
    replicas = np.linspace(0, 1, 101)
    kept = replica_interval(0.5, np.concatenate([replicas, np.full(50, np.nan)]))
    assert kept == replica_interval(0.5, replicas)
    assert math.isnan(replica_interval(0.5, np.concatenate([replicas, np.full(200, np.nan)])).low)
    assert math.isnan(replica_interval(math.nan, replicas).high)


@pytest.mark.parametrize(("rho", "noise", "shared"), [(0.9, 0.5, 0.0), (0.9, 0.5, 0.5), (0.4, 0.7, 0.0)])
def test_intervals_of_rank_correlations_hold_what_they_promise(rho: float, noise: float, shared: float) -> None:
    """Twenty recipes at four seeds from a known population; 200 studies have 0.95 within 3 standard errors."""
    rng = np.random.default_rng(5)

    def study(recipes: int) -> tuple[np.ndarray, np.ndarray]:
        target = rng.normal(size=recipes)
        proxy = rho * target + math.sqrt(1 - rho**2) * rng.normal(size=recipes)
        chance = rng.normal(size=(recipes, 4))
        other = shared * chance + math.sqrt(1 - shared**2) * rng.normal(size=(recipes, 4))
        return target[:, None] + noise * chance, proxy[:, None] + noise * other

    truth = float(spearman(*(table.mean(1) for table in study(200_000))))
    held = 0
    for _ in range(200):
        target, proxy = study(20)
        drawn = crossed_means([target, proxy], resamples=400)
        found = replica_interval(float(spearman(target.mean(1), proxy.mean(1))), spearman(*drawn))
        held += found.low <= truth <= found.high
    assert 0.90 <= held / 200 <= 0.995
