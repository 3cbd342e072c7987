"""Farthest point first against a plain greedy in NumPy, and against the best subset there is."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import cdist, pdist, squareform

from selbench.strategies import load

from .._inputs import begun, make


def greedy(rows, k, first):
    picks = [first]
    while len(picks) < k:
        nearest = cdist(rows, rows[picks]).min(1)
        nearest[picks] = -1
        picks.append(int(nearest.argmax()))
    return picks


def test_on_a_line_by_hand():
    # Mean 4.4: the most central is 4, the farthest from it 12. From 4: 12, then 0. From 12: 0, then 5 (5 from 0).
    feats = torch.tensor([[0.0], [1.0], [4.0], [5.0], [12.0]])
    central = load("k-center", start="central")
    assert central.select(feats, torch.zeros(5), 0.6).tolist() == [2, 4, 0]
    assert central.diagnostics()["h_min"] == 4
    outlier = load("k-center", start="outlier")
    assert outlier.select(feats, torch.zeros(5), 0.6).tolist() == [4, 0, 3]
    assert outlier.diagnostics()["h_min"] == 5


def test_cosine_looks_at_directions_alone():
    feats = torch.tensor([[1.0, 0.0], [100.0, 1.0], [0.5, 0.5], [0.0, 0.01]])
    strategy = load("k-center", metric="cosine", start="outlier")
    assert set(strategy.select(feats, torch.zeros(4), 0.5).tolist()) == {0, 3}
    assert strategy.diagnostics()["h_min"] == pytest.approx(2**0.5)


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("start", ["random", "central", "outlier"])
@pytest.mark.parametrize(("size", "width"), [(40, 3), (301, 20)])
def test_against_numpy(size, width, metric, start):
    feats, losses = make(size, width=width)
    rows = feats.double().numpy()
    if metric == "cosine":
        rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    strategy = begun("k-center", {"metric": metric, "start": start})
    picks = strategy.select(feats, losses, 0.3).tolist()
    from_mean = np.linalg.norm(rows - rows.mean(0), axis=1)
    if start != "random":
        assert picks[0] == (from_mean.argmin() if start == "central" else from_mean.argmax())
    assert picks == greedy(rows, len(picks), picks[0])
    assert float(strategy.diagnostics()["h_min"]) == pytest.approx(pdist(rows[picks]).min(), rel=1e-4)


@given(st.integers(3, 9), st.integers(2, 5), st.integers(1, 3), st.integers(0, 10_000))
def test_at_least_half_of_the_largest_h_min_and_at_most_twice_the_least_radius(size, k, width, seed):
    k = min(k, size)
    feats = torch.rand(size, width, generator=torch.Generator().manual_seed(seed))
    distance = squareform(pdist(feats.double().numpy()))
    subsets = [list(s) for s in itertools.combinations(range(size), k)]
    largest = max(distance[np.ix_(s, s)][np.triu_indices(k, 1)].min() for s in subsets)
    radius = min(distance[:, s].min(1).max() for s in subsets)
    strategy = begun("k-center", {}, seed=seed)
    picks = strategy.select(feats, torch.zeros(size), k / size).tolist()
    assert len(picks) == k
    assert float(strategy.diagnostics()["h_min"]) >= 0.5 * largest - 1e-6
    assert distance[:, picks].min(1).max() <= 2 * radius + 1e-6


def test_duplicates_come_last():
    feats = make(10)[0].repeat(3, 1)
    strategy = begun("k-center", {})
    picks = strategy.select(feats, torch.zeros(30), 0.5)
    assert len(set((picks[:10] % 10).tolist())) == 10
    assert strategy.diagnostics()["h_min"] == 0


def test_among_equals_the_stream_decides():
    strategy, counts = begun("k-center", {}), np.zeros(20)
    for _ in range(400):
        counts[strategy.select(torch.ones(20, 3), torch.zeros(20), 0.25).numpy()] += 1
    assert abs(counts - 100).max() < 5 * (400 * 0.25 * 0.75) ** 0.5


def test_the_random_start_is_fair():
    feats, counts = torch.rand(20, 3, generator=torch.Generator().manual_seed(0)), np.zeros(20)
    strategy = begun("k-center", {})
    for _ in range(400):
        counts[int(strategy.select(feats, torch.zeros(20), 0.25)[0])] += 1
    assert abs(counts - 20).max() < 5 * 20**0.5


def test_broken_rows_are_zero_rows():
    feats, losses = make(12)
    broken = feats.clone()
    broken[3], broken[5, 2], broken[7] = float("nan"), float("inf"), 1e17
    zeroed = feats.clone()
    zeroed[[3, 5, 7]] = 0
    picks = [begun("k-center", {}).select(f, losses, 0.7).tolist() for f in (broken, zeroed)]
    assert picks[0] == picks[1]


def test_one_pick_has_no_distance():
    strategy = begun("k-center", {})
    assert strategy.diagnostics() == {}
    strategy.select(*make(5), 0.2)
    assert strategy.diagnostics()["h_min"] == float("inf")
