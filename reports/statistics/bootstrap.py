"""Bootstrap intervals over pairs: bias-corrected within one data set, percentile over several; and over items and runs
where both are a sample of those that might have been, which is in no library.

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
    """Bias-corrected and accelerated bootstrap interval (Efron 1987) over pairs; the same data give the same interval.

    Parameters
    ----------
    samples : sequence of arrays ``[n]``
        Resampled together, so that pairs stay pairs.
    statistic : callable
        A function of the samples' means, given as numbers or as arrays of one shape.

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
    if error <= _rounding(estimate):
        return Interval(estimate, estimate, estimate, 0.0)
    bias = _bias(estimate, replicas)
    left_out = np.asarray(statistic(*((sample.sum() - sample) / (n - 1) for sample in data)))
    centred = left_out.mean() - left_out
    scale = 6 * float(np.sum(centred**2)) ** 1.5
    acceleration = float(np.sum(centred**3)) / scale if scale > 0 else 0.0
    z = bias + special.ndtri(np.array([0.5 - confidence / 2, 0.5 + confidence / 2]))
    quantiles = special.ndtr(bias + z / (1 - acceleration * z))
    low, high = np.interp(quantiles * (resamples - 1), np.arange(resamples), np.sort(replicas))
    return Interval(estimate, float(low), float(high), error)


def _rounding(estimate: float) -> float:
    return 1e-12 * max(1.0, abs(estimate))


def _bias(estimate: float, replicas: Array) -> float:
    """Normal quantile of the share of replicas below the estimate, those equal to it within rounding as halves."""
    ends = (estimate - _rounding(estimate), estimate + _rounding(estimate))
    below = sum(np.count_nonzero(replicas < end) for end in ends) / (2 * replicas.size)
    return float(special.ndtri(np.clip(below, 0.5 / replicas.size, 1 - 0.5 / replicas.size)))


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
    if error <= _rounding(estimate):
        return Interval(estimate, estimate, estimate, 0.0)
    low, high = np.quantile(replicas, (0.5 - confidence / 2, 0.5 + confidence / 2))
    return Interval(estimate, float(low), float(high), error)


def crossed_means(
    tables: Sequence[ArrayLike], *, together: bool = True, resamples: int = RESAMPLES, seed: int = 0
) -> list[Array]:
    """Items' means in resamples of items and runs at once, each with replacement (Owen 2007's pigeonhole bootstrap).

    Parameters
    ----------
    tables : sequence of arrays ``[items, runs]``
        The same items in all: they are resampled together. An item that is drawn twice is two equal items.
    together : bool
        Whether the runs are the same in all tables, and are resampled together too; else each table's on their own.

    Returns
    -------
    list of arrays ``[resamples, items]``
        One for each table. Noise of single entries is drawn twice over, so intervals are on the wide side.
    """
    data = [np.asarray(table, dtype=np.float64) for table in tables]
    if any(table.ndim != 2 or len(table) != len(data[0]) or table.size == 0 for table in data):
        raise ValueError("needs tables of the same items, one run at least")
    if together and any(table.shape != data[0].shape for table in data):
        raise ValueError("runs are resampled together only where all tables have the same ones")
    rng = np.random.default_rng(seed)
    items = rng.integers(0, len(data[0]), (resamples, len(data[0])))
    shared = rng.integers(0, data[0].shape[1], (resamples, data[0].shape[1]))
    means = []
    for table in data:
        runs = shared if together else rng.integers(0, table.shape[1], (resamples, table.shape[1]))
        means.append(np.asarray(table[items[:, :, None], runs[:, None, :]].mean(-1)))
    return means


def replica_interval(
    estimate: float, replicas: ArrayLike, confidence: float = 0.95, *, corrected: bool = True
) -> Interval:
    """The interval that bootstrap replicas ``[resamples]`` of an estimate give; ``sd`` is their standard error.

    ``corrected`` takes Efron's (1981) bias-corrected percentiles: what resampled noise takes off a correlation is put
    back. The plain ones are for what is bounded below by what it often is, such as a regret. Replicas that are nan (a
    resample that ranks nothing) are left out; the ends are nan where fewer than half are left, or the estimate is.
    """
    drawn = np.asarray(replicas, dtype=np.float64)
    finite = np.sort(drawn[np.isfinite(drawn)])
    if not math.isfinite(estimate) or 2 * finite.size < drawn.size or finite.size < 2:
        return Interval(estimate, math.nan, math.nan, math.nan)
    z = special.ndtri(np.array([0.5 - confidence / 2, 0.5 + confidence / 2]))
    if corrected:
        z = z + 2 * _bias(estimate, finite)
    low, high = np.quantile(finite, special.ndtr(z))
    return Interval(estimate, float(low), float(high), float(np.std(finite, ddof=1)))
