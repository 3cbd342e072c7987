"""Over several data sets, which count alike and are fixed: one effect, or the ranks of many arms (Demsar 2006).

The result speaks of these data sets only.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from .bootstrap import Strata, stratified_interval
from .samples import Array, Interval, spread, vector


class Pooled(NamedTuple):
    """Mean effect over the data sets with a two-sided interval, and the one-sided p of "above 0"."""

    estimate: float
    low: float
    high: float
    se: float
    df: float
    p_superior: float


def fixed_effect(differences: Sequence[ArrayLike], confidence: float = 0.95) -> Pooled:
    """Mean of the data sets' mean differences, ``d_ij = mu_i + e_ij`` with a variance for each data set.

    Each data set counts alike, whatever its seeds or noise: weighting by precision, as statsmodels' meta-analysis
    does, would let the quietest data set speak for all. Degrees of freedom after Satterthwaite (1946); with two data
    sets this is Welch's test. Differences are ours minus theirs ``[n_i]``, n_i >= 2, paired by seed.

    Where no data set has any spread the interval is a point, df counts the pairs less one a data set, and p is that of
    the exact sign-flip test: 2^-pairs above 0, 1 elsewhere.
    """
    data = [vector(d, 2) for d in differences]
    estimate = float(np.mean([d.mean() for d in data]))
    parts = np.array([spread(d) ** 2 / d.size for d in data])
    freedom = np.array([d.size - 1 for d in data])
    if not parts.any():
        p = 0.5 ** sum(d.size for d in data) if estimate > 1e-12 else 1.0
        return Pooled(estimate, estimate, estimate, 0.0, float(freedom.sum()), p)
    se = math.sqrt(parts.sum()) / len(data)
    shares = parts / parts.sum()
    df = float(1 / np.sum(shares**2 / freedom))
    half = float(special.stdtrit(df, 0.5 + confidence / 2)) * se
    return Pooled(estimate, estimate - half, estimate + half, se, df, float(special.stdtr(df, -estimate / se)))


FEWEST_RESAMPLED = 20
"""Pairs of a data set below which a bootstrap covers too rarely (.83 to .93 of .95 at 3 to 8): t stands in for it."""


def probability_of_improvement(differences: Sequence[ArrayLike], confidence: float = 0.95) -> Interval:
    """Chance that ours beats theirs at one seed, mean over data sets (Agarwal et al. 2021, here with paired seeds).

    By hand: their library compares unpaired runs. Differences are ours minus theirs ``[n_i]``; a tie counts one half.

    The interval is that of :func:`fixed_effect` on wins, half a win of all pairs wider at each end since wins are
    counts, and cut to [0, 1]; from :data:`FEWEST_RESAMPLED` pairs a data set
    on the stratified percentile bootstrap's. Where no data set has seeds that disagree, or one has a single seed, both
    know nothing of what was not seen; the half width is then the exact binomial one, ``1 - a^(1/N)`` with
    ``a = (1 - confidence) / 2`` and N the data sets times their fewest seeds (our choice).
    """
    wins = [(np.sign(vector(d, 1)) + 1) / 2 for d in differences]
    fewest, estimate = min(won.size for won in wins), float(np.mean([won.mean() for won in wins]))

    def mean_of_means(strata: Strata) -> Array:
        return np.asarray(np.mean([won.mean(axis=-1) for (won,) in strata], axis=0))

    if fewest == 1 or not any(spread(won) for won in wins):
        half, error = 1 - ((1 - confidence) / 2) ** (1 / (len(wins) * fewest)), 0.0
        return Interval(estimate, max(0.0, estimate - half), min(1.0, estimate + half), error)
    if fewest >= FEWEST_RESAMPLED:
        return stratified_interval([[won] for won in wins], mean_of_means, confidence)
    found, step = fixed_effect(wins, confidence), 0.5 / sum(won.size for won in wins)
    return Interval(estimate, max(0.0, found.low - step), min(1.0, found.high + step), found.se)


def geometric_ratio_interval(pairs: Sequence[tuple[ArrayLike, ArrayLike]], confidence: float = 0.95) -> Interval | None:
    """Geometric mean over data sets of the ratio of mean costs a / b.

    Costs ``[n_i]`` are in one unit within a data set, paired by seed. The interval is :func:`fixed_effect`'s of the
    logarithms, whose errors are those of ``a / mean a - b / mean b`` (delta method). A point where no cost varies; the
    ends are nan where a data set has one pair only; None where some cost is not positive.
    """
    data = [(vector(a, 1), vector(b, 1)) for a, b in pairs]
    if any((cost <= 0).any() for pair in data for cost in pair):
        return None
    means = [(a.mean(), b.mean()) for a, b in data]
    estimate = float(np.exp(np.mean([math.log(a / b) for a, b in means])))
    if any(a.size < 2 for a, _ in data):
        return Interval(estimate, math.nan, math.nan, math.nan)
    logs = [math.log(x / y) + a / x - b / y for (a, b), (x, y) in zip(data, means, strict=True)]
    found = fixed_effect(logs, confidence)
    return Interval(estimate, math.exp(found.low), math.exp(found.high), estimate * found.se)


def interquartile_mean(scores: ArrayLike) -> Array:
    """Mean over the last axis of what is left after a quarter of the scores, rounded down, is cut off at each end."""
    x = np.asarray(scores, dtype=np.float64)
    cut = x.shape[-1] // 4
    kept = np.partition(x, (cut, x.shape[-1] - cut - 1), axis=-1)[..., cut : x.shape[-1] - cut]
    return np.asarray(kept.mean(axis=-1))


def iqm_interval(
    ours: Sequence[ArrayLike], theirs: Sequence[ArrayLike], confidence: float = 0.95
) -> tuple[float, float, Interval]:
    """Interquartile means within each data set, averaged over them: of our scores, of theirs, and of the differences.

    Not of all scores together (Agarwal et al. 2021): raw accuracies lie apart by data set, and the middle half would
    be whole data sets, picked by their level. Scores ``[n_i]``, n_i >= 2, are paired by seed.

    The interval is of the differences: Tukey's and McLaughlin's (1963) t for trimmed means, with the data sets'
    winsorised variances added up, and the fewest degrees of freedom that one has (with Satterthwaite's, simulated
    coverage at 95 % is .92 to .94 below 12 pairs); from :data:`FEWEST_RESAMPLED` pairs a data set on the stratified
    percentile bootstrap's.
    """
    pairs = [(vector(a, 2), vector(b, 2)) for a, b in zip(ours, theirs, strict=True)]
    differences = [a - b for a, b in pairs]

    def mean_of(strata: Strata) -> Array:
        return np.asarray(np.mean([interquartile_mean(d) for (d,) in strata], axis=0))

    mine, other = (float(mean_of([[pair[side]] for pair in pairs])) for side in (0, 1))
    if min(d.size for d in differences) >= FEWEST_RESAMPLED:
        return mine, other, stratified_interval([[d] for d in differences], mean_of, confidence)
    estimate, cut = float(mean_of([[d] for d in differences])), [d.size // 4 for d in differences]
    parts = np.array([_trimmed_error(d, g) ** 2 for d, g in zip(differences, cut, strict=True)])
    if not parts.any():
        return mine, other, Interval(estimate, estimate, estimate, 0.0)
    freedom = min(d.size - 2 * g - 1 for d, g in zip(differences, cut, strict=True))
    error = math.sqrt(parts.sum()) / len(parts)
    half = error * float(special.stdtrit(freedom, 0.5 + confidence / 2))
    return mine, other, Interval(estimate, estimate - half, estimate + half, error)


def _trimmed_error(d: Array, cut: int) -> float:
    """Standard error of the mean of ``d`` without ``cut`` numbers at each end, from the winsorised SD."""
    kept = np.sort(d)[cut : d.size - cut]
    winsorised = np.concatenate([np.repeat(kept[[0, -1]], cut), kept])
    return spread(winsorised) * math.sqrt(d.size) / (d.size - 2 * cut)


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

    Scores ``[datasets, arms]``, at least 2 by 2, are higher the better; equal ones share their mean rank. The distance
    at ``alpha`` is ``q sqrt(arms (arms + 1) / (6 datasets))``, q being the quantile of the studentized range with
    infinite degrees of freedom over sqrt 2. Statistic 0 and p 1 where every data set has all arms equal. Whether
    :data:`FEWEST_DATASETS` is reached is for the caller to look at.
    """
    x = np.asarray(scores, dtype=np.float64)
    if x.ndim != 2 or min(x.shape) < 2 or not np.isfinite(x).all():
        raise ValueError(f"needs finite scores of at least 2 data sets and 2 arms, got shape {x.shape}")
    from scipy import stats

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

    They are indices into ``mean_ranks`` ``[arms]``, each group from best to worst, groups by their best arm; none lies
    inside another. Arms exactly this distance (Nemenyi's) apart are told apart. By hand: no library here has them.
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
