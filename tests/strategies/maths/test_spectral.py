"""The Fiedler solver against LAPACK in float64, SciPy's Laplacian and NetworkX."""

from __future__ import annotations

from functools import cache
from typing import get_args

import networkx
import numpy as np
import pytest
import scipy.linalg
import torch
from scipy.sparse.csgraph import laplacian

from selbench.strategies import BatchLosses, load
from selbench.strategies.maths import spectral
from selbench.strategies.maths.graph import Graph
from selbench.strategies.maths.lanczos import second_smallest, smallest_by_squaring
from selbench.strategies.maths.spectral import diagnostics, fiedler, usual_way
from selbench.strategies.rules import fiedler as fiedler_rule


@pytest.fixture(params=get_args(spectral.Way))
def solver(request, monkeypatch):
    """Each way of solving, whatever the batch size and the device."""
    monkeypatch.setattr(spectral, "usual_way", lambda *_: request.param)
    return request.param


def features(size, width, kind, seed):
    stream = torch.Generator().manual_seed(seed)
    noise = torch.randn(size, width, generator=stream)
    if kind == "relu":
        return torch.relu(noise)
    if kind == "uniform":
        return torch.rand(size, width, generator=stream)
    centres = torch.randn(6, width, generator=stream)
    return torch.relu(centres[torch.randint(6, (size,), generator=stream)] + 0.7 * noise)


def similarity(feats):
    rows = feats.double().numpy()
    rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return rows @ rows.T


@cache
def known(size, width, kind, seed, normalized):
    """As :func:`lapack`, once for all the ways of solving."""
    return lapack(similarity(features(size, width, kind, seed)), normalized)


def lapack(similar, normalized):
    """Eigenvalues 1 to 3 and the Fiedler vector, float64, from a matrix that another library formed."""
    values, vectors = scipy.linalg.eigh(laplacian(similar, normed=normalized), subset_by_index=[0, 2])
    return values, vectors[:, 1]


