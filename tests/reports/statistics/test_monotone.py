"""Monotone sequences."""

from __future__ import annotations

import numpy as np
import pytest
from drawn import points, quick
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import optimize
from sklearn.isotonic import isotonic_regression

from selbench.reports import statistics as s


@quick
@given(arrays(np.float64, st.integers(1, 12), elements=points))
def test_isotonic_agrees_with_scipy(y: np.ndarray) -> None:
    theirs = optimize.isotonic_regression(y).x
    assert s.isotonic(y) == pytest.approx(theirs, abs=1e-9)


@quick
@given(arrays(np.float64, st.integers(1, 12), elements=points))
def test_isotonic_agrees_with_sklearn(y: np.ndarray) -> None:
    assert s.isotonic(y) == pytest.approx(isotonic_regression(y), abs=1e-8)


def test_isotonic_as_r_fits() -> None:
    """``isoreg(c(1, 0, 4, 3, 3, 5, 4, 2, 0))`` of R's help."""
    assert s.isotonic([1, 0, 4, 3, 3, 5, 4, 2, 0]).tolist() == [0.5, 0.5, 3, 3, 3, 3, 3, 3, 3]
