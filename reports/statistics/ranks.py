"""Many arms on many data sets: ranks and which of them can be told apart (Demsar 2006)."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from .samples import Array

FEWEST_DATASETS = 10
"""Below, the chi-squared approximation is poor and nothing would be told apart: no test is to be shown."""


class Friedman(NamedTuple):
    """Friedman's test with the mean rank of each arm ``[arms]`` (1 is best) and Nemenyi's critical distance."""

    statistic: float
    p: float
    mean_ranks: Array
    critical_distance: float


def friedman(scores: ArrayLike, alpha: float = 0.05) -> Friedman:
    """Friedman's (1937) rank test with its correction for ties, and Nemenyi's (1963) distance between mean ranks.

    Parameters
    ----------
    scores : array ``[datasets, arms]``, at least 2 by 2
        Higher is better; equal scores share their mean rank.
    alpha : float
        Of the critical distance ``q sqrt(arms (arms + 1) / (6 datasets))``, q being the quantile of the studentized
        range with infinite degrees of freedom over sqrt 2.

    Returns
    -------
    Friedman
        Statistic 0 and p 1 where every data set has all arms equal. Computed for any number of data sets: whether
        :data:`FEWEST_DATASETS` is reached is for the caller to look at.
    """
    x = np.asarray(scores, dtype=np.float64)
    if x.ndim != 2 or min(x.shape) < 2 or not np.isfinite(x).all():
        raise ValueError(f"needs finite scores of at least 2 data sets and 2 arms, got shape {x.shape}")
    from scipy import special, stats

    n, k = x.shape
    ranks = stats.rankdata(-x, axis=1)
    # By hand: SciPy's test takes three arms or more, and divides by nothing where all are equal everywhere.
    middle = (k + 1) / 2
    within = float(np.sum((ranks - middle) ** 2))
    between = n * n * float(np.sum((ranks.mean(axis=0) - middle) ** 2))
    statistic = (k - 1) * between / within if within > 0 else 0.0
    distance = studentized_range(1 - alpha, k, math.inf) * math.sqrt(k * (k + 1) / (12 * n))
    return Friedman(statistic, float(special.chdtrc(k - 1, statistic)), ranks.mean(axis=0), distance)


@lru_cache(maxsize=64)
def studentized_range(share: float, arms: int, noise: float) -> float:
    """Quantile of the studentised range of so many arms and degrees of freedom, which takes long to find."""
    from scipy import stats

    return float(stats.studentized_range.ppf(share, arms, noise))


def cliques(mean_ranks: ArrayLike, distance: float) -> list[list[int]]:
    """Largest groups of two arms or more whose mean ranks all lie closer together than ``distance``.

    By hand: no library that is here has them.

    Parameters
    ----------
    mean_ranks : array ``[arms]``
    distance : float
        Nemenyi's critical distance; arms exactly this far apart are told apart.

    Returns
    -------
    list of lists of int
        Indices into ``mean_ranks``, each group from best to worst, groups by their best arm; none inside another.
    """
    ranks = np.asarray(mean_ranks, dtype=np.float64)
    order = np.argsort(ranks, kind="stable")
    ends = np.searchsorted(ranks[order], ranks[order] + distance - 1e-9, side="left")
    reached, groups = 0, []
    for start, end in enumerate(ends):
        if end > reached and end - start > 1:
            groups.append([int(arm) for arm in order[start:end]])
        reached = max(reached, int(end))
    return groups
