"""Held-out signals: the learner's outputs on a fixed batch of ``val``, looked at anew at intervals."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from ...strategies.interface import Traits
from ...strategies.maths.last_layer import LastLayer
from ..datasets.samples import Samples


class HeldOut:
    """The signals that ``traits.needs`` names of ``samples``, images of ``val``; they hold for ``val_interval`` calls.

    ``known`` holds them by name, on the device. Nothing here waits for it.
    """

    def __init__(self, samples: Samples, traits: Traits) -> None:
        self.samples, self.needs, self.interval = samples, traits.needs, traits.val_interval
        self.calls = 0
        self.known: dict[str, Tensor] = {}

    def due(self) -> bool:
        """Whether the selection that stands next needs a look; called once for each selection."""
        self.calls += 1
        return (self.calls - 1) % self.interval == 0

    def take(self, features: Tensor, logits: Tensor) -> float:
        """Take the signals anew from the learner's outputs; gives the FLOPs that this costs beside the forward pass."""
        probs = logits.softmax(1)
        gradients = LastLayer.of(probs, features, self.samples.labels)
        makers = {"val_features": lambda: features, "val_probs": lambda: probs, "val_gradient": gradients.mean}
        self.known = {name: make() for name, make in makers.items() if name in self.needs}
        self.known["val_labels"] = self.samples.labels
        return gradients.mean_flops() if "val_gradient" in self.needs else 0.0

    def state_dict(self) -> dict[str, Any]:
        return {"calls": self.calls, "known": {n: v for n, v in self.known.items() if n != "val_labels"}}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.calls, self.known = state["calls"], {**state["known"]}
        if self.calls:
            self.known["val_labels"] = self.samples.labels
