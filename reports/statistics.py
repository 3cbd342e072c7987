"""Statistics as pure functions of arrays. A difference is always strategy minus baseline, one number for each seed.

Tests are one-sided, in the direction "greater than ``null``": with ``null = 0`` superiority, with
``null = -margin`` non-inferiority. Intervals are two-sided; the one that goes with a one-sided test at
level alpha has confidence 1 - 2 alpha: its lower end lies above ``null`` exactly where p < alpha.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, special, stats

EXACT_PAIRS = 24
"""Up to here all 2^n sign flips are counted; beyond, a random sample of them."""

_CHUNK = 12
"""Pairs whose 2^12 partial sums are tabulated together: a table fits a core's first cache."""

Array = NDArray[np.float64]


class Interval(NamedTuple):
    """An estimate with a two-sided interval and the sample SD (nan where the sample has no spread to speak of)."""

    estimate: float
    low: float
    high: float
    sd: float


def _vector(values: ArrayLike, least: int) -> Array:
    vector = np.asarray(values, dtype=np.float64)
    if vector.ndim != 1 or vector.size < least:
        raise ValueError(f"needs a vector of at least {least} numbers, got shape {vector.shape}")
    if not np.isfinite(vector).all():
        raise ValueError("needs finite numbers")
    return vector


def _spread(x: Array) -> float:
    """Sample SD; 0 where the numbers differ by rounding only, so that equal differences count as equal."""
    sd = float(x.std(ddof=1))
    return 0.0 if sd <= 1e-12 * max(1.0, float(np.abs(x).max())) else sd


def mean_interval(values: ArrayLike, confidence: float = 0.95) -> Interval:
    """Mean with Student's t interval; for paired data give the differences.

    Parameters
    ----------
    values : array ``[n]``, n >= 2
    confidence : float
        Two-sided.
    """
    x = _vector(values, 2)
    sd = _spread(x)
    mean = float(x.mean())
    half = float(special.stdtrit(x.size - 1, 0.5 + confidence / 2)) * sd / math.sqrt(x.size)
    return Interval(mean, mean - half, mean + half, sd)


def welch_interval(a: ArrayLike, b: ArrayLike, confidence: float = 0.95) -> Interval:
    """Difference of means of unpaired samples, unequal variances (Welch 1947); ``sd`` is the standard error."""
    x, y = _vector(a, 2), _vector(b, 2)
    vx, vy = _spread(x) ** 2 / x.size, _spread(y) ** 2 / y.size
    difference, error = float(x.mean() - y.mean()), math.sqrt(vx + vy)
    if error == 0.0:
        return Interval(difference, difference, difference, 0.0)
    df = (vx + vy) ** 2 / (vx**2 / (x.size - 1) + vy**2 / (y.size - 1))
    half = float(special.stdtrit(df, 0.5 + confidence / 2)) * error
    return Interval(difference, difference - half, difference + half, error)


def correlation(a: ArrayLike, b: ArrayLike) -> float | None:
    """Pearson's correlation of the pairs; None where one side has no spread or there are fewer than 3 pairs."""
    x, y = _vector(a, 1), _vector(b, 1)
    if x.size < 3 or _spread(x) == 0.0 or _spread(y) == 0.0:
        return None
    return float(np.corrcoef(x, y)[0, 1])


def t_test(differences: ArrayLike, null: float = 0.0) -> float:
    """One-sided p of the paired t test, "mean difference > null".

    Where the differences have no spread, the t statistic does not exist; the p-value is then what the exact
    sign-flip test gives: 2^-n above ``null``, 1 elsewhere.
    """
    d = _vector(differences, 2)
    sd, excess = _spread(d), float(d.mean()) - null
    if sd == 0.0:
        return 0.5**d.size if excess > 1e-12 * max(1.0, abs(null)) else 1.0
    return float(special.stdtr(d.size - 1, -excess / (sd / math.sqrt(d.size))))


