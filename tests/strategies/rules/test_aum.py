"""Areas under the margin by hand, and from logits."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from selbench.strategies import BatchLosses, load

from .._inputs import make


def test_by_hand():
    trace = torch.tensor([[[0.8, 0.1, 0.1], [0.5, 0.25, 0.25]], [[0.8, 0.1, 0.1], [0.5, 0.25, 0.25]]])
    losses = BatchLosses(trace=trace, labels=torch.tensor([0, 2]))
    margins = load("aum", margin="probabilities").difficulty(losses)
    assert margins.tolist() == pytest.approx([-(0.7 + 0.25) / 2, (0.7 + 0.25) / 2])
    margins = load("aum").difficulty(losses)
    assert margins.tolist() == pytest.approx([-(np.log(8) + np.log(2)) / 2, (np.log(8) + np.log(2)) / 2])
    assert load("aum").select(None, losses, 0.5).tolist() == [1]
    assert load("aum", keep="easy").select(None, losses, 0.5).tolist() == [0]


def test_log_probabilities_give_the_margin_of_the_logits():
    stream = torch.Generator().manual_seed(0)
    logits = torch.randn(60, 5, 4, generator=stream) * 5
    labels = torch.randint(4, (60,), generator=stream)
    expected = []
    for rows, label in zip(logits.tolist(), labels.tolist(), strict=True):
        margins = [row[label] - max(z for c, z in enumerate(row) if c != label) for row in rows]
        expected.append(-sum(margins) / len(margins))
    got = load("aum").difficulty(BatchLosses(trace=logits.softmax(2), labels=labels))
    assert got.tolist() == pytest.approx(expected, abs=1e-3)


def test_probabilities_against_a_loop():
    _, losses = make(50)
    expected = []
    for rows, label in zip(losses.trace.tolist(), losses.labels.tolist(), strict=True):
        expected.append(-np.mean([row[label] - max(np.delete(row, label)) for row in rows]))
    assert load("aum", margin="probabilities").difficulty(losses).tolist() == pytest.approx(expected, abs=1e-6)


def test_certainty_is_finite_and_ranks():
    sure, less = [1.0, 0.0], [1 - 1e-6, 1e-6]
    trace = torch.tensor([[sure, sure[::-1]], [sure, sure], [less, less], [sure[::-1], sure[::-1]]])
    scores = load("aum").difficulty(BatchLosses(trace=trace, labels=torch.zeros(4, dtype=torch.int64)))
    assert torch.isfinite(scores).all() and scores.argsort().tolist() == [1, 2, 0, 3]
    assert scores[0] == 0.0
