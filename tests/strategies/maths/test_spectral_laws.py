"""What holds of the Fiedler vector for every batch, odd ones included."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from selbench.strategies.maths import spectral
from selbench.strategies.maths.spectral import diagnostics, fiedler

each_way = pytest.mark.parametrize("dense_up_to", [10**9, 0], ids=["dense", "lanczos"])
each_laplacian = pytest.mark.parametrize("normalized", [False, True], ids=["plain", "normalized"])


@st.composite
def batches(draw: st.DrawFn, lowest: int = 0) -> Tensor:
    """Few small integers: many duplicate, zero, parallel and orthogonal rows, and disconnected graphs."""
    size, width = draw(st.integers(2, 24)), draw(st.integers(1, 5))
    row = st.lists(st.integers(lowest, 2), min_size=width, max_size=width)
    return torch.tensor(draw(st.lists(row, min_size=size, max_size=size)), dtype=torch.float32)


def spectrum(feats: Tensor, normalized: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The Laplacian in float64 by its definition, its eigenvalues and eigenvectors without the null vector."""
    length = feats.double().norm(dim=1, keepdim=True)
    rows = torch.where(length > 0, feats.double() / length, 0.0).numpy()
    similar = rows @ rows.T
    if (feats < 0).any():
        similar = (similar + 1) / 2
    np.fill_diagonal(similar, 0.0)
    degrees = similar.sum(1)
    matrix = np.diag(degrees) - similar
    null = np.ones(len(rows))
    if normalized:
        linked = degrees > 1e-9
        scale = np.where(linked, 1 / np.sqrt(np.where(linked, degrees, 1.0)), 0.0)
        matrix = scale[:, None] * matrix * scale
        null = np.sqrt(degrees)
    raised = 1e3 * np.outer(null, null) / max(null @ null, 1e-30)
    return matrix, *np.linalg.eigh(matrix + raised)


def solved(feats: Tensor, dense_up_to: int, normalized: bool) -> Tensor:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spectral, "DENSE_UP_TO", dense_up_to)
        pair = fiedler(feats, normalized=normalized)
        assert all(torch.isfinite(value) for value in diagnostics(pair).values())
    return pair.vector


@each_laplacian
@each_way
@given(feats=batches())
def test_zero_or_a_unit_eigenvector(feats, dense_up_to, normalized):
    found = solved(feats, dense_up_to, normalized).double().numpy()
    if not found.any():
        return
    assert np.linalg.norm(found) == pytest.approx(1.0, abs=1e-4)
    assert found.max() >= np.abs(found).max() - 1e-4
    matrix, values, _ = spectrum(feats, normalized)
    value = found @ matrix @ found
    assert np.linalg.norm(matrix @ found - value * found) <= 2e-2 * max(1.0, values[-2])


@each_laplacian
@given(feats=st.one_of(batches(), batches(lowest=-2)))
def test_both_ways_agree_where_the_answer_is_one(feats, normalized):
    _, values, vectors = spectrum(feats, normalized)
    if len(values) < 3 or values[1] - values[0] < 0.02 * values[-2] or abs(vectors[:, 0]).max() < 1e-6:
        return
    dense, free = (solved(feats, way, normalized).double().numpy() for way in (10**9, 0))
    assert np.allclose(dense, free, atol=2e-3) or np.allclose(dense, -free, atol=2e-3)


@each_laplacian
@each_way
@given(feats=batches())
def test_equal_rows_get_equal_entries(feats, dense_up_to, normalized):
    found = solved(feats, dense_up_to, normalized)
    for i in range(1, len(feats)):
        for j in range(i):
            if torch.equal(feats[i], feats[j]) and feats[i].any():
                assert float(found[i]) == pytest.approx(float(found[j]), abs=5e-3)


@each_laplacian
@each_way
@given(feats=batches(), seed=st.integers(0, 99))
def test_moves_with_the_rows_and_ignores_their_length(feats, seed, dense_up_to, normalized):
    stream = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(feats), generator=stream)
    length = 0.1 + 10 * torch.rand(len(feats), 1, generator=stream)
    plain = solved(feats, dense_up_to, normalized)
    moved = solved((length * feats)[order], dense_up_to, normalized)
    expected = plain[order]
    assert torch.allclose(moved, expected, atol=1e-2) or torch.allclose(moved, -expected, atol=1e-2)


@each_laplacian
@each_way
@pytest.mark.parametrize("broken", [float("nan"), float("inf"), -float("inf")])
def test_a_broken_row_counts_as_zero(broken, dense_up_to, normalized):
    feats = torch.rand(40, 12, generator=torch.Generator().manual_seed(0))
    feats[7] = 0.0
    expected = solved(feats, dense_up_to, normalized)
    feats[7, 3] = broken
    assert torch.equal(solved(feats, dense_up_to, normalized), expected)


@each_laplacian
@each_way
@pytest.mark.parametrize("scale", [1e-15, 1e-6, 1e15])
def test_the_unit_of_the_features_does_not_matter(scale, dense_up_to, normalized):
    feats = torch.rand(40, 12, generator=torch.Generator().manual_seed(0))
    expected = solved(feats, dense_up_to, normalized)
    assert torch.allclose(solved(feats * scale, dense_up_to, normalized), expected, atol=1e-4)
