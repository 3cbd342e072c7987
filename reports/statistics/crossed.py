"""Intervals where both the items and the runs are a sample of those that might have been: in no library."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from .samples import Array, Interval


def crossed_means(
    tables: Sequence[ArrayLike], *, together: bool = True, resamples: int = 2000, seed: int = 0
) -> list[Array]:
    """Items' means in resamples of items and runs at once, each with replacement (Owen 2007's pigeonhole bootstrap).

    Parameters
    ----------
    tables : sequence of arrays ``[items, runs]``
        The same items in all: they are resampled together. An item that is drawn twice is two equal items.
    together : bool
        Whether the runs are the same in all tables, and are resampled together too; else each table's on their own.
    resamples : int
    seed : int
        Of the function's own generator: the same data give the same resamples.

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
    """The interval that bootstrap replicas ``[resamples]`` of an estimate give.

    Parameters
    ----------
    corrected : bool
        Efron's (1981) bias-corrected percentiles: what resampled noise takes off a correlation is put back. The plain
        percentiles are for what is bounded below by what it often is, such as a regret.

    Returns
    -------
    Interval
        Replicas that are nan (a resample that ranks nothing) are left out; the ends are nan where fewer than half are
        left, or where the estimate is nan. ``sd`` is the bootstrap's standard error.
    """
    drawn = np.asarray(replicas, dtype=np.float64)
    finite = np.sort(drawn[np.isfinite(drawn)])
    if not math.isfinite(estimate) or 2 * finite.size < drawn.size or finite.size < 2:
        return Interval(estimate, math.nan, math.nan, math.nan)
    z = special.ndtri(np.array([0.5 - confidence / 2, 0.5 + confidence / 2]))
    if corrected:
        rounding = 1e-12 * max(1.0, abs(estimate))
        below = sum(np.count_nonzero(finite < end) for end in (estimate - rounding, estimate + rounding))
        share = np.clip(below / (2 * finite.size), 0.5 / finite.size, 1 - 0.5 / finite.size)
        z = z + 2 * special.ndtri(share)
    low, high = np.quantile(finite, special.ndtr(z))
    return Interval(estimate, float(low), float(high), float(np.std(finite, ddof=1)))
