import torch
from torch import Tensor

from ..base import Strategy, choice, hidden, rule
from ..interface import BatchLosses, Selection
from ..maths.sampling import error, prioritized, top_flops

# Bounds of a norm: float32 probabilities tell nothing below the one; weights stay finite under the other.
FLOOR, CEILING = 1e-6, 1e15


@rule
class GradNorm(Strategy):
    """A random sub-batch in which large gradients are likelier and count for less each.

    Formula: g_i = ‖p(x_i) - onehot(y_i)‖₂ ("logits"), or that times √(‖h_i‖² + 1), h the penultimate layer
    ("last-layer": the norm of the last layer's whole gradient, bias included). With u_i uniform in (0, 1), the k
    largest priorities q_i = g_i / u_i are kept, and τ is the largest priority left out: sample i is in with probability
    π_i = min(1, g_i / τ), given the others, and its weight is (k/B) / π_i.
    Source: the score is the upper bound of Katharopoulos & Fleuret (arXiv 1803.00942), who draw with replacement and
    switch the rule on once its estimated gain is large enough.
    Cost: the learner's scoring pass, C (+ h) multiply-adds a sample, one random number each and n log2 n.
    Ours: no replacement, so that no candidate is trained on twice: priority sampling (Duffield, Lund & Thorup 2007),
    whose Horvitz-Thompson weights leave the sum of gradients unbiased; on from the first step. Weights are relative
    (mean 1 over what is kept: a ratio estimator). Norms are kept between 1e-6 and 1e15; NaN counts as the least.

    Parameters
    ----------
    bound : {"logits", "last-layer"}
        The gradient whose norm is taken: with respect to the logits (published), or to the last layer's weights.
    """

    group = "gradients"
    bound: str = choice("logits", "last-layer")
    _hidden: int = hidden(0)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.needs = frozenset({"learner_probs"} | ({"learner_features"} if self.bound == "last-layer" else set()))

    def pick(self, feats: Tensor | None, losses: BatchLosses, k: int) -> Selection:
        norms = self.norms(losses)
        return Selection(*prioritized(norms, k, self.generator(norms.device)))

    def norms(self, losses: BatchLosses) -> Tensor:
        """Gradient norms ``[B]``, within their bounds."""
        self._classes = losses.learner_probs.shape[1]
        norms = torch.linalg.vector_norm(error(losses.learner_probs, losses.labels), dim=1)
        if self.bound == "last-layer":
            hidden = losses.learner_features.float()
            self._hidden = hidden.shape[1]
            norms = norms * (hidden.square().sum(1) + 1).sqrt()
        return norms.nan_to_num(nan=FLOOR).clamp(FLOOR, CEILING)

    def flops(self, n: int, d: int, k: int) -> float:
        """Over the classes of the pool or last seen, and the width h last seen (none before the first pick)."""
        return 2.0 * n * (self._classes + self._hidden) + 8.0 * n + top_flops(n) + 3.0 * k
