import torch
from torch import Tensor

from ..base import rule, within
from ..maths.sampling import draw, portion, top, top_flops
from .running_losses import RunningLosses


@rule
class EpsilonGreedy(RunningLosses):
    """For each pass, what the learner has lately done worst on, and some of the rest at random.

    Formula: with m_i the running mean of sample i's training losses and t = ⌊epsilon·k + 1/2⌋, the k - t of highest m_i
    and t drawn uniformly from the others.
    Source: dynamic data pruning (Raju, Daruwalla & Lipasti, arXiv 2111.12621), of which we have the abstract, and the
    formula from a third party's port on timm. A standing baseline of the dynamic rules.
    Cost: no scoring pass; 5 operations a visit and two orderings of the pool.
    Ours: all defaults (the source's are not known to us); losses of training steps in place of the port's extra pass
    over the pool; a mean starts at the first loss, and a sample never visited comes first (the port starts all at 1 and
    trains the first and last epochs on everything, which a fixed count cannot hold); no weights.

    Parameters
    ----------
    epsilon : float
        Share of the picks that is drawn at random, in [0, 1]; 1 is plain random.
    rate : float
        Weight of the newest loss in the running mean, in (0, 1]; 1 is the last loss.
    every : int
        Passes for which a subset is kept.
    """

    group = "losses"
    epsilon: float = within("[0, 1]", 0.1)
    rate: float = within("(0, 1]", 0.5)
    every: int = within("[1, inf)", 1)

    def chosen(self, mean: Tensor, variance: Tensor, k: int) -> Tensor:
        stream, random = self.generator(mean.device), portion(self.epsilon, k)
        greedy = top(mean, k - random, stream)
        if random == 0:
            return greedy
        return torch.cat([greedy, draw(len(mean), random, stream, mean.device, greedy)])

    def flops(self, n: int, d: int, k: int) -> float:
        return n + top_flops(n) * (2 if portion(self.epsilon, k) else 1)
