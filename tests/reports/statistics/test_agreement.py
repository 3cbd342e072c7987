"""Correctness image by image."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from selbench.reports import statistics as s


@pytest.mark.parametrize(("accuracy", "n", "error"), [(0.95, 10_000, 0.22), (0.9, 3_669, 0.50), (0.9, 6_149, 0.38)])
def test_sampling_error_of_the_known_test_sets(accuracy: float, n: int, error: float) -> None:
    correct = np.arange(n) < round(accuracy * n)
    assert s.sampling_error([correct]) == pytest.approx(error, abs=0.005)


@given(st.integers(0, 1000))
def test_paired_sampling_error_agrees_with_mcnemars_variance(seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.random((2, 400)) < 0.8
    gain, loss, n = np.sum(a & ~b), np.sum(b & ~a), 400
    variance = ((gain + loss) / n - ((gain - loss) / n) ** 2) / (n - 1)
    assert s.sampling_error([a], [b]) == pytest.approx(100 * math.sqrt(variance), rel=1e-9)
    assert s.sampling_error([a], [a]) == 0.0


def bits(gained: int, lost: int, both: int = 50, neither: int = 7) -> tuple[np.ndarray, np.ndarray]:
    """Two runs' correctness with these counts, of one seed."""
    counts = [gained, lost, both, neither]
    return np.repeat([[True, False, True, False]], counts, 1), np.repeat([[False, True, True, False]], counts, 1)


@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_agrees_with_scipy(gained: int, lost: int) -> None:
    (ours,) = s.mcnemar(*bits(gained, lost))
    assert (ours.gained, ours.lost) == (gained, lost)
    if gained + lost:
        assert ours.p == pytest.approx(stats.binomtest(gained, gained + lost).pvalue, abs=1e-8)
    else:
        assert ours.p == 1.0


def test_mcnemar_as_r_prints() -> None:
    """``binom.test(2, 11)`` of R, which is McNemar's exact test of 9 and 2: p-value = 0.06543."""
    assert s.mcnemar(*bits(2, 9, 21, 12))[0].p == pytest.approx(0.06543, abs=5e-6)


def test_runs_on_unlike_test_sets_have_no_mcnemar() -> None:
    with pytest.raises(ValueError, match="one shape"):
        s.mcnemar(np.ones((2, 4), dtype=bool), np.ones((2, 1), dtype=bool))
