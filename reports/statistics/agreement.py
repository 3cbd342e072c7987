"""Correctness image by image: the error that the choice of test images gives."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .samples import Array


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
