import torch
from torch import Tensor

from ..interface import BatchLosses, Selection
from ..maths.sampling import draw, extent, sort_flops, top_flops
from .wrapper import OfOne, plain


class Marginal(OfOne):
    """As many random candidates of each class as rule X picks of it.

    Formula: picks = {σ(i) : i picked by X}, σ drawn anew at each call, uniform among the permutations of 0, ..., B - 1
    that leave every label as it is; so each class has X's count, and within a class all subsets of that size are
    equally likely.
    Source: a control of ours: a rule that beats ``uniform`` but not this one has found out which classes to train on,
    not which images.
    Cost: X's, its signals included, and three orderings.
    Ours: classes are balanced within each call (each candidate batch, each epoch, the run), not how often an image is
    picked over a run, which no rule can choose in a random batch. X's weights move along with σ: each class keeps its
    weights.
    """

    group = "controls"

    def pick(self, feats: Tensor | None, losses: BatchLosses, k: int) -> Tensor | Selection:
        size, device = extent(feats, losses)
        labels = losses.labels
        chosen = self.ask(self._rule, feats, losses, k)
        chance = draw(size, size, self.generator(device), device)
        # Both orders list the classes one after the other: the first as they stand, the second at random.
        standing = torch.sort(labels, stable=True).indices
        mixed = chance.index_select(0, torch.sort(labels.index_select(0, chance), stable=True).indices)
        exchange = torch.empty_like(standing).index_copy(0, standing, mixed)
        return plain(Selection(exchange.index_select(0, chosen.indices), chosen.weights))

    def flops(self, n: int, d: int, k: int) -> float:
        return float(self._rule.flops(n, d, k)) + top_flops(n) + 2.0 * sort_flops(n)
