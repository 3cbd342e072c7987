"""Which of two arms is steadier from seed to seed."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from .samples import spread, vector


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
