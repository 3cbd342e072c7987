"""Families: Holm, and the floor of the exact test."""

from __future__ import annotations

import numpy as np
import pytest
from drawn import quick
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from statsmodels.stats.multitest import multipletests

from selbench.reports import statistics as s


@settings(max_examples=10, deadline=None)  # a tenth of a second each in statsmodels
@given(arrays(np.float64, st.integers(1, 9), elements=st.floats(0, 1)))
def test_holm_agrees_with_statsmodels(p: np.ndarray) -> None:
    assert s.holm(p) == pytest.approx(multipletests(p, method="holm")[1], abs=1e-12)


@pytest.mark.parametrize(
    ("alpha", "family", "pairs"), [(0.05, 1, 5), (0.05, 3, 6), (0.05, 24, 9), (0.25, 1, 2), (0.4, 1, 2)]
)
def test_fewest_pairs(alpha: float, family: int, pairs: int) -> None:
    assert s.fewest_pairs(alpha, family) == pairs
    assert 0.5**pairs <= alpha / family


def test_holm_as_r_adjusts() -> None:
    """``p.adjust(c(.01, .02, .03, .04, .05), "holm")`` of R."""
    assert s.holm([0.03, 0.01, 0.05, 0.02, 0.04]) == pytest.approx([0.09, 0.05, 0.09, 0.08, 0.09], abs=1e-12)


@quick
@given(arrays(np.float64, st.integers(1, 9), elements=st.floats(0, 1)))
def test_holm_lies_between_no_adjustment_and_bonferroni(p: np.ndarray) -> None:
    adjusted = s.holm(p)
    assert (adjusted >= p).all()
    assert (adjusted <= np.minimum(1.0, p.size * p) + 1e-15).all()
    assert (np.diff(adjusted[np.argsort(p, kind="stable")]) >= 0).all()
