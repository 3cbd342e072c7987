"""Ratios of paired means and of paired spreads, with the intervals that follow from exact tests.

By hand: no library has Fieller's interval or Pitman's and Morgan's test. A bootstrap of few pairs is far too short.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from .samples import Interval, spread, vector


def fieller_interval(a: ArrayLike, b: ArrayLike, confidence: float = 0.95) -> Interval | None:
    """Ratio of the means of paired a and b, with Fieller's interval (1954).

    It holds every ratio q at which a paired t test does not tell the mean of a - q b from 0. Exact for normal pairs,
    however few.

    Parameters
    ----------
    a, b : array ``[n]``, n >= 2
        Paired.
    confidence : float
        Two-sided.

    Returns
    -------
    Interval or None
        ``sd`` is the ratio's standard error. A point where a - q b does not vary. None where the same test does not
        tell the mean of b from 0: the ratio is then not bounded.

    Raises
    ------
    ValueError
        For fewer than two pairs, unequal lengths, or numbers that are not finite.
    """
    x, y = vector(a, 2), vector(b, 2)
    if x.size != y.size:
        raise ValueError(f"pairs must be of one length, got {x.size} and {y.size}")
    n, mean_a, mean_b = x.size, float(x.mean()), float(y.mean())
    t2 = float(special.stdtrit(n - 1, 0.5 + confidence / 2)) ** 2
    leading = mean_b**2 - t2 * spread(y) ** 2 / n
    if leading <= 0:
        return None
    ratio = mean_a / mean_b
    error = spread(x - ratio * y) / (math.sqrt(n) * abs(mean_b))
    if error == 0.0:
        return Interval(ratio, ratio, ratio, 0.0)
    # Of q = ratio + d, the square of t as a polynomial in d: no large numbers are taken from each other.
    covariance = float(np.cov(x - ratio * y, y)[0, 1]) / n
    middle = t2 * covariance
    root = math.sqrt(middle**2 + leading * t2 * (error * mean_b) ** 2)
    ends = sorted((ratio + (-middle + sign * root) / leading) for sign in (-1, 1))
    return Interval(ratio, ends[0], ends[1], error)


def ratio_interval(a: ArrayLike, b: ArrayLike, confidence: float = 0.95) -> Interval | None:
    """Ratio of mean costs a / b, paired, with Fieller's interval.

    Returns
    -------
    Interval or None
        A point where neither side varies (FLOPs of fixed plans). The ends are nan with one pair, and where the mean
        of b is not told from 0, so that the ratio has no bounds. None where b is not positive throughout: there is
        then no ratio.
    """
    x, y = vector(a, 1), vector(b, 1)
    if (y <= 0).any():
        return None
    found = fieller_interval(x, y, confidence) if x.size > 1 else None
    return Interval(float(x.mean() / y.mean()), math.nan, math.nan, math.nan) if found is None else found


class SpreadRatio(NamedTuple):
    """SD of ours over SD of theirs with a two-sided interval, and the one-sided p of "ours is the smaller"."""

    ratio: float
    low: float
    high: float
    p_steadier: float


def spread_ratio(ours: ArrayLike, theirs: ArrayLike, confidence: float = 0.95) -> SpreadRatio:
    """Pitman-Morgan test (both 1939) of equal variances in paired normal samples, and the interval it inverts to.

    The variances are equal exactly where sum and difference of a pair are uncorrelated. It assumes normal runs: with
    heavy tails it rejects too often, as all tests of variances do.

    Parameters
    ----------
    ours, theirs : arrays ``[n]``, n >= 3
        Paired by seed.

    Returns
    -------
    SpreadRatio
        ``high < 1`` exactly where ``p_steadier < (1 - confidence) / 2``. Where one side has no spread at all there is
        no such test: the ends are nan and p is 1 (our choice; the ratio is then 0, infinite, or nan for both).
    """
    x, y = vector(ours, 3), vector(theirs, 3)
    if x.size != y.size:
        raise ValueError("samples of pairs must be of one length")
    a, b = spread(x), spread(y)
    if a == 0.0 or b == 0.0:
        ratio = 0.0 if b > 0 else math.inf if a > 0 else math.nan
        return SpreadRatio(ratio, math.nan, math.nan, 1.0)
    ratio, df = a / b, x.size - 2
    unshared = max(1.0 - float(np.corrcoef(x, y)[0, 1]) ** 2, 1e-15)
    t = (ratio - 1 / ratio) / 2 * math.sqrt(df / unshared)
    # ratio / true ratio lies within exp(+-reach): the statistic is the hyperbolic sine of its logarithm, scaled.
    reach = math.asinh(float(special.stdtrit(df, 0.5 + confidence / 2)) * math.sqrt(unshared / df))
    return SpreadRatio(ratio, ratio * math.exp(-reach), ratio * math.exp(reach), float(special.stdtr(df, t)))
