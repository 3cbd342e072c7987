"""Where a curve of paired differences crosses zero, which no library has an interval for."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from .paired import t_test
from .samples import Array

Side = Literal["crosses", "below", "not below"]


class Crossing(NamedTuple):
    """The level at which a curve of mean differences, from the lowest level up, first stops being below zero.

    ``side`` says what the means do: ``crosses`` (below zero at the lowest level, not throughout), ``below``
    (throughout), or ``not below`` (at the lowest level); ``at`` is None but where they cross. The interval goes from
    the first level at which the difference is not below zero for certain (0 where that is the lowest) to the first at
    which it is above for certain (infinity where that is none). ``p_below`` and ``p_above`` are of "below (above) zero
    at every level measured".
    """

    side: Side
    at: float | None
    low: float
    high: float
    p_below: float
    p_above: float


def crossing(levels: ArrayLike, differences: ArrayLike, confidence: float = 0.95) -> Crossing:
    """Where the mean difference crosses zero, read between levels as a straight line over the logarithm of the level.

    "For certain" is by the paired t interval of the interpolated difference, which is a weighted sum of the pairs' own:
    between two levels the interval is Fieller's (1954), as exact as the t test however few the pairs, where a bootstrap
    over pairs is too narrow. p-values are intersection-union tests (Berger 1982): the largest of the levels' one-sided
    ones.

    Parameters
    ----------
    levels : array ``[r]``, r >= 2
        Positive, ascending.
    differences : array ``[n, r]``, n >= 2
        One row for each pair (seed), at every level.
    confidence : float
        Two-sided.

    Raises
    ------
    ValueError
        If the levels are fewer than 2, not positive or not ascending, the pairs fewer than 2, or a number not finite.
    """
    x, d = np.asarray(levels, dtype=np.float64), np.asarray(differences, dtype=np.float64)
    if x.ndim != 1 or x.size < 2 or not (np.isfinite(x).all() and x[0] > 0 and (np.diff(x) > 0).all()):
        raise ValueError(f"needs two or more finite levels above 0 that ascend, got {x.tolist()}")
    if d.ndim != 2 or d.shape[0] < 2 or d.shape[1] != x.size or not np.isfinite(d).all():
        raise ValueError(f"needs finite differences of two or more pairs at {x.size} levels, got shape {d.shape}")
    means = d.mean(0)
    errors = float(special.stdtrit(d.shape[0] - 1, 0.5 + confidence / 2)) / math.sqrt(d.shape[0])
    low, high = _first_above(x, d, -errors), _first_above(x, d, errors)
    at = first_zero(x, means)
    return Crossing(
        side="crosses" if at is not None else "below" if means[0] < 0 else "not below",
        at=at,
        low=float(x[-1]) if low is None else 0.0 if low == x[0] else low,
        high=math.inf if high is None else high,
        p_below=max(t_test(-column) for column in d.T),
        p_above=max(t_test(column) for column in d.T),
    )


def first_zero(x: Array, means: Array) -> float | None:
    """The level ``[r]`` at which means ``[r]``, below 0 at the lowest, come up to 0; None where there is none.

    As :func:`crossing` has it, without any interval.
    """
    if means[0] >= 0 or (means < 0).all():
        return None
    right = int(np.argmax(means >= 0))
    return _between(x, right - 1, means[right - 1] / (means[right - 1] - means[right]))


def _between(x: Array, left: int, share: float) -> float:
    return float(x[left] * (x[left + 1] / x[left]) ** share)


def _first_above(x: Array, d: Array, errors: float) -> float | None:
    """The first level from the lowest up at which the mean lies above ``errors`` sample SDs, None if it never does."""
    for i in range(x.size - 1):
        start, slope = d[:, i], d[:, i + 1] - d[:, i]
        shares = [0.0, *_equal(start, slope, errors), 1.0]
        for left, right in pairwise(shares):
            middle = start + (left + right) / 2 * slope
            if right > left and middle.mean() > errors * middle.std(ddof=1):
                return _between(x, i, left)
    return None


def _equal(start: Array, slope: Array, errors: float) -> list[float]:
    """Shares w of the way, ascending, between which mean(start + w slope)² is on one side of errors² x variance."""
    (v, c), (_, s) = np.cov(start, slope)
    m, b = start.mean(), slope.mean()
    square, twice, rest = b * b - errors**2 * s, m * b - errors**2 * c, m * m - errors**2 * v
    # A root that is none, where rounding has it so or not, parts an interval into two on the same side: no harm.
    q = -(twice + math.copysign(math.sqrt(max(0.0, twice * twice - square * rest)), twice))
    roots = [top / bottom for top, bottom in ((q, square), (rest, q)) if bottom != 0]
    return sorted(root for root in roots if 0 < root < 1)
