from typing import ClassVar

import torch
from torch import Tensor

from ..base import Strategy
from ..interface import BatchLosses
from ..maths.sampling import extent


class Full(Strategy):
    """Every candidate, in order: training without selection.

    Formula: picks = 0, 1, ..., B - 1, whatever ratio is asked for.
    Source: the baseline of every study.
    Cost: nothing.
    """

    group = "baselines"
    ratio: ClassVar[float | None] = 1.0

    def pick(self, feats: Tensor | None, losses: BatchLosses, k: int) -> Tensor:
        return torch.arange(k, device=extent(feats, losses)[1])

    def flops(self, n: int, d: int, k: int) -> float:
        return 0.0
