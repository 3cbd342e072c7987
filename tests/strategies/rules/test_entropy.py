"""Entropies against SciPy's."""

from __future__ import annotations

import pytest
import torch
from scipy.stats import entropy

from selbench.strategies import BatchLosses, load

from .._inputs import make


def test_against_scipy():
    _, losses = make(40)
    scores = load("entropy").difficulty(losses)
    assert scores.tolist() == pytest.approx(entropy(losses.learner_probs.numpy(), axis=1).tolist(), rel=1e-5)


def test_by_hand():
    probs = torch.tensor([[1.0, 0.0], [0.5, 0.5], [0.9, 0.1], [0.0, 1.0]])
    losses = BatchLosses(learner_probs=probs)
    assert load("entropy").difficulty(losses).tolist() == pytest.approx([0.0, 0.6931472, 0.3250830, 0.0])
    assert load("entropy").select(None, losses, 0.5).tolist() == [1, 2]
    assert set(load("entropy", keep="easy").select(None, losses, 0.5).tolist()) == {0, 3}
