import torch
from torch import Tensor

from ..base import Strategy, rule, within
from ..interface import BatchLosses
from ..maths.sampling import draw, sort_flops, top_flops

ROUNDS = 50  # of k-means; one dimension and few groups settle in fewer
START = 3.0  # loss of a sample never seen
HUGE = 1e30  # losses are kept below, so that their sums stay finite


@rule
class SeTa(Strategy):
    """A random part of the pool without the hardest groups by loss, or without the easiest, by turns.

    Formula: draw k samples uniformly; cut their last losses into G = ``groups`` by k-means in one dimension, in order
    of their means; train on W = round(G·alpha) groups beginning with number epoch mod (G - W + 1), on all of them in
    epoch 0, at weight 1. From progress ``anneal`` on, the uniform draw is kept whole.
    Source: SeTa (Zhou et al., arXiv 2503.13385; their code): G = 5, alpha = 0.9, 10 % dropped uniformly (a fixed ratio
    of 0.9 here), anneal 0.875, first losses 3.0. Python rounds 4.5 to 4, as theirs: even epochs leave the hardest group
    out, odd ones the easiest, which is by far the largest.
    Cost: no scoring pass; two orderings and 50·n operations before each epoch.
    Steps: batches keep their size and a pass has fewer of them. The realised mean ratio is in the record.
    Ours: k-means begins at quantiles of the distinct losses, and has 50 rounds; an empty group keeps its mean; where a
    window holds nobody, the draw is kept whole; plain losses, not label-smoothed ones; a loss that is not finite counts
    as never seen.

    Parameters
    ----------
    groups : int
        Groups by loss; 1 is a random part of the pool.
    alpha : float
        Share of the groups that is trained on.
    anneal : float
        Progress in [0, 1] at which leaving groups out ends; 1 never ends it.
    """

    group = "losses"
    cadence = "epoch"
    needs = frozenset({"learner"})
    exact_count = False
    groups: int = within("[1, inf)", 5)
    alpha: float = within("(0, 1]", 0.9)
    anneal: float = within("[0, 1]", 0.875)

    def pick(self, feats: Tensor | None, losses: BatchLosses, k: int) -> Tensor:
        """What is kept of ``k`` drawn samples; waits for the device once."""
        known = losses.learner.double()
        drawn = draw(len(known), k, self.generator(known.device), known.device)
        width = max(1, round(self.groups * self.alpha))
        if losses.progress >= self.anneal or losses.epoch == 0 or width >= self.groups:
            return drawn
        seen = torch.where(known.isfinite(), known, START).clamp(-HUGE, HUGE)[drawn]
        first = losses.epoch % (self.groups - width + 1)
        group = grouped_by_loss(seen, self.groups)
        kept = drawn[(group >= first) & (group < first + width)]
        return kept if len(kept) else drawn

    def flops(self, n: int, d: int, k: int) -> float:
        if max(1, round(self.groups * self.alpha)) >= self.groups:
            return top_flops(n)
        return top_flops(n) + 2.0 * n + 10.0 * k + sort_flops(k) + ROUNDS * (k + 9.0 * self.groups)


def grouped_by_loss(values: Tensor, groups: int) -> Tensor:
    """The group ``[n]`` of each of ``values`` ``[n]`` float64, by k-means, that of the lowest values first."""
    ordered = values.sort().values
    size = len(ordered)
    sums = torch.cat([ordered.new_zeros(1), ordered.cumsum(0)])
    places = torch.arange(groups, device=values.device)
    # Quantiles of the distinct values: of equal ones, such as those of samples never seen, no two means may begin.
    distinct = torch.cat([torch.ones_like(ordered[:1], dtype=torch.bool), ordered.diff() > 0]).cumsum(0)
    place = torch.div((2 * places + 1) * distinct[-1], 2 * groups, rounding_mode="floor")
    means = ordered[torch.searchsorted(distinct, place + 1)]
    edges = torch.stack([torch.zeros_like(places[0]), torch.full_like(places[0], size)])
    for _ in range(ROUNDS):
        inner = torch.searchsorted(ordered, (means[1:] + means[:-1]) / 2)
        cuts = torch.cat([edges[:1], inner, edges[1:]])
        counts = cuts.diff()
        means = torch.where(counts > 0, (sums[cuts[1:]] - sums[cuts[:-1]]) / counts.clamp_min(1), means)
    return torch.searchsorted((means[1:] + means[:-1]) / 2, values, right=True)
