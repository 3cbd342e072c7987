"""The samples of each step of an epoch."""

from __future__ import annotations

import torch
from torch import Tensor

from ..steps.pacer import Step


class Candidates:
    """The order of one epoch, dealt out step by step.

    Parameters
    ----------
    order : Tensor ``[n]`` int64, on the CPU
        A permutation of the pool.
    device : torch.device
        Where the ids are wanted.
    """

    def __init__(self, order: Tensor, device: torch.device) -> None:
        self.host = order
        self.order = order.to(device)

    def take(self, step: Step) -> tuple[Tensor, Tensor, int]:
        """The step's candidates ``[B]``: ids on the device, the same on the host, and how many are to be kept."""
        part = slice(step.start, step.start + step.size)
        return self.order[part], self.host[part], step.keep


class ChosenSamples:
    """The chosen samples in the epoch's order, dealt out as sub-batches.

    Parameters
    ----------
    order : Tensor ``[n]`` int64, on the CPU
        A permutation of the pool.
    subset : Tensor ``[m]`` int64
        Ids kept for this epoch, on the run's device.
    taken : int
        Dealt out of them already.
    """

    def __init__(self, order: Tensor, subset: Tensor, taken: int = 0) -> None:
        chosen = torch.zeros(len(order), dtype=torch.bool, device=subset.device).index_fill_(0, subset, True)
        order = order.to(subset.device)
        self.order = order[chosen[order]]  # waits for the device, which is allowed between epochs
        self.taken = taken

    def take(self, step: Step) -> tuple[Tensor, None, int]:
        """Ids ``[k]`` of the step's sub-batch, nothing for the host, and k."""
        if self.taken + step.keep > len(self.order):  # cadence run, where rounding leaves the subset a step short
            self.taken = 0
        self.taken += step.keep
        return self.order[self.taken - step.keep : self.taken], None, step.keep
