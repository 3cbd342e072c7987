from __future__ import annotations

import pytest
import torch

from selbench.harness.training.learner import ResNet18
from selbench.harness.training.numerics import Numerics, candidates
from selbench.strategies import UsageError

CPU, GPU = torch.device("cpu"), torch.device("cuda")


def names(*asked):
    return [numerics.name for numerics in candidates(*asked)]


def test_the_usual_memory_format_goes_without_saying():
    for name in ("float32", "float32, channels-last", "bf16", "bf16, contiguous"):
        assert Numerics.of(name).name == name
    assert Numerics.of("bf16") == Numerics("bf16", "channels-last")
    assert Numerics.of("float32") == Numerics()


@pytest.mark.parametrize(
    ("asked", "allowed"),
    [
        ((None, None, CPU), ["float32"]),
        ((None, None, GPU), ["bf16"]),
        (("float32", None, GPU), ["float32"]),
        (("float32", "channels-last", CPU), ["float32, channels-last"]),
        ((None, "auto", CPU), ["float32", "float32, channels-last"]),
        (("auto", None, CPU), ["float32", "bf16"]),
        (("auto", "auto", CPU), ["float32", "float32, channels-last", "bf16", "bf16, contiguous"]),
        (("auto", "channels-last", GPU), ["bf16", "float32, channels-last"]),
    ],
)
def test_auto_allows_all_with_the_usual_one_first(asked, allowed):
    assert names(*asked) == allowed


def test_a_net_whose_gradients_would_corrupt_memory_is_refused():
    for width, fits in ((15, False), (16, True)):
        net = ResNet18(width).build(3, 8, 10, None)
        assert [Numerics.of("float32, channels-last").fits(net, device) for device in (CPU, GPU)] == [fits, True]
        assert Numerics.of("float32").fits(net, CPU)
    with pytest.raises(UsageError, match=r'fewer than 16 channels .* set memory_format = "contiguous"'):
        Numerics.of("bf16").net(ResNet18(15).build(3, 8, 10, None), CPU)


def test_weights_and_views_lie_as_asked_for():
    net = ResNet18(16).build(3, 8, 10, torch.Generator().manual_seed(0))
    views = torch.rand(2, 3, 8, 8)
    for name, layout in (("float32", torch.contiguous_format), ("float32, channels-last", torch.channels_last)):
        Numerics.of(name).net(net, CPU)
        assert net.stem[0].weight.is_contiguous(memory_format=layout)
        assert Numerics.of(name).images(views).is_contiguous(memory_format=layout)
