"""Correctness image by image: what the choice of test images alone explains."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .samples import Array


class McNemar(NamedTuple):
    """Test images that one run has right and the other wrong, and the exact two-sided p of "as many either way"."""

    gained: int
    lost: int
    p: float


def mcnemar(ours: NDArray[np.bool_], theirs: NDArray[np.bool_]) -> McNemar:
    """Exact McNemar test (1947) of two runs on one test set.

    It speaks of these two trained models and of new test images, not of new seeds.

    Parameters
    ----------
    ours, theirs : bool ``[test_n]``
        Right or wrong, in one order of the images.

    Returns
    -------
    McNemar
        p is twice the smaller binomial tail with chance one half, at most 1; 1 where no image differs.
    """
    if ours.shape != theirs.shape or ours.ndim != 1:
        raise ValueError(f"needs two vectors of one length, got shapes {ours.shape} and {theirs.shape}")
    from statsmodels.stats.contingency_tables import mcnemar as test

    gained, lost = int(np.count_nonzero(ours & ~theirs)), int(np.count_nonzero(theirs & ~ours))
    return McNemar(gained, lost, float(test([[0, gained], [lost, 0]], exact=True).pvalue))


def sampling_error(correct: Sequence[NDArray[np.bool_]], other: Sequence[NDArray[np.bool_]] | None = None) -> float:
    """Standard error, in points, that the choice of test images alone gives to a mean accuracy or difference.

    All runs share one test set, so averaging seeds does not shrink this error away. By hand: it is of means of shares.

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
