"""SGD with Nesterov momentum, and a one-cycle learning rate that ends exactly at the budget's end."""

from __future__ import annotations

import math

import torch
from torch import nn


def one_cycle(progress: float, peak: float, warmup: float) -> float:
    """Learning rate at ``progress`` in [0, 1]: a linear rise to ``peak``, then a cosine down to 0."""
    if progress < warmup:
        return peak * (0.04 + 0.96 * progress / warmup)  # 1/25 of the peak to begin with, as OneCycle has it
    down = (progress - warmup) / (1.0 - warmup)
    return peak * 0.5 * (1.0 + math.cos(math.pi * down))


def sgd(model: nn.Module, lr: float, momentum: float, weight_decay: float) -> torch.optim.SGD:
    """SGD with Nesterov momentum; no decay on biases and normalisation (one-dimensional parameters)."""
    parameters = list(model.parameters())
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.SGD(groups, lr=lr, momentum=momentum, nesterov=momentum > 0)
