"""Records the samples that a run trains on, without waiting for the device."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ...steps.step import Step
from ...training.trainer import Trainer


class StepsSeen:
    """Weights of the picks of a run, and a few of its selections whole.

    Parameters
    ----------
    size : int
        Images in the pool.
    samples : int
        Selections kept, evenly over training; a subset of the pool that lasts is kept once.
    device : torch.device

    Attributes
    ----------
    weights : Tensor ``[n]`` float64
        Sum of the weights that each image was trained with.
    weighted : bool
        Whether any weight came.
    selections : list of (Tensor ``[k]``, Tensor ``[B]`` or None)
        Picks and their candidates, None for the pool.
    """

    def __init__(self, size: int, samples: int, device: torch.device) -> None:
        self.samples = samples
        self.weights = torch.zeros(size, dtype=torch.float64, device=device)
        self.weighted = False
        self.selections: list[tuple[Tensor, Tensor | None]] = []
        self._due = 0

    def note(self, trainer: Trainer, step: Step, ids: Tensor, weights: Tensor | None, candidates: Tensor) -> None:
        """One ``step`` trained on ``ids`` ``[k]`` of ``candidates`` ``[B]``."""
        with trainer.clock.phase("eval"):
            values = self.weights.new_ones(len(ids)) if weights is None else weights.double()
            self.weights.index_add_(0, ids, values)
        self.weighted = self.weighted or weights is not None
        if not trainer.selector.active or self._due > self.samples * step.progress or self._due >= self.samples:
            return
        self._due += 1
        if trainer.subset is None:
            self.selections.append((ids, candidates))
        elif not self.selections or self.selections[-1][0] is not trainer.subset:
            self.selections.append((trainer.subset, None))

    def state_dict(self) -> dict[str, Any]:
        selections = [list(pair) for pair in self.selections]
        return {"weights": self.weights, "weighted": self.weighted, "selections": selections, "due": self._due}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.weights, self.weighted, self._due = state["weights"], state["weighted"], state["due"]
        self.selections = [(picks, candidates) for picks, candidates in state["selections"]]
