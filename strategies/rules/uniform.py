from torch import Tensor

from ..base import Strategy, choice, rule
from ..interface import BatchLosses, Cadence
from ..maths.sampling import draw, extent, top_flops


@rule
class Uniform(Strategy):
    """A uniform random subset, drawn anew at each call.

    Formula: k of B positions without replacement, all subsets equally likely.
    Source: repeated random sampling (RS2, Okanovic et al., arXiv 2305.18424) at cadence ``epoch``.
    Cost: one random number each and n log2 n.
    Ours: the cadence is a parameter, so that the rule serves as twin of any other; a static random
    subset is cadence ``run``.

    Parameters
    ----------
    cadence : {"batch", "epoch", "run"}
        When a new subset is drawn.
    """

    group = "baselines"
    cadence: Cadence = choice("batch", "epoch", "run")

    def pick(self, feats: Tensor | None, losses: BatchLosses, k: int) -> Tensor:
        size, device = extent(feats, losses)
        return draw(size, k, self.generator(device), device)

    def flops(self, n: int, d: int, k: int) -> float:
        return top_flops(n)
