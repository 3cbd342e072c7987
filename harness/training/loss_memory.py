"""The last training signals of each pool sample (for cadence ``epoch``)."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ...strategies.interface import never_seen


class LossMemory:
    """The last training-mode losses of every sample of the pool, and what ``needs`` names beside.

    ``classes`` and ``width`` (of the penultimate layer) are the learner's: everything lies there from the start.
    """

    def __init__(self, size: int, needs: frozenset[str], classes: int, width: int, device: torch.device) -> None:
        self.needs = needs
        unseen = never_seen(needs | {"learner", "age"}, size, classes, width, device)
        self.loss, self.seen = unseen.pop("learner"), unseen.pop("age")
        self.wide = unseen

    def note(self, ids: Tensor, step: int, logits: Tensor, features: Tensor, labels: Tensor) -> Tensor:
        """Take the signals of one training step for pool ``ids`` ``[k]``; gives their plain losses ``[k]``."""
        losses = F.cross_entropy(logits, labels, reduction="none")
        self.loss.index_copy_(0, ids, losses)
        self.seen.index_fill_(0, ids, step)
        wide = {"learner_probs": lambda: logits.softmax(1), "learner_features": features.float}
        for name, known in self.wide.items():
            known.index_copy_(0, ids, wide[name]())
        return losses

    def state_dict(self) -> dict[str, Any]:
        return {"loss": self.loss, "seen": self.seen, "wide": self.wide}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.loss, self.seen, self.wide = state["loss"], state["seen"], state["wide"]

    def signals(self, step: int) -> dict[str, Tensor]:
        """Signals of the whole pool at ``step``; a sample never seen has those of ``never_seen``."""
        age = torch.where(self.seen < 0, self.seen, step - self.seen)
        known = {"learner": self.loss, "age": age, **self.wide}
        return {name: value for name, value in known.items() if name in self.needs}
