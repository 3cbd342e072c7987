"""What the paths of a GPU ask of a device: few operators, a fixed number, none that depends on data."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from selbench.benchmarks.launches import Launches
from selbench.strategies.maths import spectral
from selbench.strategies.maths.lanczos import smallest_by_squaring
from selbench.strategies.maths.spectral import fiedler
from selbench.strategies.testing.pretended_cuda import PretendedCuda, on_cuda


def launches(feats: Tensor, **options: Any) -> list[tuple[str, list[torch.Size]]]:
    with Launches() as watch:
        fiedler(feats, **options)
    return watch.seen


@pytest.fixture
def as_on_a_gpu(monkeypatch):
    """The path of a GPU, on real CPU tensors."""
    monkeypatch.setattr(spectral, "smallest", smallest_by_squaring)


@pytest.mark.parametrize(("normalized", "around"), [(False, 102), (True, 117)], ids=["plain", "normalized"])
def test_nine_operators_a_step_and_few_around_them(as_on_a_gpu, normalized, around):
    feats = torch.rand(60, 20, generator=torch.Generator().manual_seed(0))
    few, many = (len(launches(feats, normalized=normalized, steps=steps, way="lanczos")) for steps in (20, 32))
    assert many - few == 9 * 12
    assert many - 9 * 32 <= around


@pytest.mark.parametrize(("normalized", "most"), [(False, 48), (True, 71)], ids=["plain", "normalized"])
def test_the_filter_takes_few_operators_at_any_size(normalized, most):
    both = (torch.rand(size, 20, generator=torch.Generator().manual_seed(0)) for size in (9, 60))
    few, many = (len(launches(feats, normalized=normalized, way="filter")) for feats in both)
    assert few == many <= most


@pytest.mark.parametrize("way", ["filter", "lanczos"])
@pytest.mark.parametrize("normalized", [False, True], ids=["plain", "normalized"])
def test_operators_and_shapes_do_not_depend_on_the_data(as_on_a_gpu, normalized, way):
    """So that a captured graph serves every batch: exhausted, empty, broken and signed ones too."""
    feats = torch.rand(60, 20, generator=torch.Generator().manual_seed(0))
    usual = launches(feats, normalized=normalized, way=way)
    for odd in (
        torch.zeros(60, 20),
        torch.ones(60, 20),
        torch.eye(60)[:, :20],
        feats - 0.5,
        torch.where(feats > 0.99, float("nan"), feats),
    ):
        assert launches(odd, normalized=normalized, way=way) == usual


@pytest.mark.parametrize("way", ["filter", "lanczos"])
@pytest.mark.parametrize("normalized", [False, True], ids=["plain", "normalized"])
def test_nothing_reaches_the_host_or_comes_from_it(normalized, way):
    """On a pretended GPU no operator needs data, waits, or copies between devices."""
    feats = torch.rand(300, 20, generator=torch.Generator().manual_seed(0))
    with PretendedCuda() as machine:
        vector = fiedler(on_cuda(feats), normalized=normalized, way=way).vector
    assert not machine.waits
    assert vector.device.type == "cuda" and vector.shape == (300,)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_cuda_graph_replays_it():
    first, second = (torch.rand(1024, 256, generator=torch.Generator().manual_seed(seed)).cuda() for seed in (0, 1))
    held = first.clone()
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        fiedler(held)  # the first call may set up libraries
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        vector = fiedler(held).vector
    for feats in (second, first):
        held.copy_(feats)
        graph.replay()
        assert torch.allclose(vector, fiedler(feats).vector, atol=1e-4)
