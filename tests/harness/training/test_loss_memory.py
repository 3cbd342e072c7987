from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from selbench.harness.training.loss_memory import LossMemory

LABELS = torch.tensor([0, 1])


def test_what_was_never_seen_is_infinite_and_of_age_minus_one():
    memory = LossMemory(4, frozenset({"learner", "age", "learner_probs"}), 2, 3, torch.device("cpu"))
    first, then = torch.tensor([[1.0, 3.0]]), torch.tensor([[0.5, 0.5], [9.0, 0.0]])
    memory.note(torch.tensor([2]), 0, first, torch.ones(1, 3), LABELS[:1])
    losses = memory.note(torch.tensor([0, 2]), 3, then, torch.ones(2, 3), LABELS)
    assert torch.equal(losses, F.cross_entropy(then, LABELS, reduction="none"))
    signals = memory.signals(step=5)
    assert signals["learner"].tolist() == [losses[0], float("inf"), losses[1], float("inf")]
    assert signals["age"].tolist() == [2, -1, 2, -1]
    assert signals["learner_probs"][2].tolist() == pytest.approx(then[1].softmax(0).tolist())
    assert signals["learner_probs"][1].tolist() == [0.5, 0.5]
    assert "learner_features" not in signals


def test_everything_lies_there_before_the_first_step():
    needs = frozenset({"learner", "age", "learner_probs", "learner_features"})
    signals = LossMemory(2, needs, 4, 3, torch.device("cpu")).signals(0)
    assert signals["learner"].tolist() == [float("inf")] * 2 and signals["age"].tolist() == [-1] * 2
    assert torch.equal(signals["learner_probs"], torch.full((2, 4), 0.25))
    assert torch.equal(signals["learner_features"], torch.zeros(2, 3))


def test_only_declared_signals_are_kept():
    memory = LossMemory(2, frozenset({"learner"}), 2, 3, torch.device("cpu"))
    memory.note(torch.tensor([0]), 0, torch.ones(1, 2), torch.ones(1, 3), LABELS[:1])
    assert set(memory.signals(1)) == {"learner"} and not memory.wide
