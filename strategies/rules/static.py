from torch import Tensor

from ..base import choice, hidden, rule
from ..interface import BatchLosses
from ..maths.sampling import draw, extent
from .el2n import EL2N


@rule
class Static(EL2N):
    """By how wrong a proxy was early in its training: ``el2n`` with a random control.

    Formula: EL2N_i = mean over epochs t of ‖p_t(x_i) - onehot(y_i)‖₂; the k highest (or lowest).
    Source: Data Diet (Paul et al., arXiv 2107.07075), which averages ten runs at one early epoch.
    Cost: as ``el2n``.
    Ours: as ``el2n``, but not class-balanced.

    Parameters
    ----------
    keep : {"hard", "easy", "random"}
        The high scores, the low ones, or (control; needs no proxy) any.
    first, last : int
        As in ``el2n``.
    """

    group = "training dynamics"
    keep: str = choice("hard", "easy", "random")
    first: int = 0
    last: int | None = None
    class_balanced: bool = hidden(False)
    nets: int = hidden(1)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.needs = frozenset() if self.keep == "random" else frozenset({"trace"})

    def pick(self, feats: Tensor | None, losses: BatchLosses, k: int) -> Tensor:
        if self.keep == "random":
            size, device = extent(feats, losses)
            return draw(size, k, self.generator(device), device)
        return super().pick(feats, losses, k)
