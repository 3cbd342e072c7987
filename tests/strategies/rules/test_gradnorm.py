"""Gradient norms against autograd; priorities and Horvitz-Thompson weights against their definition."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from selbench.strategies import BatchLosses, load

from .._inputs import begun, make
from ..test_no_sync import select_on_cuda


def batch(size: int = 12, width: int = 6, classes: int = 4) -> tuple[BatchLosses, torch.Tensor, torch.Tensor]:
    """Signals of a linear last layer, and autograd's norms: of the logits', and of the layer's gradient."""
    stream = torch.Generator().manual_seed(3)
    hidden = torch.randn(size, width, generator=stream)
    labels = torch.randint(classes, (size,), generator=stream)
    layer = nn.Linear(width, classes)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=stream))
    logits = layer(hidden)
    norms = []
    for i in range(size):
        loss = functional.cross_entropy(logits[i : i + 1], labels[i : i + 1])
        at_logits, *at_layer = torch.autograd.grad(loss, [logits, *layer.parameters()], retain_graph=True)
        norms.append([float(at_logits.norm()), float(torch.cat([g.flatten() for g in at_layer]).norm())])
    losses = BatchLosses(labels=labels, learner_probs=logits.detach().softmax(1), learner_features=hidden)
    return losses, *torch.tensor(norms).unbind(1)


def test_norms_are_those_of_autograd():
    losses, at_logits, at_layer = batch()
    assert torch.allclose(load("gradnorm").norms(losses), at_logits, rtol=1e-4, atol=1e-6)
    assert torch.allclose(load("gradnorm", bound="last-layer").norms(losses), at_layer, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("bound", ["logits", "last-layer"])
def test_picks_and_weights_by_definition(bound):
    losses, at_logits, at_layer = batch()
    norms = (at_logits if bound == "logits" else at_layer).numpy()
    seen = begun("gradnorm", {"bound": bound}, seed=7).select(None, losses, 5 / 12)
    priorities = norms / (1 - torch.rand(12, generator=torch.Generator().manual_seed(7)).numpy())
    order = np.argsort(-priorities)
    assert seen.indices.tolist() == order[:5].tolist()
    inclusion = np.minimum(1, norms[order[:5]] / priorities[order[5]])
    assert np.allclose(seen.weights, 5 / 12 / inclusion, rtol=1e-4)


@pytest.mark.parametrize("k", [1, 4, 11])
def test_weighted_means_are_unbiased(k):
    losses, *_ = batch()
    values = torch.linspace(-1, 3, 12)
    rule, estimates = begun("gradnorm", {}), []
    for _ in range(1000):
        seen = rule.select(None, losses, k / 12)
        estimates.append(float((seen.weights * values[seen.indices]).mean()))
    error = np.std(estimates) / len(estimates) ** 0.5
    assert abs(np.mean(estimates) - 1.0) < 4.5 * error
    assert error < 0.2


def test_all_kept_weigh_one():
    seen = load("gradnorm").select(None, batch()[0], 1.0)
    assert seen.weights.tolist() == [1.0] * 12


def test_certain_and_broken_candidates():
    labels = torch.zeros(6, dtype=torch.int64)
    probs = torch.tensor([[1.0, 0.0]] * 4 + [[0.0, 1.0]] + [[float("nan")] * 2])
    seen = load("gradnorm").select(None, BatchLosses(labels=labels, learner_probs=probs), 1 / 6)
    assert seen.indices.tolist() == [4]  # the others' gradients are nil
    assert torch.isfinite(seen.weights).all()


@pytest.mark.parametrize("bound", ["logits", "last-layer"])
def test_the_device_is_not_waited_for(bound):
    seen = select_on_cuda(load("gradnorm", bound=bound))
    assert seen.indices.shape == seen.weights.shape == (12,)
    assert seen.indices.device.type == seen.weights.device.type == "cuda"


def test_the_cost_is_known_before_the_first_pick():
    rule = begun("gradnorm", {})
    before = rule.flops(64, 0, 32)
    rule.select(*make(64), 0.5)
    assert before == rule.flops(64, 0, 32) > load("gradnorm").flops(64, 0, 32)
