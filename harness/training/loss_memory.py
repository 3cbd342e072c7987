"""The last training signals of each pool sample (for cadence ``epoch``)."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor


class LossMemory:
    """The last training-mode signals of every sample: losses, and on request probabilities and features.

    Parameters
    ----------
    size : int
        Samples in the pool.
    needs : frozenset of str
        Signals to keep.
    device : torch.device
        Where they live.
    """

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
        if "learner_probs" in self.needs:
            self._keep("learner_probs", ids, logits.softmax(1))
        if "learner_features" in self.needs:
            self._keep("learner_features", ids, features.float())
        return losses

    def _keep(self, name: str, ids: Tensor, values: Tensor) -> None:
        if name not in self.wide:
            self.wide[name] = values.new_zeros((len(self.loss), values.shape[1]))
        self.wide[name].index_copy_(0, ids, values)

    def state_dict(self) -> dict[str, Any]:
        return {"loss": self.loss, "seen": self.seen, "wide": self.wide}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.loss, self.seen, self.wide = state["loss"], state["seen"], state["wide"]

    def signals(self, step: int) -> dict[str, Tensor]:
        """Signals of the whole pool at ``step``; a sample never seen has loss ``+inf`` and age -1."""
        age = torch.where(self.seen < 0, self.seen, step - self.seen)
        known = {"learner": self.loss, "age": age, **self.wide}
        return {name: value for name, value in known.items() if name in self.needs}
