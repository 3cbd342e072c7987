import torch
from torch import Tensor

from ..base import Strategy, choice, rule, within
from ..interface import BatchLosses, Selection
from ..maths.sampling import best, best_flops, draw, extent, oriented, portion, top_flops
from .aum import AUM
from .el2n import EL2N
from .entropy import Entropy
from .forgetting import Forgetting
from .grand import GraNd
from .scored import Scored

SCORES: dict[str, type[Scored]] = {
    "aum": AUM,
    "el2n": EL2N,
    "entropy": Entropy,
    "forgetting": Forgetting,
    "grand": GraNd,
}
"""The rules whose score can be calibrated, with their defaults."""


@rule
class Calibrated(Strategy):
    """A share by a score, the rest at random, so that the loss stays unbiased.

    Formula: a = ⌊alpha·k + 1/2⌋ picks by the score, weight 1; k - a drawn uniformly from the other n - a, weight
    (n - a)/(k - a). The weighted sum over the picks then has the whole pool's sum as its expectation.
    Source: randomised calibration of score-based pruning (Ayed & Hayou, arXiv 2302.06960).
    Cost: that of the score, and two orderings.
    Ours: the weight, which unbiasedness forces (whether the source weights so is not known to us: ``weighted=False``),
    relative (mean 1 over the picks); the defaults of alpha and score. ``class_balanced`` is for the part by score.

    Parameters
    ----------
    score : {"aum", "el2n", "entropy", "forgetting", "grand"}
        The rule that the first part follows, with its own defaults.
    alpha : float
        Share of the picks made by it, in [0, 1]: 0 is plain random picks, without a proxy.
    keep : {"hard", "easy"}
        The end of the score that is kept.
    weighted : bool
        Whether the random part stands for what was not picked.
    class_balanced : bool
        Take the same share of every class by score.
    """

    group = "training dynamics"
    cadence = "run"
    score: str = choice("el2n", "aum", "entropy", "forgetting", "grand")
    alpha: float = within("[0, 1]", 0.5)
    keep: str = choice("hard", "easy")
    weighted: bool = True
    class_balanced: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        self._rule = SCORES[self.score]()
        self.needs = self._rule.needs if self.alpha > 0.0 else frozenset()

    def pick(self, feats: Tensor | None, losses: BatchLosses, k: int) -> Tensor | Selection:
        size, device = extent(feats, losses)
        stream, count = self.generator(device), portion(self.alpha, k)
        chosen = None
        if self.alpha > 0.0:
            scores = oriented(self._rule.difficulty(losses), self.keep, "hard")
            chosen = best(scores, losses, count, stream, self.class_balanced)
        drawn = draw(size, k - count, stream, device, chosen)
        if chosen is None:
            return drawn
        picks = torch.cat([chosen, drawn])
        if not self.weighted or count == k:
            return picks
        weights = torch.ones(k, device=device)
        weights[count:] = (size - count) / (k - count)
        return Selection(picks, weights)

    def flops(self, n: int, d: int, k: int) -> float:
        if self.alpha == 0.0:
            return top_flops(n)
        return n * self._rule.operations + top_flops(n) + best_flops(n, self.class_balanced)
