import torch
from torch import Tensor

from ..base import Strategy, choice, rule, within
from ..interface import BatchLosses
from ..maths.sampling import best, best_flops, draw, grouped, grouped_flops, shares, shares_flops, top_flops
from .aum import AUM
from .el2n import EL2N
from .scored import Scored


@rule
class CCS(Strategy):
    """One subset for the whole run that covers all degrees of difficulty but the hardest.

    Formula: drop the ⌊beta·n⌋ hardest; cut the range of the others' scores into ``strata`` parts of equal width; from
    the smallest part up, take min(its size, ⌊budget left/parts left⌋) of each, at random.
    Source: CCS (Zheng et al., arXiv 2210.15809) and its authors' code: 50 strata, the margin of probabilities, beta 0.3
    on CIFAR-10 with 10 % kept, chosen for each data set and keep ratio.
    Cost: the proxy's run (an artefact with its own ledger), the score (3·T·C operations a sample) and four sorts.
    Ours: the highest score lies in the last stratum; strata of equal size in any order; where fewer than k are left
    after dropping, the rest is drawn from what was dropped; EL2N is the mean over the whole trace; a NaN score counts
    as 0. ``class_balanced`` drops and fills within each class, by strata of the whole pool.

    Parameters
    ----------
    score : {"aum", "el2n"}
        What difficulty is.
    strata : int
        Parts of equal width.
    beta : float
        Share dropped as hardest, in [0, 1).
    class_balanced : bool
        Take the same share of every class.
    """

    cadence = "run"
    needs = frozenset({"trace"})
    score: str = choice("aum", "el2n")
    strata: int = within("[1, inf)", 50)
    beta: float = within("[0, 1)", 0.3)
    class_balanced: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        self._rule: Scored = AUM(margin="probabilities") if self.score == "aum" else EL2N()

    def pick(self, feats: Tensor | None, losses: BatchLosses, k: int) -> Tensor:
        hard = torch.nan_to_num(self._rule.difficulty(losses))
        size, stream = len(hard), self.generator(hard.device)
        hardest = best(hard, losses, int(self.beta * size), stream, self.class_balanced)
        dropped = torch.zeros(size, dtype=torch.bool, device=hard.device).index_fill(0, hardest, True)
        groups = torch.where(dropped, self.strata, self._stratum(hard, dropped))
        if self.class_balanced:
            groups = groups + losses.labels * (self.strata + 1)
        members, rank, count = grouped(draw(size, size, stream, hard.device), groups)
        # Filling from the smallest part up gives every part the same until it is empty, and what is left over to
        # the larger ones: in turns, one of each part that still has some, the larger parts first.
        turns = rank * (size + 1) - count + dropped[members] * (size + 1) ** 2
        order = members[turns.argsort(stable=True)]
        return shares(order, losses.labels, k, stream) if self.class_balanced else order[:k]

    def flops(self, n: int, d: int, k: int) -> float:
        ends = best_flops(n, self.class_balanced) + (shares_flops(n) if self.class_balanced else 0.0)
        return n * (self._rule.operations + 15.0) + ends + 2 * top_flops(n) + grouped_flops(n)

    def _stratum(self, hard: Tensor, dropped: Tensor) -> Tensor:
        """Stratum ``[n]`` int64, of those not dropped."""
        low = torch.where(dropped, torch.inf, hard).amin()
        high = torch.where(dropped, -torch.inf, hard).amax()
        width = ((high - low) / self.strata).clamp_min(torch.finfo(torch.float32).tiny)
        return ((hard - low) / width).clamp(0, self.strata - 1).to(torch.int64)
