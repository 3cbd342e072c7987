"""Forgetting events by hand, and counted one after the other."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from selbench.strategies import BatchLosses, load

from .._inputs import make


def trace_of(*rows: str) -> torch.Tensor:
    """Two classes; ``1`` where the epoch is right for a sample of class 0."""
    right = torch.tensor([[float(epoch) for epoch in row] for row in rows])
    return torch.stack([0.3 + 0.4 * right, 0.7 - 0.4 * right], 2)


LEARNED_ONCE, TWICE_FORGOTTEN, NEVER, ALWAYS, LOST = "0111", "1010", "0000", "1111", "0110"


@pytest.mark.parametrize(("never", "expected"), [("infinite", torch.inf), ("zero", 0.0)])
def test_by_hand(never, expected):
    trace = trace_of(LEARNED_ONCE, TWICE_FORGOTTEN, NEVER, ALWAYS, LOST)
    losses = BatchLosses(trace=trace, labels=torch.zeros(5, dtype=torch.int64))
    strategy = load("forgetting", never=never)
    assert strategy.difficulty(losses).tolist() == [0, 2, expected, 0, 1]
    hardest = [2, 1, 4] if never == "infinite" else [1, 4]
    assert strategy.select(None, losses, len(hardest) / 5).tolist() == hardest
    easy = load("forgetting", never=never, keep="easy")
    assert set(easy.select(None, losses, 0.4).tolist()) <= ({0, 3} if never == "infinite" else {0, 2, 3})


def test_what_was_never_right_is_not_what_is_right_in_one_epoch():
    losses = BatchLosses(trace=trace_of("0", "1"), labels=torch.zeros(2, dtype=torch.int64))
    assert load("forgetting").difficulty(losses).tolist() == [torch.inf, 0]


@pytest.mark.parametrize("seed", range(3))
def test_against_a_loop(seed):
    _, losses = make(80, seed=seed)
    trace, labels = losses.trace.numpy(), losses.labels.numpy()
    expected = []
    for i in range(80):
        events, ever, before = 0, False, False
        for probs in trace[i]:
            now = np.argmax(probs) == labels[i]
            events, ever, before = events + (before and not now), ever or now, now
        expected.append(events if ever else np.inf)
    assert len(set(expected)) > 2
    assert load("forgetting").difficulty(losses).tolist() == expected


def test_ties_are_broken_by_chance():
    losses = BatchLosses(trace=trace_of(*[ALWAYS] * 20), labels=torch.zeros(20, dtype=torch.int64))
    strategy, counts = load("forgetting"), np.zeros(20)
    for _ in range(400):
        counts[strategy.select(None, losses, 0.25).numpy()] += 1
    assert (np.abs(counts - 100) < 5 * (400 * 0.25 * 0.75) ** 0.5).all()
