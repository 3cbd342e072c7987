"""How well one ranking tells of another, and how well it could: correlations of ranks, pairs, picks, noise.

``target`` and ``proxy`` are scores of the same items, higher is better, in arrays ``[..., items]``: leading axes are
resamples. A table ``[items, runs]`` holds each item's score in each run. By hand: SciPy's correlations take one
resample at a time, and thousands are asked for.
"""

from __future__ import annotations

import itertools
import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from .samples import Array

SPLITS = 1000
"""All splits into halves are looked at where there are no more; else so many random ones."""


def spearman(x: ArrayLike, y: ArrayLike) -> Array:
    """Spearman's (1904) rank correlation ``[...]`` over the last axis; nan where one side is constant.

    Equal scores share their mean rank: the product-moment correlation of the ranks.
    """
    from scipy.stats import rankdata

    ranks = (rankdata(np.asarray(side, dtype=np.float64), axis=-1) for side in (x, y))
    a, b = (side - side.mean(-1, keepdims=True) for side in ranks)
    return _cosine(a, b)


def kendall(x: ArrayLike, y: ArrayLike) -> Array:
    """Kendall's (1945) tau-b ``[...]`` over the last axis, corrected for ties; nan where one side is constant."""
    a, b = (np.sign(_differences(np.asarray(side, dtype=np.float64))) for side in (x, y))
    return _cosine(a, b)


def pair_agreement(target: ArrayLike, proxy: ArrayLike, least: float = 0.0) -> Array:
    """Share ``[...]`` of pairs of items that ``proxy`` puts in the order in which ``target`` has them.

    Parameters
    ----------
    target, proxy : array ``[..., items]``
    least : float
        Only pairs whose scores in ``target`` differ by more count: equal ones have no order.

    Returns
    -------
    array
        A pair that ``proxy`` cannot tell apart counts half, as a coin would; nan where no pair counts.
    """
    a, b = (_differences(np.asarray(side, dtype=np.float64)) for side in (target, proxy))
    counted = np.abs(a) > least
    product = a * b
    right = np.count_nonzero(counted & (product > 0), -1) + np.count_nonzero(counted & (product == 0), -1) / 2
    with np.errstate(invalid="ignore"):
        return np.asarray(right / np.count_nonzero(counted, -1), dtype=np.float64)


def regret(target: ArrayLike, proxy: ArrayLike, k: int = 1) -> Array:
    """What ``target``'s best item scores above the best of the ``k`` that ``proxy`` puts first ``[...]``, at least 0.

    Of items that are equal to the proxy the worse ones come first, so that luck counts for nothing.
    """
    a, b = np.asarray(target, dtype=np.float64), np.asarray(proxy, dtype=np.float64)
    first = np.lexsort((a, -b), axis=-1)[..., :k]
    return np.asarray(a.max(-1) - np.take_along_axis(a, first, -1).max(-1))


def least_difference(table: ArrayLike, confidence: float = 0.95) -> float:
    """How far two items' means must lie apart to be told apart: Fisher's least significant difference.

    The noise is what the table ``[items, runs]`` has beyond additive effects of items and runs, pooled over items:
    t(items - 1)(runs - 1) times the standard error of a difference of two means; each pair is a test of its own.
    Infinite with one run or one item.
    """
    x = np.asarray(table, dtype=np.float64)
    items, runs = x.shape
    degrees = (items - 1) * (runs - 1)
    if degrees == 0:
        return math.inf
    rest = x - x.mean(1, keepdims=True) - x.mean(0, keepdims=True) + x.mean()
    variance = float(np.sum(rest**2)) / degrees
    return float(special.stdtrit(degrees, 0.5 + confidence / 2)) * math.sqrt(2 * variance / runs)


def repeatability(table: ArrayLike, seed: int = 0) -> float:
    """Spearman correlation that the items' ranking by their means would have with that of as many other runs.

    The mean over splits of the correlation between the rankings by two disjoint halves of the runs, stepped up to all
    of them by Spearman's and Brown's (1910) formula: exact for product moments, near enough for ranks.

    Parameters
    ----------
    table : array ``[items, runs]``
    seed : int
        Of the splits, where they are too many to look at each.

    Returns
    -------
    float
        0 where the halves do not agree; nan with one run, or where a half ranks nothing.
    """
    x = np.asarray(table, dtype=np.float64)
    runs = x.shape[1]
    if runs < 2:
        return math.nan
    one, two = (_half_means(x, half) for half in _halves(runs, seed))
    mean, longer = float(np.mean(spearman(one, two))), runs / (runs // 2)
    return mean if math.isnan(mean) else max(0.0, longer * mean / (1 + (longer - 1) * max(mean, 0.0)))


class Halves(NamedTuple):
    """Mean Spearman correlation between rankings by half of the runs: the ``same`` half of both, or the ``other``."""

    same: float
    other: float


def halves(target: ArrayLike, proxy: ArrayLike, seed: int = 0) -> Halves:
    """What runs in common add to a correlation: tables ``[items, runs]`` whose columns are runs of the same seeds.

    nan with one run.
    """
    a, b = np.asarray(target, dtype=np.float64), np.asarray(proxy, dtype=np.float64)
    if a.shape[1] < 2:
        return Halves(math.nan, math.nan)
    one, two = _halves(a.shape[1], seed)
    ours = _half_means(a, one)
    same, other = (float(np.mean(spearman(ours, _half_means(b, half)))) for half in (one, two))
    return Halves(same, other)


def _half_means(table: Array, half: NDArray[np.intp]) -> Array:
    """Means ``[splits, items]`` over the runs of each split's ``half`` ``[splits, runs // 2]``."""
    return np.asarray(table[:, half].mean(2).T)


def _halves(runs: int, seed: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Two disjoint sets of ``runs // 2`` runs for each split: every split in both orders, or random ones."""
    half = runs // 2
    if math.comb(runs, half) * math.comb(runs - half, half) > SPLITS:
        rng = np.random.default_rng(seed)
        orders = np.array([rng.permutation(runs) for _ in range(SPLITS)])
        return orders[:, :half], orders[:, half : 2 * half]
    firsts = itertools.combinations(range(runs), half)
    pairs = [(one, two) for one in firsts for two in itertools.combinations(sorted(set(range(runs)) - set(one)), half)]
    one, two = np.array(pairs).transpose(1, 0, 2)
    return one, two


def _differences(x: Array) -> Array:
    """Of each pair of items once, ``[..., pairs]``."""
    one, other = np.triu_indices(x.shape[-1], 1)
    return np.asarray(np.take(x, one, -1) - np.take(x, other, -1))


def _cosine(a: Array, b: Array) -> NDArray[np.float64]:
    size = np.sqrt((a * a).sum(-1) * (b * b).sum(-1))
    with np.errstate(invalid="ignore"):
        return np.asarray((a * b).sum(-1) / size, dtype=np.float64)
