import torch
from torch import Tensor

from ..base import Strategy
from ..interface import BatchLosses
from ..maths.graph import Graph, graph_flops
from ..maths.sampling import draw, top, top_flops


class Outlier(Strategy):
    """The one candidate least like its batch, the rest at random: the spectral rules' second control.

    Formula: argmin over i of Σ_j cos(f_i, f_j), and k - 1 others uniformly.
    Source: a control of ours. On real features the Fiedler vector of the unnormalised Laplacian sits
    on one node (participation ratio 1.0 to 1.1), mostly the one of lowest degree; ranks behind it are
    close to arbitrary. Whatever a spectral rule gains beyond this control it owes to its ranks.
    Cost: O(B d) for the degrees, and two orderings.
    Ours: all of it.
    """

    group = "controls"
    needs = frozenset({"features"})

    def pick(self, feats: Tensor | None, losses: BatchLosses, k: int) -> Tensor:
        assert feats is not None
        stream = self.generator(feats.device)
        outlier = top(-Graph(feats).degrees, 1, stream)
        return torch.cat([outlier, draw(feats.shape[0], k - 1, stream, feats.device, taken=outlier)])

    def flops(self, n: int, d: int, k: int) -> float:
        return graph_flops(n, d) + 2 * top_flops(n)