@lru_cache(maxsize=_CHUNK + 1)
def _all_signs(n: int) -> Array:
    bits = (np.arange(2**n)[:, None] >> np.arange(n)) & 1
    return np.asarray(1.0 - 2.0 * bits, dtype=np.float64)


@lru_cache(maxsize=4)
def _some_signs(chunks: int, draws: int, seed: int) -> NDArray[np.intp]:
    """For each chunk of pairs and each draw the row of :func:`_all_signs`, ``[chunks, draws]``."""
    return np.random.default_rng(seed).integers(0, 2**_CHUNK, size=(chunks, draws), dtype=np.intp)


def _flips_reaching(d: Array, least: float) -> int:
    """How many of the 2^n sign flips have a sum of at least ``least``: each half's sums, sorted against each other."""
    half = d.size // 2
    left, right = (_all_signs(part.size) @ part for part in (d[:half], d[half:]))
    return int((right.size - np.searchsorted(np.sort(right), least - left)).sum())


def _draws_reaching(d: Array, least: float, draws: int, seed: int) -> int:
    """How many of ``draws`` random flips have a sum of at least ``least``, from tables of each chunk's sums."""
    parts = [d[at : at + _CHUNK] for at in range(0, d.size, _CHUNK)]
    sums = np.zeros(draws)
    for part, rows in zip(parts, _some_signs(len(parts), draws, seed), strict=True):
        padded = np.zeros(_CHUNK)
        padded[: part.size] = part
        sums += (_all_signs(_CHUNK) @ padded)[rows]
    return int(np.count_nonzero(sums >= least))


def sign_flip_test(differences: ArrayLike, null: float = 0.0, *, draws: int = 50_000, seed: int = 0) -> float:
    """One-sided sign-flip permutation p, "centre of the differences > null" (Fisher 1935).

    Under the null the differences, shifted by ``null``, are symmetric about 0, so each sign is a fair coin.
    Exact up to :data:`EXACT_PAIRS` pairs; beyond, ``draws`` random flips with the observed one added, so that
    p is never 0 and the test keeps its size (Phipson & Smyth 2010).
    """
    d = _vector(differences, 1) - null
    # Sums that are equal but for rounding must count as ties, or the observed flip itself could be missed.
    observed = d.sum() - 1e-10 * max(np.abs(d).sum(), 1e-300)
    if d.size <= EXACT_PAIRS:
        return float(_flips_reaching(d, observed) / 2**d.size)
    return (1 + _draws_reaching(d, observed, draws, seed)) / (draws + 1)


def wilcoxon_test(differences: ArrayLike, null: float = 0.0) -> float:
    """One-sided p of Wilcoxon's signed-rank test, "centre > null"; 1 where every difference equals ``null``."""
    d = _vector(differences, 1) - null
    if not d.any():
        return 1.0
    return float(stats.wilcoxon(d, alternative="greater").pvalue)


def equivalence_test(differences: ArrayLike, margin: float) -> float:
    """Two one-sided t tests (Schuirmann 1987): p of "the mean difference lies inside (-margin, margin)"."""
    d = _vector(differences, 2)
    return max(t_test(d, -margin), t_test(-d, -margin))


def holm(p: ArrayLike) -> Array:
    """Holm's (1979) adjusted p-values ``[m]`` of a family ``[m]``, in the order given."""
    values = np.asarray(p, dtype=np.float64)
    order = np.argsort(values, kind="stable")
    scaled = (values.size - np.arange(values.size)) * values[order]
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(np.maximum.accumulate(scaled), 1.0)
    return adjusted


def fewest_pairs(alpha: float, family: int = 1) -> int:
    """Fewest pairs whose exact sign-flip test can reach ``alpha / family`` at all: its smallest p is 2^-n.

    Never below 2, without which there is no interval.
    """
    return max(2, math.ceil(math.log2(family / alpha) - 1e-12))


