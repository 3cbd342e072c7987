from __future__ import annotations

import torch

from selbench.harness.memory import Memory


def test_what_was_never_seen_is_infinite_and_of_age_minus_one():
    memory = Memory(4, frozenset({"learner", "age", "learner_probs"}), torch.device("cpu"))
    memory.note(torch.tensor([2]), 0, torch.tensor([0.5]), torch.tensor([[0.25, 0.75]]), torch.ones(1, 3))
    memory.note(torch.tensor([0, 2]), 3, torch.tensor([1.0, 2.0]), torch.tensor([[0.5, 0.5], [1, 0]]), torch.ones(2, 3))
    signals = memory.signals(step=5)
    assert signals["learner"].tolist() == [1.0, float("inf"), 2.0, float("inf")]
    assert signals["age"].tolist() == [2, -1, 2, -1]
    assert signals["learner_probs"][2].tolist() == [1.0, 0.0]
    assert "learner_features" not in signals


def test_only_declared_signals_are_kept():
    memory = Memory(2, frozenset({"learner"}), torch.device("cpu"))
    memory.note(torch.tensor([0]), 0, torch.tensor([0.5]), torch.ones(1, 2), torch.ones(1, 3))
    assert set(memory.signals(1)) == {"learner"} and not memory.wide