def overlap(a, b):
    count = max(1, len(a) // 4)
    return len(set(np.argsort(-np.abs(a))[:count]) & set(np.argsort(-np.abs(b))[:count])) / count


@pytest.mark.parametrize("normalized", [False, True], ids=["plain", "normalized"])
@pytest.mark.parametrize("kind", ["relu", "uniform", "clusters"])
def test_agrees_with_lapack(kind, normalized, solver):
    checked = 0
    for size, width in ((16, 40), (33, 64), (96, 32), (256, 128), (640, 64)):
        if solver == "lapack" and size > 300:
            continue
        for seed in range(3):
            feats = features(size, width, kind, seed)
            values, expected = known(size, width, kind, seed, normalized)
            gap = (values[2] - values[1]) / values[1]
            pair = fiedler(feats, normalized=normalized)
            found = pair.vector.numpy()
            assert float(pair.measure().value) == pytest.approx(values[1], rel=2e-3)
            if gap < 0.02:
                continue
            checked += 1
            assert abs(found @ expected) >= 0.9999, (size, seed, gap)
            assert overlap(found, expected) >= (0.99 if size >= 256 else 0.95), (size, seed, gap)
            seen = diagnostics(pair)
            assert float(seen["participation"]) == pytest.approx(1 / (expected**4).sum(), rel=1e-3)
            assert float(seen["gap"]) == pytest.approx(gap, rel=0.05)
            assert float(seen["residual"]) < 2e-2 * values[1]
    assert checked >= 1


def test_more_steps_where_the_gap_is_small():
    feats = features(1024, 512, "relu", 1)
    values, expected = lapack(similarity(feats), True)
    assert (values[2] - values[1]) / values[1] < 0.005
    few = abs(fiedler(feats, normalized=True, steps=16).vector.numpy() @ expected)
    many = fiedler(feats, normalized=True, steps=96)
    assert abs(many.vector.numpy() @ expected) >= 0.9999 > few
    assert overlap(many.vector.numpy(), expected) >= 0.99


@pytest.mark.parametrize("way", ["filter", "lanczos"])
def test_the_ways_agree(way):
    for normalized in (False, True):
        feats = features(80, 40, "clusters", 4) - 0.2
        dense = fiedler(feats, normalized=normalized, way="lapack")
        other = fiedler(feats, normalized=normalized, way=way)
        assert torch.allclose(dense.vector, other.vector, atol=2e-4)
        assert float(dense.measure().value) == pytest.approx(float(other.measure().value), rel=1e-4)


@pytest.mark.parametrize(("size", "links", "parts"), [(128, 0.01, 10), (512, 0.01, 5), (1024, 1.0, 1)])
def test_the_filter_where_convergence_is_slow(size, links, parts):
    """Tight parts that hardly hang together: λ2 is a few percent of the largest eigenvalue, and λ3 just above it."""
    stream = torch.Generator().manual_seed(1)
    part = torch.randint(parts, (size,), generator=stream)
    own = (1 + 0.5 * torch.rand(size, 60, generator=stream)) * (torch.arange(60) // (60 // parts) == part[:, None])
    feats = own + links * torch.rand(size, 60, generator=stream)
    for normalized in (False, True):
        values, expected = lapack(similarity(feats), normalized)
        if values[2] - values[1] >= 0.02 * values[1]:
            assert abs(fiedler(feats, normalized=normalized, way="filter").vector.numpy() @ expected) >= 0.9999


@pytest.mark.parametrize("rule", ["gstds", "fiedler"])
@pytest.mark.parametrize("normalized", [False, True], ids=["plain", "normalized"])
def test_picks_do_not_depend_on_the_way(rule, normalized, monkeypatch):
    """Where λ2 stands alone by 2 % and more: the same candidates in the same order, and the same draws."""
    feats = features(300, 64, "clusters", 0)
    values, _ = lapack(similarity(feats), normalized)
    assert values[2] > 1.02 * values[1]
    losses = BatchLosses(reference=torch.rand(300, generator=torch.Generator().manual_seed(0)))
    picks = []
    for way in ("filter", "lanczos"):
        monkeypatch.setattr(fiedler_rule, "usual_way", lambda *_, way=way: way)
        picks.append(load(rule, normalized=normalized).select(feats, losses, 0.5).tolist())
    assert picks[0] == picks[1]


def test_a_gpu_forms_small_batches_and_steps_through_large_ones():
    gpu, cpu = torch.device("cuda"), torch.device("cpu")
    assert [usual_way(size, gpu) for size in (2, 512, 1024, 1025)] == ["filter"] * 3 + ["lanczos"]
    assert [usual_way(size, cpu) for size in (2, 512, 1024)] == ["lapack", "lanczos", "lanczos"]
    assert usual_way(512, gpu, stepped=True) == "lanczos"


def test_agrees_with_networkx(solver):
    feats = features(20, 12, "clusters", 0)
    similar = similarity(feats)
    np.fill_diagonal(similar, 0.0)
    graph = networkx.from_numpy_array(similar)
    for normalized in (False, True):
        expected = networkx.fiedler_vector(graph, normalized=normalized, method="lanczos", tol=1e-10, seed=1)
        expected = expected / np.linalg.norm(expected)
        assert abs(fiedler(feats, normalized=normalized).vector.numpy() @ expected) >= 0.9999


def test_negative_similarities_are_shifted(solver):
    feats = torch.randn(60, 10, generator=torch.Generator().manual_seed(3))
    similar = (similarity(feats) + 1) / 2
    for normalized in (False, True):
        values, expected = lapack(similar, normalized)
        pair = fiedler(feats, normalized=normalized)
        assert float(pair.measure().value) == pytest.approx(values[1], rel=1e-4)
        assert abs(pair.vector.numpy() @ expected) >= 0.999


def test_shift_leaves_the_plain_eigenvector():
    feats = torch.randn(60, 10, generator=torch.Generator().manual_seed(3))
    plain = similarity(feats)
    matrix = np.diag(plain.sum(1)) - plain
    ones = np.ones(60) / 60**0.5
    values, vectors = np.linalg.eigh(matrix + 1e4 * np.outer(ones, ones))
    pair = fiedler(feats)
    assert abs(pair.vector.numpy() @ vectors[:, 0]) >= 0.999
    assert float(pair.measure().value) == pytest.approx((values[0] + 60) / 2, rel=1e-5)


def test_degrees():
    feats = features(30, 9, "relu", 5)
    assert np.allclose(Graph(feats).degrees.numpy(), similarity(feats).sum(1) - 1, rtol=1e-5)


def test_laplacian_product():
    feats = features(30, 9, "relu", 5)
    x = torch.randn(30, generator=torch.Generator().manual_seed(0))
    for normalized in (False, True):
        graph = Graph(feats, normalized)
        within = x - graph.null * (graph.null @ x)
        expected = laplacian(similarity(feats), normed=normalized) @ within.double().numpy()
        assert np.linalg.eigvalsh(laplacian(similarity(feats), normed=normalized))[-1] < float(graph.bound)
        found = graph.apply(within).numpy()
        assert np.allclose(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("normalized", [False, True], ids=["plain", "normalized"])
class TestDegenerate:
    def vector(self, feats, normalized):
        pair = fiedler(feats, normalized=normalized)
        for value in (pair.vector, *diagnostics(pair).values()):
            assert torch.isfinite(value).all()
        return pair.vector

    def test_one(self, solver, normalized):
        assert self.vector(torch.ones(1, 4), normalized).tolist() == [0.0]

    def test_two(self, solver, normalized):
        found = self.vector(torch.tensor([[1.0, 0.2], [0.3, 1.0]]), normalized)
        assert found.abs().tolist() == pytest.approx([0.5**0.5] * 2)
        assert float(found.sum()) == pytest.approx(0, abs=1e-6)

    def test_all_rows_equal(self, solver, normalized):
        for size in (2, 7, 200):
            row = torch.rand(1, 50, generator=torch.Generator().manual_seed(size))
            assert not self.vector(row.repeat(size, 1), normalized).any()

    def test_all_rows_zero(self, solver, normalized):
        assert not self.vector(torch.zeros(9, 3), normalized).any()

    def test_two_parts(self, solver, normalized):
        stream = torch.Generator().manual_seed(0)
        feats = torch.zeros(12, 8)
        feats[:5, :4] = torch.rand(5, 4, generator=stream)
        feats[5:, 4:] = torch.rand(7, 4, generator=stream)
        found = self.vector(feats, normalized)
        if normalized:
            found = found / Graph(feats, True).null
        assert torch.allclose(found[:5], found[0].expand(5), rtol=1e-3)
        assert torch.allclose(found[5:], found[5].expand(7), rtol=1e-3)
        assert float(found[0] * found[5]) < 0

    def test_zero_row_is_a_part_of_its_own(self, solver, normalized):
        feats = features(12, 8, "uniform", 0)
        feats[3] = 0
        found = self.vector(feats, normalized)
        assert int(found.abs().argmax()) == 3
        assert float(found[3]) > 0.9

    def test_many_parts(self, solver, normalized):
        feats = torch.eye(4).repeat_interleave(3, 0)
        found = self.vector(feats, normalized)
        assert torch.linalg.vector_norm(found) == pytest.approx(1.0, abs=1e-5)
        assert torch.allclose(found.view(4, 3), found.view(4, 3)[:, :1].expand(4, 3), atol=1e-5)

    def test_equal_rows_get_equal_entries(self, solver, normalized):
        feats = features(20, 8, "relu", 2).repeat(2, 1)
        found = self.vector(feats, normalized)
        assert torch.allclose(found[:20], found[20:], atol=1e-4)


def test_sign_and_length(solver):
    for seed in range(8):
        found = fiedler(features(50, 20, "clusters", seed)).vector
        assert float(found[found.abs().argmax()]) > 0
        assert float(torch.linalg.vector_norm(found)) == pytest.approx(1.0, abs=1e-5)
        assert float(found.sum()) == pytest.approx(0.0, abs=1e-3)


def test_small_problem_by_squaring_agrees_with_lapack():
    stream = torch.Generator().manual_seed(0)
    for size in (1, 2, 5, 32):
        on = torch.rand(size, generator=stream, dtype=torch.float64) * 5 + 2
        off = torch.rand(size - 1, generator=stream, dtype=torch.float64)
        matrix = torch.diag(on) + torch.diag(off, 1) + torch.diag(off, -1)
        values, vectors = torch.linalg.eigh(matrix)
        vector = smallest_by_squaring(matrix, values[-1] * 1.01)
        assert abs(float(vector @ vectors[:, 0])) == pytest.approx(1.0, abs=1e-9)
        following = second_smallest(matrix, values[-1] * 1.01, vector)
        assert float(following) == pytest.approx(float(values[1] if size > 1 else values[-1] * 1.01), rel=1e-9)


def test_the_gpu_path_end_to_end(monkeypatch):
    """Lanczos with the squared small problem, as a GPU runs it, on the CPU's arithmetic."""
    feats = features(200, 40, "clusters", 1)
    usual = fiedler(feats, way="lanczos")
    monkeypatch.setattr(spectral, "smallest", smallest_by_squaring)
    squared = fiedler(feats, way="lanczos")
    assert torch.allclose(usual.vector, squared.vector, atol=1e-5)
    for name, value in diagnostics(usual).items():
        assert float(diagnostics(squared)[name]) == pytest.approx(float(value), rel=1e-3, abs=1e-3)
