"""The last training signals of each pool sample (for cadence ``epoch``)."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor


class LossMemory:
    """The last training-mode losses of every sample of the pool, and what ``needs`` names beside."""

    def __init__(self, size: int, needs: frozenset[str], device: torch.device) -> None:
        self.needs = needs
        self.loss = torch.full((size,), float("inf"), device=device)
        self.seen = torch.full((size,), -1, dtype=torch.int64, device=device)
        self.wide: dict[str, Tensor] = {}

    def note(self, ids: Tensor, step: int, logits: Tensor, features: Tensor, labels: Tensor) -> Tensor:
        """Take the signals of one training step for pool ``ids`` ``[k]``; gives their plain losses ``[k]``."""
        losses = F.cross_entropy(logits, labels, reduction="none")
        self.loss.index_copy_(0, ids, losses)
        self.seen.index_fill_(0, ids, step)
        wide = {"learner_probs": lambda: logits.softmax(1), "learner_features": features.float}
        for name in (name for name in wide if name in self.needs):
            values = wide[name]()
            if name not in self.wide:
                self.wide[name] = values.new_zeros((len(self.loss), values.shape[1]))
            self.wide[name].index_copy_(0, ids, values)
        return losses

    def state_dict(self) -> dict[str, Any]:
        return {"loss": self.loss, "seen": self.seen, "wide": self.wide}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.loss, self.seen, self.wide = state["loss"], state["seen"], state["wide"]

    def signals(self, step: int) -> dict[str, Tensor]:
        """Signals of the whole pool at ``step``; a sample never seen has loss ``+inf`` and age -1."""
        age = torch.where(self.seen < 0, self.seen, step - self.seen)
        known = {"learner": self.loss, "age": age, **self.wide}
        return {name: value for name, value in known.items() if name in self.needs}
