"""Order statistics, for values of which some may be infinite."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from .samples import Interval


def median_interval(values: ArrayLike, confidence: float = 0.95) -> Interval:
    """Median with the exact interval of the sign test (Thompson 1936): no assumption but independent draws.

    Parameters
    ----------
    values : array ``[n]``, n >= 1
        Infinities are allowed and stay: a run that never got there has cost infinity.
    confidence : float
        Two-sided, at least; order statistics cannot hit it exactly.

    Returns
    -------
    Interval
        Ends are the k-th smallest and k-th largest value, with the largest k whose binomial tail is at most
        ``(1 - confidence) / 2``; infinite where even the extremes do not do (fewer than 6 values at 95 %).
        ``sd`` is nan.
    """
    x = np.sort(np.asarray(values, dtype=np.float64))
    if x.ndim != 1 or x.size == 0 or np.isnan(x).any():
        raise ValueError("needs a vector of at least one number, infinite or not")
    tails = special.bdtr(np.arange(x.size), x.size, 0.5)
    k = int(np.count_nonzero(tails <= (1 - confidence) / 2 + 1e-12))
    ends = (float(x[k - 1]), float(x[-k])) if k else (-math.inf, math.inf)
    return Interval(_middle(x), *ends, math.nan)


def _middle(x: np.ndarray) -> float:
    low, high = float(x[(x.size - 1) // 2]), float(x[x.size // 2])
    return low if low == high else (low + high) / 2  # equal infinities have no mean
