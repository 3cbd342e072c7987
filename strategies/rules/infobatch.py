import torch
from torch import Tensor

from ..base import Strategy, choice, rule, within
from ..interface import BatchLosses, Selection
from ..maths.sampling import draw, top, top_flops


@rule
class InfoBatch(Strategy):
    """All of the pool but a random part of what the learner already does well, made up for by weights.

    Formula: of the m samples whose last loss is below the pool's mean, floor(ratio · m) random ones are kept at weight
    1/ratio, and all the others at weight 1; the weighted losses are averaged as they are (raw). A pass is pruned if it
    ends by progress ``anneal``; after that everything is kept at weight 1.
    Source: InfoBatch (Qin et al., arXiv 2303.04947; their code, which prunes pass e = 1, 2, .. of E where e ≤ delta·E).
    The ratio is one less the published pruning
    probability: a fixed ratio of 0.5 with ``anneal`` 0.875 is the published setting. What is kept of the whole pool is
    1 - (1 - ratio)·m/n, the realised mean ratio of the record.
    Cost: no scoring pass; n log2 n before each epoch.
    Steps: batches keep their size and a pass has fewer of them, as published: a pass that keeps 60 % has 60 % of the
    steps. What makes no whole batch is left out of the pass, as it is for every rule.
    Ours: plain training losses in place of label-smoothed ones; a sample never seen or whose loss is not a number is
    not pruned and left out of the mean, so that the first epoch is whole.

    Parameters
    ----------
    prune : {"low", "random"}
        What is thinned out: the samples below the mean or (control) as many random ones, with the same weights.
    anneal : float
        Progress in [0, 1] by which pruning ends; 1 never ends it. How far a pass goes is told by those before it.
    """

    group = "losses"
    revision = 1  # of revision 0 the pass in which ``anneal`` fell was pruned too
    cadence = "epoch"
    needs = frozenset({"learner"})
    weights_mode = "raw"
    exact_count = False
    prune: str = choice("low", "random")
    anneal: float = within("[0, 1]", 0.875)

    def pick(self, feats: Tensor | None, losses: BatchLosses, k: int) -> Selection:
        """The thinned-out samples that are kept, then all others, with their weights; waits for the device once."""
        # In float64 the mean of equal losses is that loss, and none is below it.
        scores = losses.learner.double()
        size, device = scores.shape[0], scores.device
        if self._annealed(losses) or k == size:
            return Selection(torch.arange(size, device=device), torch.ones(size, device=device))
        finite = torch.isfinite(scores)
        low = scores < torch.where(finite, scores, 0.0).sum() / finite.sum()
        stream = self.generator(device)
        count = int(low.sum())
        # Ties are broken at random: the low ones in random order, then the others.
        order = top(low.float(), size, stream) if self.prune == "low" else draw(size, size, stream, device)
        kept = count * k // size
        picks = order[count - kept :]
        weights = torch.ones(picks.shape, device=device)
        weights[:kept] = size / k
        return Selection(picks, weights)

    def _annealed(self, losses: BatchLosses) -> bool:
        """Whether this pass would end beyond ``anneal``."""
        if losses.epoch == 0:
            return losses.progress >= self.anneal
        end = min(1.0, losses.progress * (losses.epoch + 1) / losses.epoch)
        return end > self.anneal + 1e-9

    def flops(self, n: int, d: int, k: int) -> float:
        """The mean, what is below it, and one ordering; nothing where everything is kept."""
        return 6.0 * n + top_flops(n) if k < n else 1.0
