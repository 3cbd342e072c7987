from torch import Tensor

from ..base import Strategy
from ..interface import BatchLosses
from ..maths.sampling import top, top_flops


class RHO(Strategy):
    """The candidates whose loss can still be reduced: hard for the learner, easy for the reference.

    Formula: the k largest l(learner) - l(reference).
    Source: RHO-LOSS (Mindermann et al., arXiv 2206.07137; their code): hard top-k, plain mean over the picks. Published
    at k/B = 32/320, the learner scoring in training mode, and the reference trained on a holdout half: the matrix's to
    set. Their variant without holdout data, two nets that score each other's half of the pool, is the reference
    ``cross-holdout``.
    Cost: the learner's scoring pass, one subtraction each and n log2 n; the reference's losses are cached.
    Ours: ties at random, NaN last. A loss never seen (``+inf``) comes first, unless the reference's is infinite as
    well.
    """

    group = "losses"
    needs = frozenset({"learner", "reference"})

    def pick(self, feats: Tensor | None, losses: BatchLosses, k: int) -> Tensor:
        scores = losses.learner.float() - losses.reference.float()
        return top(scores, k, self.generator(scores.device))

    def flops(self, n: int, d: int, k: int) -> float:
        return n + top_flops(n)
