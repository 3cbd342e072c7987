"""Bootstrap intervals over pairs: bias-corrected within one data set, percentile over several.

By hand: SciPy's bootstrap knows no strata, draws anew for each statistic, and has no interval where nothing varies.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from .samples import Array, Interval, spread, vector

RESAMPLES = 2000

Strata = Sequence[Sequence[Array]]
"""For each data set its arrays ``[..., n]``, which are resampled together."""


def bca_interval(
    samples: Sequence[ArrayLike],
    statistic: Callable[..., Any],
    confidence: float = 0.95,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Interval:
    """Bias-corrected and accelerated bootstrap interval (Efron 1987) over pairs.

    Parameters
    ----------
    samples : sequence of arrays ``[n]``
        Resampled together, so that pairs stay pairs.
    statistic : callable
        A function of the samples' means, given as numbers or as arrays of one shape.
    resamples : int
    seed : int
        Of the function's own generator: the same data give the same interval.

    Returns
    -------
    Interval
        A point where the statistic has no variance; ``sd`` is the bootstrap's standard error.
    """
    data = [vector(sample, 2) for sample in samples]
    n = data[0].size
    if any(sample.size != n for sample in data):
        raise ValueError("samples of pairs must be of one length")
    estimate = float(statistic(*(sample.mean() for sample in data)))
    if all(spread(sample) == 0.0 for sample in data):
        return Interval(estimate, estimate, estimate, 0.0)
    weights = _resamples(n, resamples, seed)
    replicas = np.asarray(statistic(*(weights @ sample for sample in data)))
    error = float(np.std(replicas, ddof=1))
    rounding = 1e-12 * max(1.0, abs(estimate))
    if error <= rounding:
        return Interval(estimate, estimate, estimate, 0.0)
    ends = (estimate - rounding, estimate + rounding)
    below = sum(np.count_nonzero(replicas < end) for end in ends) / (2 * resamples)
    bias = special.ndtri(np.clip(below, 0.5 / resamples, 1 - 0.5 / resamples))
    left_out = np.asarray(statistic(*((sample.sum() - sample) / (n - 1) for sample in data)))
    centred = left_out.mean() - left_out
    scale = 6 * float(np.sum(centred**2)) ** 1.5
    acceleration = float(np.sum(centred**3)) / scale if scale > 0 else 0.0
    z = bias + special.ndtri(np.array([0.5 - confidence / 2, 0.5 + confidence / 2]))
    quantiles = special.ndtr(bias + z / (1 - acceleration * z))
    low, high = np.interp(quantiles * (resamples - 1), np.arange(resamples), np.sort(replicas))
    return Interval(estimate, float(low), float(high), error)


@lru_cache(maxsize=32)
def _drawn(n: int, resamples: int, seed: int) -> NDArray[np.intp]:
    """Which pairs each resample has, ``[resamples, n]``."""
    return np.random.default_rng(seed).integers(0, n, size=(resamples, n))


@lru_cache(maxsize=32)
def _resamples(n: int, resamples: int, seed: int) -> Array:
    """The share of each pair in each resample, ``[resamples, n]``: a resample's mean is one row times the data."""
    index = _drawn(n, resamples, seed)
    counts = np.bincount((index + n * np.arange(resamples)[:, None]).ravel(), minlength=resamples * n)
    return np.asarray(counts.reshape(resamples, n) / n, dtype=np.float64)


def mean_of(mean: Any) -> Any:
    """The mean itself, as a statistic for :func:`bca_interval`."""
    return mean


def stratified_interval(
    samples: Sequence[Sequence[ArrayLike]], statistic: Callable[[Strata], Any], confidence: float = 0.95
) -> Interval:
    """Percentile bootstrap interval that resamples seeds within each stratum (Agarwal et al. 2021).

    Parameters
    ----------
    samples : sequence over strata (data sets) of sequences of arrays ``[n_i]``
        The arrays of a stratum are resampled together, so that pairs stay pairs; strata are resampled independently.
    statistic : callable
        Gets ``samples`` with arrays ``[..., n_i]``, leading axes being resamples; gives numbers ``[...]``.

    Returns
    -------
    Interval
        A point where the statistic has no variance; ``sd`` is the bootstrap's standard error.
    """
    data = [[vector(array, 1) for array in stratum] for stratum in samples]
    resampled = []
    for seed, stratum in enumerate(data):
        if any(array.size != stratum[0].size for array in stratum):
            raise ValueError("samples of pairs must be of one length")
        index = _drawn(stratum[0].size, RESAMPLES, seed)
        resampled.append([array[index] for array in stratum])
    return _percentile(float(statistic(data)), np.asarray(statistic(resampled)), confidence)


def _percentile(estimate: float, replicas: Array, confidence: float) -> Interval:
    error = float(np.std(replicas, ddof=1))
    if error <= 1e-12 * max(1.0, abs(estimate)):
        return Interval(estimate, estimate, estimate, 0.0)
    low, high = np.quantile(replicas, (0.5 - confidence / 2, 0.5 + confidence / 2))
    return Interval(estimate, float(low), float(high), error)


def geometric_ratio_interval(pairs: Sequence[tuple[ArrayLike, ArrayLike]], confidence: float = 0.95) -> Interval | None:
    """Geometric mean over data sets of the ratio of mean costs a / b, with a stratified bootstrap interval.

    Parameters
    ----------
    pairs : sequence over data sets of (a, b), arrays ``[n_i]``
        Costs in one unit within a data set, paired by seed.

    Returns
    -------
    Interval or None
        A point where no cost varies. The ends are nan where a data set has one pair only. None where some cost is
        not positive.
    """
    data = [(vector(a, 1), vector(b, 1)) for a, b in pairs]
    if any((cost <= 0).any() for pair in data for cost in pair):
        return None
    estimate = float(_geometric([(a.mean(), b.mean()) for a, b in data]))
    if any(a.size < 2 for a, _ in data):
        return Interval(estimate, math.nan, math.nan, math.nan)
    weights = [_resamples(a.size, RESAMPLES, seed) for seed, (a, _) in enumerate(data)]
    replicas = _geometric([(w @ a, w @ b) for w, (a, b) in zip(weights, data, strict=True)])
    return _percentile(estimate, replicas, confidence)


def _geometric(means: Sequence[tuple[Any, Any]]) -> Array:
    return np.asarray(np.exp(np.mean([np.log(a) - np.log(b) for a, b in means], axis=0)))
