"""What every statistic here takes and gives: vectors of finite numbers, and intervals."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


class Interval(NamedTuple):
    """An estimate with a two-sided interval and the sample SD (nan where the sample has no spread to speak of)."""

    estimate: float
    low: float
    high: float
    sd: float


def vector(values: ArrayLike, least: int) -> Array:
    """``values`` as ``[n]`` floats; ValueError where they are fewer than ``least``, not a vector, or not finite."""
    x = np.asarray(values, dtype=np.float64)
    if x.ndim != 1 or x.size < least:
        raise ValueError(f"needs a vector of at least {least} numbers, got shape {x.shape}")
    if not np.isfinite(x).all():
        raise ValueError("needs finite numbers")
    return x


def spread(x: Array) -> float:
    """Sample SD; 0 where the numbers differ by rounding only, so that equal differences count as equal."""
    centred = x - x.sum() / x.size
    sd = math.sqrt(float(centred @ centred) / (x.size - 1))
    return 0.0 if sd <= 1e-12 * max(1.0, float(x.max()), -float(x.min())) else sd
