"""The less uniform control against a plain greedy in NumPy, and against what it is the control of."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist, pdist

from selbench.strategies import load

from .._inputs import begun, make


def closest(rows, k, picks):
    picks = list(picks)
    while len(picks) < k:
        nearest = cdist(rows, rows[picks]).min(1)
        nearest[picks] = np.inf
        picks.append(int(nearest.argmin()))
    return picks


def test_on_a_line_by_hand():
    # Whichever comes first, its neighbours follow.
    feats = torch.tensor([[0.0], [1.0], [2.5], [10.0], [11.0], [12.5]])
    expected = {0: [0, 1, 2], 1: [1, 0, 2], 2: [2, 1, 0], 3: [3, 4, 5], 4: [4, 3, 5], 5: [5, 4, 3]}
    for seed in range(8):
        strategy = begun("less-uniform", {"share": 0.0}, seed=seed)
        picks = strategy.select(feats, torch.zeros(6), 0.5).tolist()
        assert picks == expected[picks[0]]
        assert strategy.diagnostics()["h_min"] == 1


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize(("share", "drawn"), [(0.0, 1), (0.5, 8), (0.3, 5), (1.0, 15)])
def test_against_numpy(metric, share, drawn):
    feats, losses = make(50, width=5)
    rows = feats.double().numpy()
    if metric == "cosine":
        rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    strategy = begun("less-uniform", {"metric": metric, "share": share})
    picks = strategy.select(feats, losses, 0.3).tolist()
    assert picks == closest(rows, 15, picks[:drawn])
    assert float(strategy.diagnostics()["h_min"]) == pytest.approx(pdist(rows[picks]).min(), rel=1e-4)


def test_the_random_half_is_fair():
    feats, losses = make(20)
    strategy, counts = begun("less-uniform", {}), np.zeros(20)
    for _ in range(400):
        counts[strategy.select(feats, losses, 0.4)[:4].numpy()] += 1
    assert abs(counts - 80).max() < 5 * (400 * 0.2 * 0.8) ** 0.5


def test_less_uniform_than_random_than_k_center():
    """Mean distance to the nearest other pick, which is what the three differ in."""
    spread = {"less-uniform": 0.0, "uniform": 0.0, "k-center": 0.0}
    for seed in range(10):
        feats, losses = make(200, width=4, seed=seed)
        for name in spread:
            picks = begun(name, {}, seed=seed).select(feats, losses, 0.25)
            distance = torch.cdist(feats[picks], feats[picks]).fill_diagonal_(torch.inf)
            spread[name] += float(distance.amin(1).mean()) / 10
    assert spread["less-uniform"] < 0.8 * spread["uniform"] < 0.8 * 0.8 * spread["k-center"]


def test_diagnostics_are_empty_before_a_pick():
    assert load("less-uniform").diagnostics() == {}
