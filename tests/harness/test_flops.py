from __future__ import annotations

import pytest
import torch

from selbench.harness.flops import count_selection, forward_flops, train_flops
from selbench.harness.learners import ResNet18


def by_hand(width, side, channels, classes, cifar):
    """Multiply-adds of ResNet-18's convolutions and head, times two."""
    total, w = 0, width
    if cifar:
        total += side * side * w * channels * 9
    else:
        side //= 2
        total += side * side * w * channels * 49
        side //= 2
    for stage in range(4):
        out = width << stage
        for block in range(2):
            stride = 2 if stage and not block else 1
            side //= stride
            total += side * side * out * (w + out) * 9
            if stride == 2 or w != out:
                total += side * side * out * w
            w = out
    return 2 * (total + w * classes)


@pytest.mark.parametrize(("width", "side", "channels"), [(64, 32, 3), (64, 224, 3), (8, 8, 1), (16, 64, 3)])
def test_forward_flops_agree_with_a_hand_count(width, side, channels):
    net = ResNet18(width).build(channels, side, 10, None)
    assert forward_flops(net, (channels, side, side)) == pytest.approx(
        by_hand(width, side, channels, 10, side <= 64), rel=0.01
    )


def test_the_standard_nets_cost_what_is_published():
    cifar = ResNet18().build(3, 32, 10, None)
    assert forward_flops(cifar, (3, 32, 32)) == pytest.approx(1.11e9, rel=0.01)
    assert train_flops(cifar, (3, 32, 32)) == pytest.approx(3.33e9, rel=0.01)
    imagenet = ResNet18().build(3, 224, 1000, None)
    assert forward_flops(imagenet, (3, 224, 224)) == pytest.approx(3.628e9, rel=0.01)


A, X = torch.ones(30, 40), torch.ones(40)


@pytest.mark.parametrize(
    ("call", "flops"),
    [
        (lambda: A @ X, 2 * 30 * 40),
        (lambda: X @ X, 2 * 40),
        (lambda: A @ A.T, 2 * 30 * 30 * 40),
        (lambda: torch.outer(X, X), 40 * 40),
        (lambda: torch.linalg.eigh(A @ A.T), 2 * 30 * 30 * 40 + 9 * 30**3),
        (lambda: X + X, 40),
        (lambda: X.sum(), 40),
        (lambda: torch.ones(64).sort(), 64 * 6),
        (lambda: torch.ones(64).topk(3), 64 * 6),
        (lambda: torch.ones(8, 64).sort(dim=0), 64 * 8 * 3),
        (lambda: A.T.reshape(-1)[3:7].clone(), 0),
        (lambda: X.clone().exponential_(generator=torch.Generator().manual_seed(0)), 40),
    ],
)
def test_operators_that_pytorchs_counter_takes_for_free_are_counted(call, flops):
    counter = count_selection(call)
    assert counter.flops == flops
    assert not counter.unknown


def test_distances_are_counted():
    points = torch.rand(50, 16, generator=torch.Generator().manual_seed(0))
    assert count_selection(lambda: torch.cdist(points, points)).flops == pytest.approx(3 * 50 * 50 * 16)


def test_an_operator_without_a_formula_is_named():
    counter = count_selection(lambda: torch.fft.fft(torch.ones(8)))
    assert counter.unknown == {"aten._fft_r2c"} or any("fft" in name for name in counter.unknown)
