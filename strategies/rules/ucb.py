from torch import Tensor

from ..base import choice, rule, within
from ..maths.sampling import top, top_flops
from .running_losses import RunningLosses


@rule
class UCB(RunningLosses):
    """For each pass, the samples whose loss may be highest: a high running mean, or one that varies.

    Formula: the k highest m_i + confidence·v_i, with m_i and v_i the running mean and variance of sample i's training
    losses ("variance"), or m_i + confidence·√v_i ("deviation").
    Source: dynamic data pruning (Raju, Daruwalla & Lipasti, arXiv 2111.12621), of which we have the abstract, and the
    formula with the variance from a third party's port on timm. A standing baseline of the dynamic rules.
    Cost: no scoring pass; 5 operations a visit and one ordering of the pool.
    Ours: as in ``epsilon-greedy``, all defaults included; which of variance and deviation the paper takes is not known
    to us.

    Parameters
    ----------
    confidence : float
        What the spread counts, beside the mean.
    spread : {"variance", "deviation"}
        What it is.
    rate, every
        As in :class:`selbench.strategies.rules.epsilon_greedy.EpsilonGreedy`.
    """

    group = "losses"
    confidence: float = within("[0, inf)", 1.0)
    spread: str = choice("variance", "deviation")
    rate: float = within("(0, 1]", 0.5)
    every: int = within("[1, inf)", 1)

    def chosen(self, mean: Tensor, variance: Tensor, k: int) -> Tensor:
        spread = variance if self.spread == "variance" else variance.sqrt()
        scores = mean + self.confidence * spread
        return top(scores, k, self.generator(scores.device))

    def flops(self, n: int, d: int, k: int) -> float:
        return (4.0 if self.spread == "deviation" else 3.0) * n + top_flops(n)
