from torch import Tensor

from ..base import Strategy, choice, rule
from ..interface import BatchLosses
from ..maths.sampling import oriented, top, top_flops


@rule
class Loss(Strategy):
    """The candidates on which the learner does worst (or best).

    Formula: the k largest (or smallest) learner losses.
    Source: online batch selection (Loshchilov & Hutter, arXiv 1511.06343), the deterministic limit;
    "smallest" is the self-paced end.
    Cost: the learner's scoring pass, and n log2 n.
    Ours: ties at random; NaN last at either end. A loss never seen (``+inf``) counts as largest.

    Parameters
    ----------
    end : {"largest", "smallest"}
        Which losses are kept.
    """

    group = "losses"
    needs = frozenset({"learner"})
    end: str = choice("largest", "smallest")

    def pick(self, feats: Tensor | None, losses: BatchLosses, k: int) -> Tensor:
        scores = oriented(losses.learner, self.end, "largest")
        return top(scores, k, self.generator(scores.device))

    def flops(self, n: int, d: int, k: int) -> float:
        return n + top_flops(n)
