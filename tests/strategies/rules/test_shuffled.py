"""Shuffled rules know nothing of whom they pick, and pick as before."""

from __future__ import annotations

import numpy as np
import torch
from scipy.stats import chi2

from selbench.strategies import BatchLosses, load

from .._doubles import register
from .._inputs import begun, make

SIZE, KEPT, CALLS = 12, 3, 400


def times_picked(strategy, feats, losses) -> np.ndarray:
    counts = np.zeros(SIZE)
    for _ in range(CALLS):
        picks = strategy.select(feats, losses, KEPT / SIZE)
        assert picks.unique().numel() == KEPT
        counts[picks.numpy()] += 1
    return counts


def uniformity(counts: np.ndarray) -> float:
    """Pearson's statistic, corrected for drawing without replacement: chi-square with SIZE - 1 degrees."""
    expected = CALLS * KEPT / SIZE
    return float((((counts - expected) ** 2).sum() / expected) * (SIZE - 1) / (SIZE - KEPT))


def test_picks_are_independent_of_the_signals():
    feats, losses = make(SIZE)
    low, high = chi2.ppf([1e-3, 1 - 1e-3], SIZE - 1)
    for of in ("loss", "degree", "rho"):
        assert low < uniformity(times_picked(begun("shuffled", {"of": of}), feats, losses)) < high
        assert uniformity(times_picked(begun(of, {}), feats, losses)) > 10 * high


def test_all_signals_move_together(monkeypatch):
    register(monkeypatch)
    feats, losses = make(30)
    strategy = begun("shuffled", {"of": "listening"})
    picks = strategy.select(feats, losses, 0.2)
    seen_feats, seen, _ = strategy._rules[0].shown[0]
    order = seen.index - 100
    assert order.tolist() != list(range(30)) and order.sort().values.tolist() == list(range(30))
    assert torch.equal(seen_feats, feats[order])
    for name, signal in losses.signals().items():
        assert torch.equal(seen.signals()[name], signal[order])
    assert picks.tolist() == list(range(6))  # positions as they were picked, not the rows seen there


def test_weights_keep_their_values_and_lose_their_owners(monkeypatch):
    register(monkeypatch)
    losses = BatchLosses(torch.arange(1.0, 41.0))
    plain = load("weighing").select(None, losses, 0.25)
    strategy = begun("shuffled", {"of": "weighing"})
    chosen = strategy.select(None, losses, 0.25)
    assert chosen.weights.tolist() == plain.weights.tolist()
    assert set(chosen.indices.tolist()) != set(plain.indices.tolist())


def test_each_call_is_permuted_anew():
    feats, losses = make(40)
    strategy = begun("shuffled", {"of": "loss"})
    assert len({frozenset(strategy.select(feats, losses, 0.25).tolist()) for _ in range(20)}) == 20
