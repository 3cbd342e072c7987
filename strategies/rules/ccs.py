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
    """Covers all degrees of difficulty but the hardest.

    Formula: drop the ⌊beta·n⌋ hardest by AUM; cut the range of the others' scores into ``strata`` parts of equal width;
    from the smallest part up, take min(its size, ⌊budget left/parts left⌋) of each, at random.
    Source: CCS (Zheng et al., arXiv 2210.15809) and its authors' code: 50 strata, the margin of probabilities, which
    decides what is dropped whatever the strata are of. beta goes with the share ρ that is pruned, by default min(0.3,
    max(0, ρ - 0.6)): 0.3 at 90 % (their README, CIFAR-10 and ImageNet), 0.2 at 80 % (their README, ImageNet), 0.1 at
    70 % and 0 up to 50 % (the paper's table for CIFAR-10 as others cite it; it has 0.1 at 80 % too: ``beta=0.1``).
    Cost: the proxy's run (an artefact with its own ledger), the scores (3·T·C operations a sample each) and four sorts.
    Ours: beta between and above the published rates; the highest score lies in the last stratum; strata of equal size
    in any order; where fewer than k are left after dropping, the rest is drawn from what was dropped; EL2N is the mean
    over the whole trace; a NaN score counts as 0. ``class_balanced`` drops and fills within each class, by strata of
    the whole pool.

    Parameters
    ----------
    score : {"aum", "el2n"}
        What the strata are of.
    drop : {"aum", "score"}
        What is hardest: by AUM (the authors' code) or by the score of the strata.
    strata : int
        Parts of equal width.
    beta : float, optional
        Share dropped as hardest, in [0, 1); by default it goes with the share pruned, as above.
    class_balanced : bool
        Take the same share of every class.
    """

    group = "training dynamics"
    cadence = "run"
    needs = frozenset({"trace"})
    revision = 1  # of revision 0 the default of beta was 0.3 at every ratio, and EL2N decided what it dropped
    score: str = choice("aum", "el2n")
    drop: str = choice("aum", "score")
    strata: int = within("[1, inf)", 50)
    beta: float | None = within("[0, 1)", None)
    class_balanced: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        self._margin = AUM(margin="probabilities")
        self._rule: Scored = self._margin if self.score == "aum" else EL2N()

    def pick(self, feats: Tensor | None, losses: BatchLosses, k: int) -> Tensor:
        hard = torch.nan_to_num(self._rule.difficulty(losses))
        size, stream = len(hard), self.generator(hard.device)
        wrong = hard if self._alike else torch.nan_to_num(self._margin.difficulty(losses))
        hardest = best(wrong, losses, self.dropped(size, k), stream, self.class_balanced)
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
        scores = self._rule.operations + (0.0 if self._alike else self._margin.operations)
        return n * (scores + 15.0) + ends + 2 * top_flops(n) + grouped_flops(n)

    @property
    def _alike(self) -> bool:
        """Whether one score serves both ends."""
        return self.score == "aum" or self.drop == "score"

    def dropped(self, size: int, k: int) -> int:
        """How many of ``size`` samples are dropped as hardest where ``k`` are kept."""
        if self.beta is not None:
            return int(self.beta * size)
        return max(0, min(3 * size // 10, 2 * size // 5 - k))

    def _stratum(self, hard: Tensor, dropped: Tensor) -> Tensor:
        """Stratum ``[n]`` int64, of those not dropped."""
        low = torch.where(dropped, torch.inf, hard).amin()
        high = torch.where(dropped, -torch.inf, hard).amax()
        width = ((high - low) / self.strata).clamp_min(torch.finfo(torch.float32).tiny)
        return ((hard - low) / width).clamp(0, self.strata - 1).to(torch.int64)
