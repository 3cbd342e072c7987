import torch
from torch import Tensor

from ..base import choice, hidden, rule, within
from ..interface import BatchLosses
from ..maths.classes import class_parts_flops
from ..maths.geometry import points
from ..maths.last_layer import LastLayer
from .subset import Subset


@rule
class GraphCut(Subset):
    """The subset most similar to all candidates and least to itself.

    Formula: s_ij = (1 + cos(g_i, g_j))/2 and f(A) = lam·Σ_i Σ_{j in A} s_ij - Σ_{i, j in A} s_ij; greedily, the next
    pick has the largest lam·Σ_i s_ij - 2·Σ_{i in A} s_ij. g_i is the last layer's gradient, (p(x_i) - onehot(y_i)) ⊗
    (h_i, 1), or the reference's features. f is submodular, and monotone from lam = 2 on: at 1, gains turn negative
    once about half of a class is picked.
    Source: graph cut as in DeepCore (arXiv 2204.08499; Iyer et al. 2021), which takes the same share of each class
    with lam = 1, of gradients at the end of a proxy's run of 40 epochs. Its greedy gain leaves out s_jj, as here; the
    default function of its class is another (log-determinant).
    Cost: the proxy's run at cadence ``run`` (an artefact), a pass of the learner over the pool at ``epoch``; then for
    each pick one column of products, 2·(C + h) operations a candidate of its class. No pair is held.
    Ours: ties at random; fresh scores every ``select_every`` epochs at cadence ``epoch``.

    Parameters
    ----------
    of : {"gradients", "features"}
        What the similarity is of.
    lam : float
        Weight of the similarity to all; larger ones prefer central candidates.
    class_balanced : bool
        Cut each class by itself, by the same share.
    cadence : {"run", "epoch"}
        When the subset is made.
    select_every : int
        At cadence ``epoch``: epochs from one selection to the next.
    """

    of: str = choice("gradients", "features")
    lam: float = within("(0, inf)", 1.0)
    _width: tuple[int, int] = hidden((0, 0))

    def __post_init__(self) -> None:
        super().__post_init__()
        gradients = self.of == "gradients"
        self.needs = frozenset({"learner_probs", "learner_features"} if gradients else {"features"})

    def pick(self, feats: Tensor | None, losses: BatchLosses, k: int) -> Tensor:
        if self.of == "features":
            assert feats is not None
            rows = points(feats, "cosine")
            unit = LastLayer(torch.ones_like(rows[:, :1]), rows)
        else:
            unit = LastLayer.of(losses.learner_probs, losses.learner_features, losses.labels).unit()
        self._width = unit.wrong.shape[1], unit.hidden.shape[1]
        parts = self.parts(losses, k)
        return torch.cat([members[self._greedy(unit.take(members), count)] for members, count in parts])

    def _greedy(self, unit: LastLayer, k: int) -> Tensor:
        """``k`` positions, in the order picked, among candidates of unit length."""
        gain = self.lam / 2 * (len(unit) + unit.along(unit.total()))
        picks: list[Tensor] = []
        for _ in range(k):
            at = gain.argmax(0, keepdim=True)
            picks.append(at)
            twice = 1 + unit.products(unit.take(at))[:, 0]
            gain = (gain - twice).index_fill(0, at, -torch.inf)
        return torch.cat(picks)

    def flops(self, n: int, d: int, k: int) -> float:
        """By the numbers of p and h last seen, and classes of equal size."""
        one, other = self._width
        parts = self.part_count
        begin = n * (4.0 * one * other + 5.0 * (one + other)) + class_parts_flops(n, self.class_balanced)
        return begin + k * (n / parts) * (2.0 * (one + other) + 4.0)
