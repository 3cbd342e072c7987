"""Samples for the property tests of the statistics."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

points = st.floats(-20, 20, allow_nan=False).map(lambda x: round(x, 3))


def samples(low: int = 3, high: int = 12) -> st.SearchStrategy[np.ndarray]:
    """Differences in points, rounded so that some are equal."""
    return st.integers(low, high).flatmap(lambda n: arrays(np.float64, n, elements=points))


def pairs(low: int = 3, high: int = 12) -> st.SearchStrategy[np.ndarray]:
    """Two paired samples ``[2, n]``."""
    return st.integers(low, high).flatmap(lambda n: arrays(np.float64, (2, n), elements=points))


def varied(x: np.ndarray) -> bool:
    """Whether other libraries' tests exist for this sample."""
    return float(np.std(x)) > 1e-3
