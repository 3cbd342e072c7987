"""InfoBatch against its definition: what is thinned out, by how much, at what weight, and until when."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from selbench.harness.training.flops import count_selection
from selbench.strategies import BatchLosses, load
from selbench.strategies.interface import Traits

from .._inputs import begun, make

NAME = "infobatch"
SKEWED = torch.tensor([0.1, 0.2, 9.0, 0.3, 8.0, 0.4, 0.5, 0.6])
"""Mean 2.3875: six losses are below it."""


def test_by_hand():
    seen = begun(NAME, {}).select(None, SKEWED, 0.5)
    assert sorted(seen.indices[3:].tolist()) == [2, 4]
    assert set(seen.indices[:3].tolist()) < {0, 1, 3, 5, 6, 7}
    assert seen.weights.tolist() == [2.0, 2.0, 2.0, 1.0, 1.0]


@pytest.mark.parametrize("keep", [1, 25, 60, 99])
@pytest.mark.parametrize("prune", ["low", "random"])
def test_counts_and_weights_against_numpy(keep, prune):
    losses = make(100, seed=5)[1].learner.square()
    scores, ratio = losses.numpy().astype(np.float64), keep / 100
    low = np.flatnonzero(scores < scores.mean())
    kept = int(keep * len(low) / 100)
    seen = begun(NAME, {"prune": prune}).select(None, losses, ratio)
    assert len(seen.indices) == 100 - len(low) + kept == seen.indices.unique().numel()
    assert seen.weights.tolist() == pytest.approx([1 / ratio] * kept + [1.0] * (100 - len(low)))
    if prune == "low":
        assert set(seen.indices[kept:].tolist()) == set(range(100)) - set(low.tolist())
        assert set(seen.indices[:kept].tolist()) <= set(low.tolist())


def estimates(prune: str, draws: int = 800) -> tuple[torch.Tensor, np.ndarray]:
    """Sums of weighted losses over the draws, and how often each candidate was kept."""
    rule, sums, counts = begun(NAME, {"prune": prune}), [], np.zeros(8)
    for _ in range(draws):
        seen = rule.select(None, SKEWED, 0.5)
        sums.append((seen.weights * SKEWED[seen.indices]).sum())
        counts[seen.indices.numpy()] += 1
    return torch.stack(sums), counts / draws


@pytest.mark.parametrize("prune", ["low", "random"])
def test_weighted_sums_are_unbiased(prune):
    sums, shares = estimates(prune)
    assert abs(sums.mean() - SKEWED.sum()) < 4.5 * sums.std() / len(sums) ** 0.5
    expected = np.where(SKEWED.numpy() > 2.4, 1.0, 0.5) if prune == "low" else np.full(8, 5 / 8)
    assert abs(shares - expected).max() < 0.09


def test_the_control_spends_the_same_and_knows_nothing():
    low, random = (begun(NAME, {"prune": prune}).select(None, SKEWED, 0.5) for prune in ("low", "random"))
    assert torch.equal(low.weights, random.weights)


@pytest.mark.parametrize(
    ("options", "progress", "kept"),
    [({}, 0.874, 5), ({}, 0.875, 8), ({"anneal": 0.2}, 0.3, 8), ({"anneal": 1.0}, 0.99, 5)],
)
def test_annealing_ends_with_the_whole_pool(options, progress, kept):
    seen = load(NAME, **options).select(None, BatchLosses(SKEWED, progress=progress), 0.5)
    assert len(seen.indices) == kept
    if kept == 8:
        assert seen.weights.tolist() == [1.0] * 8


@pytest.mark.parametrize("passes", [8, 10, 30, 200])
def test_the_passes_that_are_pruned_are_those_of_the_published_code(passes):
    # Its counter stands at e in pass e = 1, 2, .., and it prunes while the counter is at most 0.875 of all passes.
    pruned = [
        done + 1
        for done in range(passes)
        if len(load(NAME).select(None, BatchLosses(SKEWED, epoch=done, progress=done / passes), 0.5).indices) < 8
    ]
    assert pruned == [e for e in range(1, passes + 1) if e <= 0.875 * passes]
    never = load(NAME, anneal=1.0)
    assert len(never.select(None, BatchLosses(SKEWED, epoch=passes - 1, progress=0.99), 0.5).indices) < 8


def test_the_first_epoch_is_whole():
    seen = load(NAME).select(None, torch.full((20,), torch.inf), 0.1)
    assert seen.indices.unique().numel() == 20 and seen.weights.tolist() == [1.0] * 20


@pytest.mark.parametrize("value", [0.1, 0.3, 1e30, 3e38])
def test_equal_losses_are_none_below_their_mean(value):
    assert len(load(NAME).select(None, torch.full((97,), value), 0.1).indices) == 97


def test_unseen_and_broken_losses_are_never_pruned():
    nan, inf = float("nan"), float("inf")
    losses = torch.tensor([nan, inf, 0.0, 0.0, 3.0, 3.0])
    seen = load(NAME).select(None, losses, 1 / 6)
    assert sorted(seen.indices.tolist()) == [0, 1, 4, 5] and seen.weights.tolist() == [1.0] * 4


def test_traits():
    traits = Traits.of(load(NAME))
    assert (traits.cadence, traits.weights_mode, traits.exact_count) == ("epoch", "raw", False)
    assert traits.signal == "learner"


@pytest.mark.parametrize("options", [{}, {"prune": "random"}], ids=str)
@pytest.mark.parametrize("size", [20, 400])
def test_cost(size, options):
    rule, (feats, losses) = begun(NAME, options), make(size)
    counted = count_selection(lambda: rule.select(feats, losses, 0.5))
    assert not counted.unknown and 0.5 <= rule.flops(size, 8, size // 2) / counted.flops <= 2
