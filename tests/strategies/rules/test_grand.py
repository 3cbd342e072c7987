"""Gradient norms against automatic differentiation."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from selbench.strategies import BatchLosses, load


def test_against_autograd():
    stream = torch.Generator().manual_seed(0)
    hidden, labels = torch.randn(30, 7, generator=stream), torch.randint(4, (30,), generator=stream)
    head = nn.Linear(7, 4)
    with torch.no_grad():
        head.weight.copy_(torch.randn(4, 7, generator=stream))
        head.bias.copy_(torch.randn(4, generator=stream))
    expected = []
    for features, label in zip(hidden, labels, strict=True):
        loss = F.cross_entropy(head(features)[None], label[None])
        weight, bias = torch.autograd.grad(loss, [head.weight, head.bias])
        expected.append(float((weight.square().sum() + bias.square().sum()).sqrt()))
    probs = head(hidden).softmax(1).detach()
    losses = BatchLosses(learner_probs=probs, learner_features=hidden, labels=labels)
    assert load("grand").difficulty(losses).tolist() == pytest.approx(expected, rel=1e-4)
    order = torch.tensor(expected).argsort()
    assert load("grand").select(None, losses, 0.2).tolist() == order.flip(0)[:6].tolist()
    assert load("grand", keep="easy").select(None, losses, 0.2).tolist() == order[:6].tolist()


def test_long_features_do_not_overflow():
    losses = BatchLosses(
        learner_probs=torch.tensor([[0.6, 0.4], [0.6, 0.4]]),
        learner_features=torch.tensor([[1e19, 0.0], [2e19, 0.0]]),
        labels=torch.tensor([0, 0]),
    )
    assert load("grand").select(None, losses, 0.5).tolist() == [1]
