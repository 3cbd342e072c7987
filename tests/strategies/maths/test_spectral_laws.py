"""What holds of the Fiedler vector for every batch, odd ones included."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from selbench.strategies.maths import spectral
from selbench.strategies.maths.spectral import diagnostics, fiedler

each_way = pytest.mark.parametrize("way", get_args(spectral.Way))
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


def solved(feats: Tensor, way: spectral.Way, normalized: bool) -> Tensor:
    pair = fiedler(feats, normalized=normalized, way=way)
    assert all(torch.isfinite(value) for value in diagnostics(pair).values())
    return pair.vector


@each_laplacian
@each_way
@given(feats=batches())
def test_zero_or_a_unit_eigenvector(feats, way, normalized):
    found = solved(feats, way, normalized).double().numpy()
    if not found.any():
        return
    assert np.linalg.norm(found) == pytest.approx(1.0, abs=1e-4)
    assert found.max() >= np.abs(found).max() - 1e-4
    matrix, values, _ = spectrum(feats, normalized)
    value = found @ matrix @ found
    assert np.linalg.norm(matrix @ found - value * found) <= 2e-2 * max(1.0, values[-2])


@each_laplacian
@given(feats=st.one_of(batches(), batches(lowest=-2)))
def test_all_ways_agree_where_the_answer_is_one(feats, normalized):
    _, values, vectors = spectrum(feats, normalized)
    if len(values) < 3 or values[1] - values[0] < 0.02 * values[-2] or abs(vectors[:, 0]).max() < 1e-6:
        return
    dense, filtered, free = (solved(feats, way, normalized).double().numpy() for way in get_args(spectral.Way))
    assert alike(dense, free)
    # The other two pass over what their start vector does not see; the filter's sees more.
    assert alike(filtered, dense) or alike(filtered, vectors[:, 0])


def alike(one: np.ndarray, other: np.ndarray) -> bool:
    return np.allclose(one, other, atol=2e-3) or np.allclose(one, -other, atol=2e-3)


@each_laplacian
@each_way
@given(feats=batches())
def test_equal_rows_get_equal_entries(feats, way, normalized):
    found = solved(feats, way, normalized)
    for i in range(1, len(feats)):
        for j in range(i):
            if torch.equal(feats[i], feats[j]) and feats[i].any():
                assert float(found[i]) == pytest.approx(float(found[j]), abs=5e-3)


@each_laplacian
@each_way
@given(feats=batches(), seed=st.integers(0, 99))
def test_moves_with_the_rows_and_ignores_their_length(feats, seed, way, normalized):
    stream = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(feats), generator=stream)
    length = 0.1 + 10 * torch.rand(len(feats), 1, generator=stream)
    plain = solved(feats, way, normalized)
    moved = solved((length * feats)[order], way, normalized)
    expected = plain[order]
    assert torch.allclose(moved, expected, atol=1e-2) or torch.allclose(moved, -expected, atol=1e-2)


@each_laplacian
@each_way
@pytest.mark.parametrize("broken", [float("nan"), float("inf"), -float("inf")])
def test_a_broken_row_counts_as_zero(broken, way, normalized):
    feats = torch.rand(40, 12, generator=torch.Generator().manual_seed(0))
    feats[7] = 0.0
    expected = solved(feats, way, normalized)
    feats[7, 3] = broken
    assert torch.equal(solved(feats, way, normalized), expected)


@each_laplacian
@each_way
@pytest.mark.parametrize("scale", [1e-15, 1e-6, 1e15])
def test_the_unit_of_the_features_does_not_matter(scale, way, normalized):
    feats = torch.rand(40, 12, generator=torch.Generator().manual_seed(0))
    expected = solved(feats, way, normalized)
    assert torch.allclose(solved(feats * scale, way, normalized), expected, atol=1e-4)
