import math
from collections import Counter

import torch
from torch import Tensor

from ..base import Strategy, choice, rule, within
from ..interface import BatchLosses
from ..maths.sampling import sort_flops, weighted, weighted_flops
from .per_class import quotas


@rule
class RCAP(Strategy):
    """For each pass, more of the classes of high loss, and within a class more of its high losses, by chance.

    Formula: l_i clipped to [0, ln C], ln C where it was never seen. Class c of n_c samples gets q_c picks, Σ q_c = k,
    in proportion to √(L_c·n_c/n), L_c the loss of the class; they are drawn one after the other with chances in
    proportion to exp(l_i/beta), the softmax within the class.
    Source: RCAP (UAI 2025, arXiv 2606.11761), of which we have the abstract, and its authors' code; beta in {1/3 .. 3}
    there, 1/4 in its example at a fifth kept. In the code L_c is no loss but the sum over the last picks of class c of
    their softmax, 1 for every class at first; counts are rounded up; classes with too few samples get their rest from
    the whole budget, so that more than k are kept.
    Cost: no scoring pass; an ordering of the labels and one of each class.
    Ours: "mean" or "sum" for what the paper calls the aggregated loss of a class ("mean" starts at √n_c, as the code
    does); quotas that sum to k, by largest remainders, ties at random, and what a class lacks to the others by the same
    rule; losses are those of the last training step on a sample.

    Parameters
    ----------
    beta : float
        Temperature of the draw within a class: small for the highest losses, large for random picks.
    class_loss : {"mean", "sum"}
        L_c: the mean or the sum of the clipped losses of class c.
    """

    group = "class quotas"
    cadence = "epoch"
    needs = frozenset({"learner"})
    beta: float = within("(0, inf)", 0.25)
    class_loss: str = choice("mean", "sum")

    def pick(self, feats: Tensor | None, losses: BatchLosses, k: int) -> Tensor:
        labels, stream = losses.labels, self.generator(losses.labels.device)
        classes, sizes = zip(*sorted(Counter(labels.tolist()).items()), strict=True)
        worst = math.log(max(2, self._classes, len(classes)))
        known = losses.learner.double().nan_to_num(worst).clamp(0, worst)
        members = labels.argsort(stable=True).split(sizes)
        luck = torch.rand(len(sizes), generator=stream, device=labels.device).tolist()
        inside = [known.index_select(0, at) for at in members]
        of_class = [float(part.sum() if self.class_loss == "sum" else part.mean()) for part in inside]
        wanted = [math.sqrt(loss * size) for loss, size in zip(of_class, sizes, strict=True)]
        parts = zip(members, inside, quotas(wanted, sizes, k, luck), strict=True)
        drawn = [at.index_select(0, weighted(part / self.beta, quota, stream)) for at, part, quota in parts if quota]
        return torch.cat(drawn)

    def flops(self, n: int, d: int, k: int) -> float:
        return 4.0 * n + sort_flops(n) + weighted_flops(n)
