import torch
from torch import Tensor

from ..base import Strategy, choice, rule, within
from ..interface import BatchLosses, Cadence
from ..maths.sampling import draw, top, top_flops


@rule
class OrderDP(Strategy):
    """The highest losses of a random part of the pool.

    Formula: draw s = k/share samples uniformly, and keep the k of them whose last loss is highest, at weight 1; a loss
    never seen counts as ``start``. In expectation the j-th largest of n losses is kept with chance Σ_{l <= k} C(j-1,
    l-1)·C(n-j, s-l)/C(n, s): for large n s/n above a quantile of the loss, and 0 below.
    Source: OrderDP (Jin et al., arXiv 2606.08574; ordered SGD of Kawaguchi & Lu where s is a mini-batch): s/n = 0.5,
    share = 0.6, so that 30 % are kept; on ImageNet 0.8 x 0.9 and 0.75 x 0.8. In their code the start is 3.0, losses are
    those of training and so as old as the sample's last pick, and no epoch is whole at the end.
    Cost: no scoring pass; two orderings before each epoch.
    Ours: the keep ratio k/n comes from the schedule, and s follows from it, n at most; ties at random; plain losses,
    not label-smoothed ones; a loss that is not finite counts as never seen.

    Parameters
    ----------
    share : float
        Kept share k/s of what is drawn; 1 is random picks.
    start : float
        Loss of a sample never seen.
    cadence : {"epoch", "batch"}
        Whether s is drawn of the pool, or of each candidate batch by fresh losses.
    """

    group = "losses"
    needs = frozenset({"learner"})
    share: float = within("(0, 1]", 0.6)
    start: float = within("[0, inf)", 3.0)
    cadence: Cadence = choice("epoch", "batch")

    def pick(self, feats: Tensor | None, losses: BatchLosses, k: int) -> Tensor:
        known = losses.learner.float()
        size, stream = len(known), self.generator(known.device)
        drawn = draw(size, self._drawn(size, k), stream, known.device)
        seen = torch.where(known.isfinite(), known, self.start).index_select(0, drawn)
        return drawn.index_select(0, top(seen, k, stream))

    def _drawn(self, size: int, k: int) -> int:
        return max(k, min(size, round(k / self.share)))

    def flops(self, n: int, d: int, k: int) -> float:
        return 2.0 * n + top_flops(n) + top_flops(self._drawn(n, k))
