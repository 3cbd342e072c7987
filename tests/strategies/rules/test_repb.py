"""RePB by hand, and the share that it keeps."""

from __future__ import annotations

import pytest
import torch

from selbench.strategies import BatchLosses

from .._inputs import begun


def test_by_hand_at_a_ratio_that_no_coin_passes():
    """With a ratio of one in a thousand only samples at or above their batch's mean stay."""
    rule, known = begun("repb", {}), BatchLosses(torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]))
    first = rule.select(None, known, 0.001)
    assert first.indices.tolist() == [0, 1, 2, 3, 4, 5] and first.weights.tolist() == [1.0] * 6
    rule._stays = 0.0
    rule.observe(torch.tensor([0, 1, 2]), torch.tensor([1.0, 2.0, 3.0]))  # mean 2
    rule.observe(torch.tensor([3, 4]), torch.tensor([9.0, 1.0]))  # mean 5; nobody comes to sample 5
    rule._counts = rule._counts.clone()
    second = rule.select(None, known, 1e-9)
    assert second.indices.tolist() == [1, 2, 3, 5] and second.weights.tolist() == [1.0] * 4


def test_weights_are_epochs_over_epochs_in_the_set():
    rule, known, stream = begun("repb", {}), BatchLosses(torch.ones(400)), torch.Generator().manual_seed(0)
    times, kept = torch.zeros(400), []
    for epoch in range(1, 13):
        found = rule.select(None, known, 0.5)
        times[found.indices] += 1
        assert torch.allclose(found.weights, epoch / times[found.indices])
        for part in found.indices.split(50):
            rule.observe(part, torch.rand(len(part), generator=stream))
        kept.append(len(found.indices) / 400)
    # Three in four of the set stay, half being below the mean, and half of the others return: 2/3 in the long run.
    assert sum(kept[4:]) / 8 == pytest.approx(2 / 3, abs=0.04)


def test_a_window_of_batches():
    rule, known = begun("repb", {"window": 2, "weighted": False}), BatchLosses(torch.ones(4))
    rule.select(None, known, 1e-9)
    rule._stays = 0.0
    rule.observe(torch.tensor([0]), torch.tensor([8.0]))
    rule.observe(torch.tensor([1, 2]), torch.tensor([3.0, 5.0]))  # mean of 8 and 4
    found = rule.select(None, known, 1e-9)
    assert found.indices.tolist() == [0, 3] and found.weights.tolist() == [1.0, 1.0]
