"""Several contrasts tested together: their adjusted p-values, and the fewest pairs that can show anything."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from .samples import Array


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
