"""Ratios of means with the interval that follows from the t test: honest with few pairs, where a bootstrap is not."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from .samples import Interval, spread, vector


def fieller_interval(a: ArrayLike, b: ArrayLike, confidence: float = 0.95) -> Interval | None:
    """Ratio of the means of paired a and b, with Fieller's interval (1954).

    It holds every ratio q at which a paired t test does not tell the mean of a - q b from 0. Exact for normal pairs,
    however few; a bootstrap over four pairs is far too short.

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
