"""Power of the paired t test and of the paired test of spreads: pairs needed, and the least that could be shown.

By hand: statsmodels finds the roots of its power functions to 1e-6 only, and knows no paired test of spreads.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from functools import lru_cache

import numpy as np
from scipy import special

from .flips import fewest_pairs

_QUANTILES = 128


def power_noninferior(n: int, sd: float, margin: float, *, alpha: float = 0.05, difference: float = 0.0) -> float:
    """Chance that the paired t test of two pairs or more shows non-inferiority; with margin 0, superiority.

    The differences are normal, with mean ``difference`` and ``sd`` in the unit of the margin.
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

    At least :func:`fewest_pairs`; None where even ``most`` do not do. Where the true difference is not 0, give its
    distance from the margin in place of the margin.
    """

    def enough(n: int) -> bool:
        return smallest_margin(sd, n, alpha=alpha, power=power) <= margin

    if margin <= 1e-12 or not enough(most):
        return None
    return bisect_left(range(most), True, lo=fewest_pairs(alpha), key=enough)


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
    of the sums, a chi-square of n - 1 degrees, at 128 quantiles. Of three pairs or more, with a true ``ratio`` of SDs
    in (0, 1] and a ``correlation`` in (-1, 1).
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
