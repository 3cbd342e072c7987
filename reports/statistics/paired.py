"""The t family on differences paired by seed, its rank-based and unpaired companions, and Holm's correction; and
correctness image by image, which tells what the choice of test images alone explains.

By hand where differences may have no spread at all, which SciPy has no p-value or interval for: ``spread`` says so.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from .flips import EXACT_PAIRS, sign_flip_test
from .samples import Array, Interval, spread, vector


def mean_interval(values: ArrayLike, confidence: float = 0.95) -> Interval:
    """Mean of two values ``[n]`` or more with Student's t interval; for paired data give the differences."""
    x = vector(values, 2)
    sd, mean = spread(x), float(x.mean())
    half = float(special.stdtrit(x.size - 1, 0.5 + confidence / 2)) * sd / math.sqrt(x.size)
    return Interval(mean, mean - half, mean + half, sd)


def welch_interval(a: ArrayLike, b: ArrayLike, confidence: float = 0.95) -> Interval:
    """Difference of means of unpaired samples, unequal variances (Welch 1947); ``sd`` is the standard error."""
    x, y = vector(a, 2), vector(b, 2)
    vx, vy = spread(x) ** 2 / x.size, spread(y) ** 2 / y.size
    difference, error = float(x.mean() - y.mean()), math.sqrt(vx + vy)
    if error == 0.0:
        return Interval(difference, difference, difference, 0.0)
    df = (vx + vy) ** 2 / (vx**2 / (x.size - 1) + vy**2 / (y.size - 1))
    half = float(special.stdtrit(df, 0.5 + confidence / 2)) * error
    return Interval(difference, difference - half, difference + half, error)


def correlation(a: ArrayLike, b: ArrayLike) -> float | None:
    """Pearson's correlation of the pairs; None where one side has no spread or there are fewer than 3 pairs."""
    x, y = vector(a, 1), vector(b, 1)
    if x.size < 3 or spread(x) == 0.0 or spread(y) == 0.0:
        return None
    return float(np.corrcoef(x, y)[0, 1])


def t_test(differences: ArrayLike, null: float = 0.0) -> float:
    """One-sided p of the paired t test, "mean difference > null".

    Where the differences have no spread, the t statistic does not exist; the p-value is then what the exact
    sign-flip test gives: 2^-n above ``null``, 1 elsewhere.
    """
    d = vector(differences, 2)
    sd, excess = spread(d), float(d.mean()) - null
    if sd == 0.0:
        return 0.5**d.size if excess > 1e-12 * max(1.0, abs(null)) else 1.0
    return float(special.stdtr(d.size - 1, -excess / (sd / math.sqrt(d.size))))


class Correction(NamedTuple):
    """What a mean difference is corrected by, with an error of its own beside that of the pairs."""

    shift: float  # taken off every difference
    error: float  # standard error of ``shift``
    df: float  # degrees of freedom of ``error``


def corrected_interval(differences: ArrayLike, by: Correction, confidence: float = 0.95) -> Interval:
    """The mean of two differences ``[n]`` or more, less a shift that is known with an error.

    Both variances add; degrees of freedom as Satterthwaite (1946) combines them.
    """
    d = vector(differences, 2) - by.shift
    error, df = _combined(d, by)
    half = float(special.stdtrit(df, 0.5 + confidence / 2)) * error
    return Interval(float(d.mean()), float(d.mean()) - half, float(d.mean()) + half, spread(d))


def corrected_test(differences: ArrayLike, by: Correction, null: float = 0.0) -> float:
    """One-sided p of "mean difference > null", as :func:`corrected_interval`."""
    d = vector(differences, 2) - by.shift
    error, df = _combined(d, by)
    if error == 0.0:
        return t_test(d, null)
    return float(special.stdtr(df, (null - float(d.mean())) / error))


def _combined(d: Array, by: Correction) -> tuple[float, float]:
    pairs, price = spread(d) ** 2 / d.size, by.error**2
    if pairs + price == 0.0:
        return 0.0, float(d.size - 1)
    return math.sqrt(pairs + price), (pairs + price) ** 2 / (pairs**2 / (d.size - 1) + price**2 / by.df)


def wilcoxon_test(differences: ArrayLike, null: float = 0.0) -> float:
    """One-sided p of Wilcoxon's (1945) signed-rank test, "centre > null"; 1 where every difference equals ``null``.

    Differences equal to ``null`` are left out and equal sizes share their mean rank, both within rounding (1e-10 of the
    largest), since differences of accuracies tie often. Up to :data:`EXACT_PAIRS` pairs the p-value is exact, ties or
    not: it is the sign-flip test's on the ranks. Beyond, as scipy has it.
    """
    d = vector(differences, 1) - null
    largest = float(np.abs(d).max())
    if largest == 0.0:
        return 1.0
    d = np.round(d / largest, 10)
    d = d[d != 0]
    from scipy import stats

    if d.size > EXACT_PAIRS:
        return float(stats.wilcoxon(d, alternative="greater").pvalue)
    return sign_flip_test(np.sign(d) * stats.rankdata(np.abs(d)))


