"""Ranks over many data sets."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from selbench.reports import statistics as s

ROUNDING = """\
5.40 5.50 5.55 5.85 5.70 5.75 5.20 5.60 5.50 5.55 5.50 5.40 5.90 5.85 5.70 5.45 5.55 5.60 5.40 5.40 5.35 5.45
5.50 5.35 5.25 5.15 5.00 5.85 5.80 5.70 5.25 5.20 5.10 5.65 5.55 5.45 5.60 5.35 5.45 5.05 5.00 4.95 5.50 5.50
5.40 5.45 5.55 5.50 5.55 5.55 5.35 5.45 5.50 5.55 5.50 5.45 5.25 5.65 5.60 5.40 5.70 5.65 5.55 6.30 6.30 6.25"""
"""Times of 22 runners around first base by three methods (Hollander & Wolfe 1973), as in R's help."""


def test_the_runners_give_what_r_prints() -> None:
    """``friedman.test(RoundingTimes)`` of R: chi-squared = 11.143, p-value = 0.003805."""
    found = s.friedman(np.array(ROUNDING.split(), dtype=float).reshape(22, 3))
    assert found.statistic == pytest.approx(11.143, abs=5e-4)
    assert found.p == pytest.approx(0.003805, abs=5e-7)


@given(arrays(np.float64, st.tuples(st.integers(2, 12), st.integers(3, 6)), elements=st.integers(0, 5).map(float)))
def test_friedman_agrees_with_scipy(scores: np.ndarray) -> None:
    assume((np.ptp(scores, axis=1) > 0).any())
    theirs = stats.friedmanchisquare(*scores.T)
    ours = s.friedman(scores)
    assert ours.statistic == pytest.approx(theirs.statistic, abs=1e-8)
    assert ours.p == pytest.approx(theirs.pvalue, abs=1e-8)
    assert ours.mean_ranks.sum() == pytest.approx(scores.shape[1] * (scores.shape[1] + 1) / 2)


def test_the_best_has_rank_one() -> None:
    found = s.friedman([[0.9, 0.5, 0.7], [0.8, 0.1, 0.2]])
    assert found.mean_ranks.tolist() == [1.0, 3.0, 2.0]
    alike = s.friedman(np.ones((3, 3)))
    assert (alike.statistic, alike.p) == (0.0, 1.0)
    with pytest.raises(ValueError):
        s.friedman([[1.0, 2.0, 3.0]])


@pytest.mark.parametrize(
    ("arms", "q"),
    [(2, 1.960), (3, 2.343), (4, 2.569), (5, 2.728), (6, 2.850), (7, 2.949), (8, 3.031), (9, 3.102), (10, 3.164)],
)
def test_critical_distances_are_those_of_the_published_table(arms: int, q: float) -> None:
    """Demsar 2006, table 5(a), alpha = .05."""
    distance = s.friedman(np.random.default_rng(0).normal(size=(14, arms))).critical_distance
    assert distance / math.sqrt(arms * (arms + 1) / (6 * 14)) == pytest.approx(q, abs=1e-3)


def test_the_published_example_of_critical_distances() -> None:
    """Demsar 2006, section 3.2.2: four classifiers on 14 data sets, 1.25 at .05 and 1.12 at .10."""
    scores = np.random.default_rng(0).normal(size=(14, 4))
    assert s.friedman(scores, 0.05).critical_distance == pytest.approx(1.25, abs=0.005)
    assert s.friedman(scores, 0.10).critical_distance == pytest.approx(1.12, abs=0.005)


@given(
    arrays(np.float64, st.integers(1, 8), elements=st.integers(4, 32).map(lambda x: x / 4)), st.sampled_from([0.6, 1.1])
)
def test_cliques_are_the_largest_groups_within_the_distance(ranks: np.ndarray, distance: float) -> None:
    found = s.cliques(ranks, distance)
    sets = [set(group) for group in found]
    close = [
        set(group)
        for size in range(2, ranks.size + 1)
        for group in itertools.combinations(range(ranks.size), size)
        if np.ptp(ranks[list(group)]) < distance
    ]
    largest = [group for group in close if not any(group < other for other in close)]
    assert len(sets) == len(largest) and all(group in sets for group in largest)
    assert all((np.diff(ranks[group]) >= 0).all() for group in found)
    assert [ranks[group[0]] for group in found] == sorted(ranks[group[0]] for group in found)


def test_arms_just_the_critical_distance_apart_are_told_apart() -> None:
    assert s.cliques([1.0, 2.0, 3.0], 1.0) == []
    assert s.cliques([1.0, 2.0, 3.0], 1.0001) == [[0, 1], [1, 2]]
