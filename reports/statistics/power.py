"""Power of the paired t test and of the paired test of spreads: pairs needed, and the least that could be shown.

By hand: statsmodels finds the roots of its power functions to 1e-6 only, and knows no paired test of spreads.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from scipy import special

from .flips import fewest_pairs

_QUANTILES = 128


def power_noninferior(n: int, sd: float, margin: float, *, alpha: float = 0.05, difference: float = 0.0) -> float:
    """Chance that the paired t test shows non-inferiority, normal differences with mean ``difference``.

    Parameters
    ----------
    n : int
        Pairs, at least 2.
    sd : float
        SD of the paired differences, same unit as ``margin`` and ``difference``.
    margin : float
        Not negative; with 0 it is the power to show superiority.
    """
    if sd == 0.0:
        return 1.0 if difference > -margin else 0.0
    critical = special.stdtrit(n - 1, 1 - alpha)
    shift = (difference + margin) / (sd / math.sqrt(n))
    # nan is how the library says that the chance of a miss is too small for it (below 1e-50).
    return float(1.0 - np.nan_to_num(special.nctdtr(n - 1, shift, critical)))


def pairs_needed(
    sd: float, margin: float, *, alpha: float = 0.05, power: float = 0.8, most: int = 10_000
) -> int | None:
    """Fewest pairs with which non-inferiority is shown with chance ``power`` where the true difference is 0.

    At least :func:`fewest_pairs`; None where even ``most`` do not do.
    """

    def enough(n: int) -> bool:
        return smallest_margin(sd, n, alpha=alpha, power=power) <= margin

    low, high = fewest_pairs(alpha), most
    if margin <= 0 or not enough(high):
        return None
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle + 1, high)
    return low


def smallest_margin(sd: float, n: int, *, alpha: float = 0.05, power: float = 0.8) -> float:
    """Smallest margin that ``n`` pairs show with chance ``power`` where the true difference is 0."""
    return _margin_in_sd(n, alpha, power) * sd


@lru_cache(maxsize=4096)
def _margin_in_sd(n: int, alpha: float, power: float) -> float:
    from scipy.optimize import brentq

    most = 1e4 / math.sqrt(n)
    return float(brentq(lambda margin: power_noninferior(n, 1.0, margin, alpha=alpha) - power, 0.0, most, xtol=1e-12))


def power_steadier(n: int, ratio: float, *, correlation: float = 0.0, alpha: float = 0.05) -> float:
    """Chance that the one-sided test of :func:`spread_ratio` at level ``alpha`` finds ours the steadier, normal runs.

    Given the sums of the pairs, the test's statistic is a noncentral t; its noncentrality is averaged over the spread
    of the sums, a chi-square of n - 1 degrees, at 128 quantiles.

    Parameters
    ----------
    n : int
        Pairs, at least 3.
    ratio : float
        True SD of ours over that of theirs, in (0, 1].
    correlation : float
        Of the pairs, in (-1, 1).
    """
    effect = (1 / ratio - ratio) / 2 / math.sqrt(1 - correlation**2)
    sums = special.chdtri(n - 1, (np.arange(_QUANTILES) + 0.5) / _QUANTILES)
    critical = special.stdtrit(n - 2, 1 - alpha)
    # Beyond this noncentrality a miss has no chance to speak of, and the library takes forever to say so.
    missed = special.nctdtr(n - 2, np.minimum(effect * np.sqrt(sums), 10 * (critical + 1)), critical)
    return float(1.0 - np.nan_to_num(missed).mean())


def spread_shown(n: int, *, correlation: float = 0.0, alpha: float = 0.05, power: float = 0.8) -> float:
    """The ratio of SDs nearest to 1, below it, that ``n`` pairs show with chance ``power``; its inverse, above."""
    from scipy.optimize import brentq

    def excess(log: float) -> float:
        return power_steadier(n, math.exp(log), correlation=correlation, alpha=alpha) - power

    return math.exp(brentq(excess, -50.0, 0.0, xtol=1e-9))