def power_noninferior(n: int, sd: float, margin: float, *, alpha: float = 0.05, difference: float = 0.0) -> float:
    """Chance that the paired t test shows non-inferiority, normal differences with mean ``difference``.

    Parameters
    ----------
    n : int
        Pairs, at least 2.
    sd : float
        SD of the paired differences, same unit as ``margin`` and ``difference``.
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


def bca_interval(
    samples: Sequence[ArrayLike],
    statistic: Callable[..., Any],
    confidence: float = 0.95,
    *,
    resamples: int = 2000,
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
    data = [_vector(sample, 2) for sample in samples]
    n = data[0].size
    if any(sample.size != n for sample in data):
        raise ValueError("samples of pairs must be of one length")
    estimate = float(statistic(*(sample.mean() for sample in data)))
    if all(_spread(sample) == 0.0 for sample in data):
        return Interval(estimate, estimate, estimate, 0.0)
    weights = _resamples(n, resamples, seed)
    replicas = np.asarray(statistic(*(weights @ sample for sample in data)))
    spread = float(np.std(replicas, ddof=1))
    rounding = 1e-12 * max(1.0, abs(estimate))
    if spread <= rounding:
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
    return Interval(estimate, float(low), float(high), spread)


@lru_cache(maxsize=4)
def _resamples(n: int, resamples: int, seed: int) -> Array:
    """The share of each pair in each resample, ``[resamples, n]``: a resample's mean is one row times the data."""
    index = np.random.default_rng(seed).integers(0, n, size=(resamples, n))
    counts = np.bincount((index + n * np.arange(resamples)[:, None]).ravel(), minlength=resamples * n)
    return np.asarray(counts.reshape(resamples, n) / n, dtype=np.float64)


def mean_of(mean: Any) -> Any:
    """The mean itself, as a statistic for :func:`bca_interval`."""
    return mean


def ratio_of_means(a: Any, b: Any) -> Any:
    """Mean of a over mean of b, as a statistic for :func:`bca_interval`."""
    return a / b


def ratio_interval(a: ArrayLike, b: ArrayLike, confidence: float = 0.95, *, seed: int = 0) -> Interval | None:
    """Ratio of mean costs a / b with a bootstrap interval over pairs.

    Returns
    -------
    Interval or None
        A point where neither side varies (FLOPs of fixed plans). With one pair the ends are nan. None where
        b is not positive throughout: there is then no ratio.
    """
    x, y = _vector(a, 1), _vector(b, 1)
    if (y <= 0).any():
        return None
    if x.size < 2:
        return Interval(float(x[0] / y[0]), math.nan, math.nan, math.nan)
    return bca_interval((x, y), ratio_of_means, confidence, seed=seed)


def isotonic(y: ArrayLike) -> Array:
    """Nearest non-decreasing sequence in least squares (pool adjacent violators), equal weights, ``[n]``."""
    means: list[float] = []
    sizes: list[int] = []
    for value in _vector(y, 1):
        mean, size = float(value), 1
        while means and means[-1] > mean:
            mean = (means[-1] * sizes[-1] + mean * size) / (sizes[-1] + size)
            size += sizes.pop()
            means.pop()
        means.append(mean)
        sizes.append(size)
    return np.repeat(means, sizes)


def sampling_error(correct: Sequence[NDArray[np.bool_]], other: Sequence[NDArray[np.bool_]] | None = None) -> float:
    """Standard error, in points, that the choice of test images alone gives to a mean accuracy or difference.

    All runs share one test set, so averaging seeds does not shrink this error away.

    Parameters
    ----------
    correct : sequence over seeds of bool ``[test_n]``
    other : sequence of the same form, optional
        The baseline's, paired by seed: the error is then of the mean difference.
    """
    right = _share(correct) if other is None else _share(correct) - _share(other)
    return 100.0 * float(right.std(ddof=1)) / math.sqrt(right.size)


def _share(correct: Sequence[NDArray[np.bool_]]) -> Array:
    return np.asarray(np.mean(np.stack(correct), axis=0, dtype=np.float64), dtype=np.float64)
