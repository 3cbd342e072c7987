"""SGD with Nesterov momentum, and a one-cycle learning rate that ends exactly at the budget's end."""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor, nn
from torch.optim.sgd import sgd


def one_cycle(progress: float, peak: float, warmup: float) -> float:
    """Learning rate at ``progress`` in [0, 1]: a linear rise to ``peak``, then a cosine down to 0."""
    if progress < warmup:
        return peak * (0.04 + 0.96 * progress / warmup)  # 1/25 of the peak to begin with, as OneCycle has it
    down = (progress - warmup) / (1.0 - warmup)
    return peak * 0.5 * (1.0 + math.cos(math.pi * down))


class SGD:
    """SGD with Nesterov momentum; no decay on biases and normalisation (one-dimensional parameters).

    The arithmetic is PyTorch's own: one kernel for all parameters on a GPU (``fused``), and on a CPU a few
    (``foreach``), whose bits are those of a loop over parameters; there ``fused`` differs in the last bit.
    ``torch.optim.SGD`` itself would import ``torch._dynamo``, which takes each worker as long as torch does.
    """

    def __init__(self, model: nn.Module, lr: float, momentum: float, weight_decay: float) -> None:
        self.lr, self.momentum = lr, momentum
        parameters: list[Tensor] = list(model.parameters())
        self.fused = all(p.is_cuda for p in parameters)
        self.groups = [
            ([p for p in parameters if p.ndim > 1], weight_decay),
            ([p for p in parameters if p.ndim <= 1], 0.0),
        ]
        self.buffers: list[list[Tensor | None]] = [[None] * len(own) for own, _ in self.groups]

    @torch.no_grad()
    def step(self) -> None:
        """One step by the gradients of all parameters, which are dropped afterwards."""
        momentum, nesterov = self.momentum, self.momentum > 0
        for (own, decay), buffers in zip(self.groups, self.buffers, strict=True):
            sgd(
                own, [cast(Tensor, p.grad) for p in own], buffers, weight_decay=decay, momentum=momentum, lr=self.lr,
                dampening=0.0, nesterov=nesterov, maximize=False, fused=self.fused, foreach=not self.fused,
            )  # fmt: skip
            for p in own:
                p.grad = None

    def state_dict(self) -> list[list[Tensor | None]]:
        return self.buffers

    def load_state_dict(self, state: list[list[Tensor | None]]) -> None:
        for (own, _), buffers, stored in zip(self.groups, self.buffers, state, strict=True):
            # In each parameter's own memory format: a checkpoint is contiguous.
            buffers[:] = [b if b is None else torch.empty_like(p).copy_(b) for p, b in zip(own, stored, strict=True)]
