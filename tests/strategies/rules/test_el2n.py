"""EL2N: the same as static, and class-balanced on request."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from selbench.strategies import UsageError, load

from .._inputs import begun, make


@pytest.mark.parametrize("options", [{}, {"keep": "easy"}, {"first": 2}, {"last": 3}])
def test_picks_what_static_picks(options):
    feats, losses = make(60)
    ours, theirs = (begun(name, options, size=60) for name in ("el2n", "static"))
    for ratio in (0.1, 0.5):
        assert torch.equal(ours.select(feats, losses, ratio), theirs.select(feats, losses, ratio))
    assert ours.flops(60, 0, 30) == theirs.flops(60, 0, 30)


def test_against_a_loop():
    _, losses = make(50)
    trace, labels = losses.trace.numpy(), losses.labels.numpy()
    slow = [np.mean([np.linalg.norm(trace[i, t] - np.eye(4)[labels[i]]) for t in range(1, 4)]) for i in range(50)]
    assert np.allclose(load("el2n", first=1, last=4).difficulty(losses), slow, rtol=1e-5)


def test_wants_epochs_that_there_are():
    _, losses = make(10)
    with pytest.raises(UsageError, match="6 epochs"):
        load("el2n", last=7).select(None, losses, 0.5)
    with pytest.raises(UsageError, match="last more than first"):
        load("el2n", first=2, last=2)
