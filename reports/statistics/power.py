"""Power of the paired t test: pairs needed, and the smallest margin that could be shown."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from scipy import optimize, special

from .multiplicity import fewest_pairs


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
    return float(
        optimize.brentq(
            lambda margin: power_noninferior(n, 1.0, margin, alpha=alpha) - power, 0.0, 1e4 / math.sqrt(n), xtol=1e-12
        )
    )
