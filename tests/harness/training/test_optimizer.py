from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from selbench.harness.training.learner import ResNet18
from selbench.harness.training.optimizer import one_cycle, sgd


@given(st.floats(0.01, 1.0), st.floats(0.0, 0.9))
def test_one_cycle_rises_to_the_peak_and_ends_at_zero(peak, warmup):
    assert one_cycle(1.0, peak, warmup) == pytest.approx(0.0, abs=1e-12)
    assert one_cycle(warmup, peak, warmup) == pytest.approx(peak)
    values = [one_cycle(i / 200, peak, warmup) for i in range(201)]
    top = values.index(max(values))
    assert values[: top + 1] == sorted(values[: top + 1]) and values[top:] == sorted(values[top:], reverse=True)
    assert max(values) <= peak * (1 + 1e-12) and min(values) >= 0


def test_every_parameter_is_trained_and_only_matrices_decay():
    net = ResNet18(4).build(1, 8, 10, torch.Generator().manual_seed(0))
    decayed, plain = sgd(net, 0.1, 0.9, 5e-4).param_groups
    assert {id(p) for p in decayed["params"] + plain["params"]} == {id(p) for p in net.parameters()}
    assert plain["weight_decay"] == 0 and all(p.ndim == 1 for p in plain["params"])
    assert decayed["weight_decay"] == 5e-4 and all(p.ndim > 1 for p in decayed["params"])
