"""Monotone sequences."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from .samples import Array, vector


def isotonic(y: ArrayLike) -> Array:
    """Nearest non-decreasing sequence in least squares (pool adjacent violators), equal weights, ``[n]``."""
    means: list[float] = []
    sizes: list[int] = []
    for value in vector(y, 1):
        mean, size = float(value), 1
        while means and means[-1] > mean:
            mean = (means[-1] * sizes[-1] + mean * size) / (sizes[-1] + size)
            size += sizes.pop()
            means.pop()
        means.append(mean)
        sizes.append(size)
    return np.repeat(means, sizes)
