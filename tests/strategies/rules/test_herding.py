"""Herding against its definition, candidate by candidate, in NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from selbench.strategies import load

from .._inputs import begun, make


def by_definition(rows, k):
    mean, picks = rows.mean(0), []
    for step in range(1, k + 1):
        left = [i for i in range(len(rows)) if i not in picks]
        gaps = [np.linalg.norm(mean - (rows[i] + rows[picks].sum(0)) / step) for i in left]
        picks.append(left[int(np.argmin(gaps))])
    return picks


def test_on_a_line_by_hand():
    # Mean 4: first 3; then (3 + x)/2 is nearest to 4 with 6; then (9 + x)/3 with 1 (3.33) or 10 (6.33).
    feats = torch.tensor([[1.0], [3.0], [6.0], [10.0], [0.0]])
    strategy = load("herding", metric="euclidean")
    assert strategy.select(feats, torch.zeros(5), 0.6).tolist() == [1, 2, 0]
    assert float(strategy.diagnostics()["mean_gap"]) == pytest.approx(4 - 10 / 3)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize(("size", "width"), [(40, 3), (120, 20)])
def test_against_its_definition(metric, size, width):
    feats, losses = make(size, width=width)
    rows = feats.double().numpy()
    if metric == "cosine":
        rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    strategy = begun("herding", {"metric": metric})
    picks = strategy.select(feats, losses, 0.4).tolist()
    assert picks == by_definition(rows, len(picks))
    gap = np.linalg.norm(rows[picks].mean(0) - rows.mean(0))
    assert float(strategy.diagnostics()["mean_gap"]) == pytest.approx(gap, rel=1e-3)


def test_closer_to_the_mean_than_random_picks():
    for seed in range(5):
        feats, losses = make(200, seed=seed)
        gaps = {}
        for name, options in (("herding", {"metric": "euclidean"}), ("uniform", {})):
            picks = begun(name, options, seed=seed).select(feats, losses, 0.1)
            gaps[name] = float((feats[picks].mean(0) - feats.mean(0)).norm())
        assert gaps["herding"] < 0.4 * gaps["uniform"]


def test_everything_kept_has_the_mean_itself():
    strategy = begun("herding", {})
    strategy.select(*make(30), 1.0)
    assert float(strategy.diagnostics()["mean_gap"]) < 1e-6


def test_diagnostics_are_empty_before_a_pick():
    assert load("herding").diagnostics() == {}
