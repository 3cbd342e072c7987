import torch
from torch import Tensor

from ..interface import BatchLosses
from ..maths.sampling import extent, top, top_flops
from .wrapper import OfOne


class Reversed(OfOne):
    """The candidates that rule X leaves out when it is asked for the rest.

    Formula: picks = {0, ..., B - 1} less X's picks at the ratio (B - k)/B; at k = B all, without asking.
    Source: a control of ours: a rule whose signal is worth something must beat its own reverse.
    Cost: X's for B - k picks, and one ordering.
    Ours: the complement, since it is defined for any X: of a ranking it is the other end, of a weighted draw the
    candidates least likely to be drawn. What X puts last comes first, NaN scores too. There are no weights. An X that
    decides its count itself may leave more or fewer than k: then k of them at random, or all of them and random ones of
    X's.
    """

    group = "controls"
    selecting = True

    def __post_init__(self) -> None:
        super().__post_init__()
        vars(self)["exact_count"] = True

    def pick(self, feats: Tensor | None, losses: BatchLosses, k: int) -> Tensor:
        size, device = extent(feats, losses)
        if k == size:
            return torch.arange(size, device=device)
        chosen = self.ask(self._rule, feats, losses, size - k).indices
        return top(torch.ones(size, device=device).index_fill(0, chosen, 0.0), k, self.generator(device))

    def flops(self, n: int, d: int, k: int) -> float:
        return float(self._rule.flops(n, d, n - k)) + top_flops(n) if k < n else 0.0
