import torch
from torch import Tensor

from ..base import Strategy, choice, hidden, rule, within
from ..interface import BatchLosses
from ..maths.sampling import error, top, top_flops, weighted, weighted_flops

# Share of what there was at first that is taken for rounding (float32): of a gradient's squared length outside the span
# of the picks, and of the largest product with the mean gradient.
NEGLIGIBLE = 1e-5


@rule
class DivBS(Strategy):
    """Picks whose gradients together span most of the batch's mean gradient, each counted for what it adds.

    Formula: g_i = (p(x_i) - onehot(y_i)) ⊗ h_i, the last layer's gradient, and r = mean_i g_i. Each pick is drawn with
    chances |⟨g_i, r⟩| ("proportional") or is the largest of them ("greedy"); then r loses its part along g_pick
    orthogonalised against the picks before.
    Source: DivBS (Hong et al., arXiv 2406.04872), the greedy maximiser of orthogonalised representativeness; chances in
    proportion as in the authors' code. Published at k/B = 32/320.
    Cost: the learner's scoring pass, 2·B²(C + h) for the products of gradients (never formed themselves), and for each
    of the first picks 2·B operations a pick before it and an ordering.
    Ours: the rest after ``rounds`` picks is made at once, by what the mean gradient still lacks, so that the steps do
    not grow with k (published k: the same); candidates that add nothing come last, at random, as the code does once r
    is spent; features that are not finite count as 0, such probabilities as no gradient at all.

    Parameters
    ----------
    draw : {"proportional", "greedy"}
        How a pick is made.
    rounds : int
        Picks made one by one, the one that takes the rest included.
    """

    needs = frozenset({"learner_probs", "learner_features"})
    draw: str = choice("proportional", "greedy")
    rounds: int = within("[1, inf)", 32)
    _hidden: int = hidden(0)

    def pick(self, feats: Tensor | None, losses: BatchLosses, k: int) -> Tensor:
        products = self.products(losses)
        stream = self.generator(products.device)
        # A pivoted Cholesky decomposition: spanned[i, j] = ⟨g_i, q_j⟩, the q_j orthonormal and spanning the picks.
        single = min(k, self.rounds) - 1
        spanned = products.new_zeros(len(products), single)
        lacking = products.mean(1)
        least = NEGLIGIBLE * lacking.abs().amax()
        length = products.diagonal()
        left = length
        picks = products.new_zeros(0, dtype=torch.int64)
        for j in range(single):
            at = self._drawn(lacking, least, 1, stream, picks)
            picks = torch.cat([picks, at])
            new = left.index_select(0, at)
            adds = new > NEGLIGIBLE * length.index_select(0, at)
            scale = torch.where(adds, new.clamp_min(1e-30).rsqrt(), 0.0)
            along = products.index_select(0, at)[0] - spanned @ spanned.index_select(0, at)[0]
            along = along * scale
            spanned[:, j] = along
            lacking = lacking - lacking.index_select(0, at) * scale * along
            left = left - along.square()
        return torch.cat([picks, self._drawn(lacking, least, k - single, stream, picks)])

    def products(self, losses: BatchLosses) -> Tensor:
        """Inner products ``[B, B]`` of the candidates' last-layer gradients."""
        wrong, hidden = error(losses.learner_probs, losses.labels), losses.learner_features.float()
        self._classes, self._hidden = wrong.shape[1], hidden.shape[1]
        wrong, hidden = wrong.nan_to_num(0.0, 0.0, 0.0), hidden.nan_to_num(0.0, 0.0, 0.0)
        return (wrong @ wrong.t()) * (hidden @ hidden.t())

    def _drawn(self, lacking: Tensor, least: Tensor, k: int, stream: torch.Generator, taken: Tensor) -> Tensor:
        """``k`` positions by what the mean gradient lacks of them; what is less than ``least`` is rounding."""
        size = lacking.abs()
        size = torch.where(size > least, size, 0.0)
        return top(size, k, stream, taken) if self.draw == "greedy" else weighted(size.log(), k, stream, taken)

    def flops(self, n: int, d: int, k: int) -> float:
        """Products (classes of the pool or last seen; the width h last seen, none before a pick), then the rounds."""
        single = min(k, self.rounds) - 1
        drawn = 3.0 * n + (top_flops(n) if self.draw == "greedy" else n + weighted_flops(n))
        return (
            n * n * (2.0 * (self._classes + self._hidden) + 2.0)
            + single * (2.0 * n * single + 6.0 * n)
            + (single + 1) * drawn
        )
