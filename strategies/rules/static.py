"""Static pruning by the EL2N score, with its random control."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor

from ..base import choice
from ..interface import BatchLosses
from ..maths.sampling import draw, extent
from .el2n import EL2N


@dataclass(eq=False, repr=False)
class Static(EL2N):
    """One subset for the whole run, by how wrong a proxy was early in its training.

    Formula: EL2N_i = mean over epochs t of ‖p_t(x_i) - onehot(y_i)‖₂; the k highest (or lowest).
    Source: Data Diet (Paul et al., arXiv 2107.07075), which averages ten runs at one early epoch.
    Cost: the proxy's run (an artefact with its own ledger), 3·T·C operations a sample and n log2 n.
    Ours: one proxy run and the mean over a span of its epochs (all of them by default); ties at random.
    Coverage-centric selection sums epochs 0 to 9 of one run instead, the same ranking as ``last=10``.
    Not class-balanced: that is ``el2n``, which picks the same samples but for that.

    Parameters
    ----------
    keep : {"hard", "easy", "random"}
        The high scores, the low ones, or (control; needs no proxy) any.
    first, last : int
        The epochs averaged are first, ..., last - 1; ``last=None`` goes to the end of the trace.
    """

    keep: str = choice("hard", "easy", "random")
    first: int = 0
    last: int | None = None
    class_balanced: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.needs = frozenset() if self.keep == "random" else frozenset({"trace"})

    def pick(self, feats: Tensor | None, losses: BatchLosses, k: int) -> Tensor:
        if self.keep == "random":
            size, device = extent(feats, losses)
            return draw(size, k, self.generator(device), device)
        return super().pick(feats, losses, k)
