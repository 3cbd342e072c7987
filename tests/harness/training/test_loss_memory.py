from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from selbench.harness.training.loss_memory import LossMemory

LABELS = torch.tensor([0, 1])


def test_what_was_never_seen_is_infinite_and_of_age_minus_one():
    memory = LossMemory(4, frozenset({"learner", "age", "learner_probs"}), torch.device("cpu"))
    first, then = torch.tensor([[1.0, 3.0]]), torch.tensor([[0.5, 0.5], [9.0, 0.0]])
    memory.note(torch.tensor([2]), 0, first, torch.ones(1, 3), LABELS[:1])
    losses = memory.note(torch.tensor([0, 2]), 3, then, torch.ones(2, 3), LABELS)
    assert torch.equal(losses, F.cross_entropy(then, LABELS, reduction="none"))
    signals = memory.signals(step=5)
    assert signals["learner"].tolist() == [losses[0], float("inf"), losses[1], float("inf")]
    assert signals["age"].tolist() == [2, -1, 2, -1]
    assert signals["learner_probs"][2].tolist() == pytest.approx(then[1].softmax(0).tolist())
    assert "learner_features" not in signals


def test_only_declared_signals_are_kept():
    memory = LossMemory(2, frozenset({"learner"}), torch.device("cpu"))
    memory.note(torch.tensor([0]), 0, torch.ones(1, 2), torch.ones(1, 3), LABELS[:1])
    assert set(memory.signals(1)) == {"learner"} and not memory.wide
