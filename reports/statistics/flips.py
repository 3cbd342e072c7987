"""The exact sign-flip test on differences paired by seed, and the interval that goes with it."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .samples import Array, Interval, spread, vector

EXACT_PAIRS = 24
"""Up to here all 2^n sign flips are counted; beyond, a random sample of them."""

_CHUNK = 12
"""Pairs whose 2^12 partial sums are tabulated together: a table fits a core's first cache."""


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
    left, right = (np.sort(_all_signs(part.size) @ part) for part in (d[:half], d[half:]))
    return int(right.size * left.size - np.searchsorted(right, least - left).sum())


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
    d = vector(differences, 1) - null
    # Sums that are equal but for rounding must count as ties, or the observed flip itself could be missed.
    observed = d.sum() - 1e-10 * max(np.abs(d).sum(), 1e-300)
    if d.size <= EXACT_PAIRS:
        return float(_flips_reaching(d, observed) / 2**d.size)
    return (1 + _draws_reaching(d, observed, draws, seed)) / (draws + 1)


def fewest_pairs(alpha: float, family: int = 1) -> int:
    """Fewest pairs whose exact sign-flip test can reach ``alpha / family`` at all: its smallest p is 2^-n.

    Never below 2, without which there is no interval.
    """
    return max(2, math.ceil(math.log2(family / alpha) - 1e-12))


def sign_flip_interval(differences: ArrayLike, confidence: float = 0.95) -> Interval:
    """Mean difference with the shifts that :func:`sign_flip_test` does not reject on either side.

    The inverted permutation test (Tritchler 1984). By hand: no library inverts it, and SciPy's permutation test is
    neither exact at 24 pairs nor safe against ties by rounding.

    Parameters
    ----------
    differences : array ``[n]``, n >= 2
    confidence : float
        Two-sided: each one-sided test is at ``a = (1 - confidence) / 2``.

    Returns
    -------
    Interval
        ``low > null`` exactly where ``sign_flip_test(differences, null) < a``, and likewise above, within rounding
        (1e-12 of the largest difference). The p-value is a step function of the shift that climbs at the means of
        subsets of the differences, so each end is such a mean. Below the floor of the exact test, 2^-n >= a, no
        shift can be rejected and both ends are infinite. ``sd`` is the sample's.
    """
    d = vector(differences, 2)
    level = (1 - confidence) / 2
    return Interval(float(d.mean()), _lowest_kept(d, level), -_lowest_kept(-d, level), spread(d))


def _lowest_kept(d: Array, level: float) -> float:
    """The smallest shift with p >= ``level``: p does not fall as the shift grows, so halving finds it."""
    level -= 1e-12  # 1 - confidence is rounded
    # Below every difference p is as small as it gets; above every one it is 1.
    rounding = 1e-12 * max(1.0, float(np.abs(d).max()))
    rejected, kept = float(d.min()) - 1.0, float(d.max()) + rounding
    if sign_flip_test(d, rejected) >= level:
        return -math.inf
    while kept - rejected > rounding:
        middle = (rejected + kept) / 2
        if sign_flip_test(d, middle) < level:
            rejected = middle
        else:
            kept = middle
    return kept
