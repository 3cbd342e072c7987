"""KAKURENBO by hand."""

from __future__ import annotations

import pytest
import torch

from selbench.strategies import BatchLosses

from .._inputs import begun

LOSSES = torch.tensor([0.1, 0.2, 0.3, 0.4, 2.0, 3.0, 4.0, 5.0, 6.0, float("inf")])
LABELS = torch.zeros(10, dtype=torch.int64)


def probs():
    right = torch.tensor([[0.9, 0.1]] * 10)
    right[1] = torch.tensor([0.6, 0.4])  # right, but not sure
    right[2] = torch.tensor([0.1, 0.9])  # sure, but wrong
    return right


def select(progress, epoch=1, ratio=0.6, **options):
    losses = BatchLosses(LOSSES, learner_probs=probs(), labels=LABELS, epoch=epoch, progress=progress)
    return begun("kakurenbo", options).select(None, losses, ratio)


def test_of_the_lowest_losses_those_surely_right_are_hidden():
    found = select(0.1)
    assert found.indices.tolist() == [1, 2, 4, 5, 6, 7, 8, 9]  # of the four lowest 0 and 3
    assert found.weights.tolist() == pytest.approx([1 / 0.6] * 8)
    assert select(0.1, rescale="realised").weights.tolist() == pytest.approx([10 / 8] * 8)
    assert select(0.1, rescale="none", tau=0.5).indices.tolist() == [2, 4, 5, 6, 7, 8, 9]


def test_less_is_hidden_later_and_nothing_in_the_first_epoch():
    assert 3 in select(0.3).indices.tolist()  # three lowest: 0.8 * 0.4 * 10
    assert len(select(0.95, ratio=0.9).indices) == 10
    whole = select(0.1, epoch=0)
    assert len(whole.indices) == 10 and whole.weights.tolist() == [1.0] * 10
