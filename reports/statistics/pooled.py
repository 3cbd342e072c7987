"""One effect over several data sets. Data sets count alike and are fixed: the result speaks of these data sets only."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from .bootstrap import Strata, stratified_interval
from .samples import Array, Interval, spread, vector


class Pooled(NamedTuple):
    """Mean effect over the data sets with a two-sided interval, and the one-sided p of "above 0"."""

    estimate: float
    low: float
    high: float
    se: float
    df: float
    p_superior: float


def fixed_effect(differences: Sequence[ArrayLike], confidence: float = 0.95) -> Pooled:
    """Mean of the data sets' mean differences, ``d_ij = mu_i + e_ij`` with a variance for each data set.

    Each data set counts alike, whatever its seeds or noise: weighting by precision, as statsmodels' meta-analysis
    does, would let the quietest data set speak for all. Degrees of freedom after Satterthwaite (1946); with two data
    sets this is Welch's test.

    Parameters
    ----------
    differences : sequence over data sets of arrays ``[n_i]``, n_i >= 2
        Ours minus theirs, paired by seed.

    Returns
    -------
    Pooled
        Where no data set has any spread the interval is a point, df counts the pairs less one a data set, and p is
        that of the exact sign-flip test: 2^-pairs above 0, 1 elsewhere.
    """
    data = [vector(d, 2) for d in differences]
    estimate = float(np.mean([d.mean() for d in data]))
    parts = np.array([spread(d) ** 2 / d.size for d in data])
    freedom = np.array([d.size - 1 for d in data])
    if not parts.any():
        p = 0.5 ** sum(d.size for d in data) if estimate > 1e-12 else 1.0
        return Pooled(estimate, estimate, estimate, 0.0, float(freedom.sum()), p)
    se = math.sqrt(parts.sum()) / len(data)
    shares = parts / parts.sum()
    df = float(1 / np.sum(shares**2 / freedom))
    half = float(special.stdtrit(df, 0.5 + confidence / 2)) * se
    return Pooled(estimate, estimate - half, estimate + half, se, df, float(special.stdtr(df, -estimate / se)))


def probability_of_improvement(differences: Sequence[ArrayLike], confidence: float = 0.95) -> Interval:
    """Chance that ours beats theirs at one seed, mean over data sets (Agarwal et al. 2021, here with paired seeds).

    By hand: their library compares unpaired runs.

    Parameters
    ----------
    differences : sequence over data sets of arrays ``[n_i]``
        Ours minus theirs; a tie counts one half.

    Returns
    -------
    Interval
        Stratified percentile bootstrap. Where no data set has seeds that disagree, the bootstrap knows nothing of
        what it has not seen; the half width is then the exact binomial one, ``1 - a^(1/N)`` with
        ``a = (1 - confidence) / 2`` and N the data sets times their fewest seeds (our choice).
    """
    wins = [(np.sign(vector(d, 1)) + 1) / 2 for d in differences]
    found = stratified_interval([[won] for won in wins], _mean_of_means, confidence)
    if found.sd > 0:
        return found
    unseen = 1 - ((1 - confidence) / 2) ** (1 / (len(wins) * min(won.size for won in wins)))
    low, high = max(0.0, found.estimate - unseen), min(1.0, found.estimate + unseen)
    return Interval(found.estimate, low, high, found.sd)


def _mean_of_means(strata: Strata) -> Array:
    return np.asarray(np.mean([won.mean(axis=-1) for (won,) in strata], axis=0))


def interquartile_mean(scores: ArrayLike) -> float:
    """Mean of what is left after a quarter of the scores, rounded down, is cut off at each end."""
    return float(_interquartile(vector(scores, 1)))


def _interquartile(scores: Array) -> Array:
    from scipy.stats import trim_mean

    return np.asarray(trim_mean(scores, 0.25, axis=-1))


def iqm_interval(
    ours: Sequence[ArrayLike], theirs: Sequence[ArrayLike], confidence: float = 0.95
) -> tuple[float, float, Interval]:
    """Interquartile mean of the scores of all data sets together, of both arms, and of ours less theirs.

    Parameters
    ----------
    ours, theirs : sequences over data sets of arrays ``[n_i]``
        Paired by seed: a resample draws pairs within each data set.

    Returns
    -------
    float, float, Interval
        Ours, theirs, and the difference with a stratified percentile bootstrap interval (Agarwal et al. 2021).
    """
    pairs = [(vector(a, 1), vector(b, 1)) for a, b in zip(ours, theirs, strict=True)]
    mine, other = (interquartile_mean(np.concatenate(side)) for side in zip(*pairs, strict=True))
    return mine, other, stratified_interval(pairs, _iqm_difference, confidence)


def _iqm_difference(strata: Strata) -> Array:
    mine, other = (_interquartile(np.concatenate(side, axis=-1)) for side in zip(*strata, strict=True))
    return np.asarray(mine - other)
