import torch
from torch import Tensor

from ..base import Strategy, choice, rule
from ..interface import BatchLosses
from ..maths.sampling import top, top_flops


@rule
class Uncertainty(Strategy):
    """The candidates of which the learner is least sure, whatever their labels say.

    Formula: with p_(1) >= p_(2) the two largest class probabilities, the k largest p_(2) - p_(1) ("margin"), 1 - p_(1)
    ("least-confidence"), or -Σ_c p_c ln p_c ("entropy").
    Source: uncertainty sampling (Lewis & Gale, arXiv cmp-lg/9407020), with the scores of selection via proxy (Coleman
    et al., arXiv 1906.11829).
    Cost: the learner's scoring pass; C, C log2 C or 2·C operations a sample, and n log2 n.
    Not comparable: figures of this name from DeepCore's code, which takes the largest logit for the confidence, and
    keeps the most certain ones where classes are not balanced.
    Ours: batch cadence, the learner's own probabilities; ties at random, NaN last. With two classes the scores rank
    alike.

    Parameters
    ----------
    score : {"margin", "least-confidence", "entropy"}
        How the lack of certainty is measured.
    """

    group = "losses"
    needs = frozenset({"learner_probs"})
    score: str = choice("margin", "least-confidence", "entropy")

    def pick(self, feats: Tensor | None, losses: BatchLosses, k: int) -> Tensor:
        scores = self.scores(losses.learner_probs.float())
        self._classes = losses.learner_probs.shape[1]
        return top(scores, k, self.generator(scores.device))

    def scores(self, probs: Tensor) -> Tensor:
        """Uncertainty ``[B]`` of class probabilities ``[B, C]``, C at least 2."""
        if self.score == "entropy":
            return torch.special.entr(probs).sum(1)
        if self.score == "least-confidence":
            return 1 - probs.amax(1)
        first, second = torch.topk(probs, 2, dim=1).values.unbind(1)
        return second - first

    def flops(self, n: int, d: int, k: int) -> float:
        """One ordering, and a score over the classes of the pool or last seen (none before either)."""
        classes = self._classes
        each = {"margin": classes * max(1, classes).bit_length(), "entropy": 2 * classes}.get(self.score, classes)
        return top_flops(n) + float(n * each)