def equivalence_test(differences: ArrayLike, margin: float) -> float:
    """Two one-sided t tests (Schuirmann 1987): p of "the mean difference lies inside (-margin, margin)"."""
    d = vector(differences, 2)
    return max(t_test(d, -margin), t_test(-d, -margin))


def holm(p: ArrayLike) -> Array:
    """Holm's (1979) adjusted p-values ``[m]`` of a family ``[m]``, in the order given.

    By hand: statsmodels takes 60 ms a call, and a calibration asks for 100,000.
    """
    values = np.asarray(p, dtype=np.float64)
    order = np.argsort(values, kind="stable")
    adjusted = np.empty_like(values)
    adjusted[order] = np.maximum.accumulate((values.size - np.arange(values.size)) * values[order])
    return np.minimum(adjusted, 1.0)


def median_interval(values: ArrayLike, confidence: float = 0.95) -> Interval:
    """Median with the exact interval of the sign test (Thompson 1936): no assumption but independent draws.

    By hand: SciPy's quantile test has it for finite values only.

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
    return Interval(float(np.median(x)), *ends, math.nan)


class McNemar(NamedTuple):
    """Test images that one run has right and the other wrong, and the exact two-sided p of "as many either way"."""

    gained: int
    lost: int
    p: float


def mcnemar(ours: NDArray[np.bool_], theirs: NDArray[np.bool_]) -> list[McNemar]:
    """Exact McNemar test (1947) of two runs on one test set, for each seed of ``[seeds, test_n]``.

    It speaks of these two trained models and of new test images, not of new seeds. Both sides are right or wrong in
    one order of the images; p is twice the smaller binomial tail with chance one half, at most 1. By hand: a library's
    takes one pair a call, and a large report asks for 10,000.
    """
    if ours.shape != theirs.shape or ours.ndim != 2:
        raise ValueError(f"needs two tables of one shape, seeds by images, got {ours.shape} and {theirs.shape}")
    gained, lost = (ours & ~theirs).sum(axis=1), (theirs & ~ours).sum(axis=1)
    p = np.minimum(2 * special.bdtr(np.minimum(gained, lost), gained + lost, 0.5), 1.0)
    return [McNemar(*each) for each in zip(gained.tolist(), lost.tolist(), p.tolist(), strict=True)]


def sampling_error(correct: Sequence[NDArray[np.bool_]], other: Sequence[NDArray[np.bool_]] | None = None) -> float:
    """Standard error, in points, that the choice of test images alone gives to a mean accuracy or difference.

    All runs share one test set, so averaging seeds does not shrink this error away. By hand: it is of means of shares.

    ``correct`` holds each seed's ``[test_n]``; with the baseline's as ``other``, the error is of the mean difference.
    """
    right = _share(correct) if other is None else _share(correct) - _share(other)
    return 100.0 * float(right.std(ddof=1)) / math.sqrt(right.size)


def image_error(ours: NDArray[np.bool_], theirs: NDArray[np.bool_]) -> float:
    """Standard error, in points, that new test images would add to a mean difference with new seeds' error already in.

    Of :func:`sampling_error`, the part that does not depend on the seed. With images and seeds crossed at random, that
    part is the images' variance component (ANOVA's estimate, at least 0): what an image does in one seed alone is in
    the spread of the seeds' differences too, and would count twice. Both sides are ``[seeds, test_n]``; of a single
    seed nothing tells the parts apart, and all of it counts.
    """
    d = ours.astype(np.int8) - theirs
    seeds, n = d.shape
    by_image, by_seed = d.mean(axis=0), d.mean(axis=1)
    images = float(by_image.var(ddof=1))
    if seeds == 1:
        return 100.0 * math.sqrt(images / n)
    explained = seeds * float(by_image @ by_image) + n * float(by_seed @ by_seed) - d.size * float(by_seed.mean()) ** 2
    residual = max(0.0, np.count_nonzero(d) - explained) / ((seeds - 1) * (n - 1))  # squares of -1, 0 and 1 are counts
    return 100.0 * math.sqrt(max(0.0, images - residual / seeds) / n)


def widened(found: Interval, error: float, confidence: float = 0.95) -> Interval:
    """``found`` with an independent, normal ``error`` of the estimate added at each end (Zou & Donner 2008).

    Each half is the root of the sum of squares of the two errors' halves, which needs no shape of ``found``.
    """
    reach = float(special.ndtri(0.5 + confidence / 2)) * error
    low, high = (math.hypot(found.estimate - end, reach) for end in (found.low, found.high))
    return Interval(found.estimate, found.estimate - low, found.estimate + high, found.sd)


def _share(correct: Sequence[NDArray[np.bool_]]) -> Array:
    return np.asarray(np.mean(np.stack(correct), axis=0, dtype=np.float64), dtype=np.float64)
