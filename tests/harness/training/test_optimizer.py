from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from selbench.harness.training.learner import ResNet8, ResNet18
from selbench.harness.training.optimizer import SGD, one_cycle


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
    (decayed, decay), (plain, none) = SGD(net, 0.1, 0.9, 5e-4).groups
    assert {id(p) for p in decayed + plain} == {id(p) for p in net.parameters()}
    assert none == 0 and all(p.ndim == 1 for p in plain)
    assert decay == 5e-4 and all(p.ndim > 1 for p in decayed)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_steps_are_bit_for_bit_those_of_torch_parameter_by_parameter(momentum, layout):
    ours, theirs = (
        ResNet8().build(1, 8, 10, torch.Generator().manual_seed(0)).to(memory_format=layout) for _ in range(2)
    )
    step = SGD(ours, 0.1, momentum, 5e-4)
    groups = [{"params": own, "weight_decay": decay} for own, decay in SGD(theirs, 0.1, momentum, 5e-4).groups]
    plain = torch.optim.SGD(groups, lr=0.1, momentum=momentum, nesterov=momentum > 0, foreach=False)
    images = torch.rand(8, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    for lr in (0.1, 0.03, 0.01):
        step.lr = lr
        for group in plain.param_groups:
            group["lr"] = lr
        for net, optimizer in ((ours, step), (theirs, plain)):
            net(images).square().sum().backward()
            optimizer.step()
        plain.zero_grad()
    assert all(torch.equal(a, b) for a, b in zip(ours.parameters(), theirs.parameters(), strict=True))
    assert all(p.grad is None for p in ours.parameters())
