"""How a number that every seed measures on the same few items depends on what the items are: slope, line, spread.

A table ``y`` ``[seeds, items]`` has a row for each seed, a block whose own level all its entries share.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from .paired import mean_interval
from .ranks import studentized_range
from .samples import Array, Interval, vector

LARGEST = 1e6
"""Non-centrality above which an end is not looked for: the spread is then a thousand times the noise."""


class Ahead(NamedTuple):
    """Where a line says that one more item lies: ``low`` to ``high`` is the prediction interval."""

    estimate: float
    low: float
    high: float


def table(y: ArrayLike, seeds: int, items: int) -> Array:
    """``y`` as ``[seeds, items]`` floats; ValueError where it is smaller than said, or not finite."""
    found = np.asarray(y, dtype=np.float64)
    if found.ndim != 2 or found.shape[0] < seeds or found.shape[1] < items:
        raise ValueError(f"needs a table of at least {seeds} seeds and {items} items, got shape {found.shape}")
    if not np.isfinite(found).all():
        raise ValueError("needs finite numbers")
    return found


def slopes_within(x: ArrayLike, y: ArrayLike) -> Array:
    """Least-squares slope ``[seeds]`` over the items, of each seed on its own; a seed's level plays no part.

    Parameters
    ----------
    x : array ``[items]``
        At least two of them differ.
    y : array ``[seeds, items]``
    """
    at = vector(x, 2)
    off = at - at.mean()
    if not float(off @ off) > 0:
        raise ValueError("needs items that differ in x")
    return np.asarray(table(y, 1, len(at)) @ off / float(off @ off))


def blocked_slope(x: ArrayLike, y: ArrayLike, confidence: float = 0.95) -> Interval:
    """Mean of :func:`slopes_within` with Student's t interval over seeds: it speaks of these items."""
    return mean_interval(slopes_within(x, y), confidence)


def off_the_line(x: ArrayLike, y: ArrayLike, at: float, theirs: ArrayLike) -> Array:
    """How far one more item lies above the line of the others ``[seeds]``, each seed by its own line.

    Parameters
    ----------
    x, y : as :func:`slopes_within`
    at : float
        Its x.
    theirs : array ``[seeds]``
        Its y.
    """
    data, where = table(y, 1, 2), vector(x, 2)
    line = data.mean(axis=1) + slopes_within(where, data) * (at - where.mean())
    return np.asarray(vector(theirs, 1) - line)


def predicted(x: ArrayLike, y: ArrayLike, at: float, confidence: float = 0.95) -> Ahead:
    """Where a further item would lie, had it come as the others did, by the least-squares line through their means.

    The scatter of items about the line is taken from the items (n - 2 degrees of freedom): with few of them the
    interval is wide, as it should be. Seeds play no other part, as they are the same for all items.

    Parameters
    ----------
    x : array ``[items]``, three at least
    y : array ``[items]``
    at : float
    confidence : float
        Two-sided.
    """
    from statsmodels.api import OLS, add_constant

    where, level = vector(x, 3), vector(y, 3)
    slopes_within(where, level[None])  # refuses items that do not differ
    line = OLS(level, add_constant(where - where.mean())).fit()
    ahead = line.get_prediction([[1.0, at - where.mean()]])
    ((low, high),) = ahead.conf_int(obs=True, alpha=1 - confidence)
    return Ahead(float(ahead.predicted_mean[0]), float(low), float(high))


def spread_of_items(y: ArrayLike, confidence: float = 0.95) -> Interval:
    """SD of the items' true means, the noise of single runs taken off.

    In an analysis of variance with blocks F has a non-central distribution, whose non-centrality is n times the sum of
    the squared deviations of the true means, over the noise: its interval is found by inversion (Steiger 2004) and
    turned into that of the SD (with the number of items as divisor: they are these and no sample). The estimate is the
    unbiased one of the variance, 0 where that is negative. By hand: no library inverts it.

    Parameters
    ----------
    y : array ``[seeds, items]``, two of each at least
    confidence : float
        Two-sided.
    """
    data = table(y, 2, 2)
    seeds, items = data.shape
    noise, between = _mean_squares(data)
    degrees = (items - 1, (items - 1) * (seeds - 1))
    raw = math.sqrt(max(0.0, (between - noise) * (items - 1) / (items * seeds)))
    if noise == 0.0:
        return Interval(raw, raw, raw, 0.0)
    ends = [
        math.sqrt(_noncentrality(between / noise, *degrees, 0.5 + sign * confidence / 2) * noise / (items * seeds))
        for sign in (1, -1)
    ]
    return Interval(raw, min(raw, ends[0]), max(raw, ends[1]), math.sqrt(noise))


def range_of_items(y: ArrayLike, confidence: float = 0.95) -> Interval:
    """Largest less smallest mean of the items, with an interval that holds for the true range, whichever items it is
    between: give and take Tukey's honestly significant difference, by which no true difference is further off. By hand:
    statsmodels' test takes unblocked runs.

    Parameters
    ----------
    y : array ``[seeds, items]``, two of each at least
    confidence : float
        At least this.
    """
    data = table(y, 2, 2)
    seeds, items = data.shape
    noise, _ = _mean_squares(data)
    means = data.mean(axis=0)
    width = float(means.max() - means.min())
    half = studentized_range(confidence, items, (items - 1) * (seeds - 1)) * math.sqrt(noise / seeds)
    return Interval(width, max(0.0, width - half), width + half, math.sqrt(noise))


def _mean_squares(data: Array) -> tuple[float, float]:
    """Of noise and of items, in an analysis of variance with the seeds as blocks."""
    seeds, items = data.shape
    rows, columns, whole = data.mean(axis=1, keepdims=True), data.mean(axis=0, keepdims=True), data.mean()
    left = data - rows - columns + whole
    noise = float((left**2).sum()) / ((seeds - 1) * (items - 1))
    floor = 1e-24 * max(1.0, float(np.abs(data).max()) ** 2)  # rounding is no noise
    return (0.0 if noise <= floor else noise), float(seeds * ((columns - whole) ** 2).sum()) / (items - 1)


def _noncentrality(f: float, items: int, noise: int, share: float) -> float:
    """At which a value as small as ``f`` or smaller has the probability ``share``; 0 where it is rarer at none."""
    from scipy import optimize, stats

    def excess(value: float) -> float:
        central = stats.f.cdf(f, items, noise) if value == 0 else stats.ncf.cdf(f, items, noise, value)
        return float(central) - share

    if excess(0.0) <= 0:
        return 0.0
    high = max(1.0, 2 * items * f)
    while excess(high) > 0 and high < LARGEST:
        high *= 2
    return LARGEST if excess(high) > 0 else float(optimize.brentq(excess, 0.0, high, xtol=1e-9, rtol=1e-10))
