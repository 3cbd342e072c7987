from torch import Tensor

from ..base import Strategy, choice, rule
from ..interface import BatchLosses
from ..maths.graph import Graph, graph_flops
from ..maths.sampling import oriented, top, top_flops


@rule
class Degree(Strategy):
    """The candidates least (or most) like the rest of their batch: the spectral rules' first control.

    Formula: score_i = mean over j != i of cos(f_i, f_j), computed as (f_i · Σ f - 1)/(B - 1).
    Source: a control of ours. The Fiedler vector of a dense, nearly homogeneous graph concentrates on
    nodes of low degree, so a rule built on it must beat their degree alone.
    Cost: O(B d); no eigenvector.
    Ours: negative similarities are shifted as in :class:`selbench.strategies.maths.graph.Graph`.

    Parameters
    ----------
    end : {"low", "high"}
        Low mean similarity (default) keeps outliers, high keeps the typical.
    """

    group = "controls"
    needs = frozenset({"features"})
    end: str = choice("low", "high")

    def pick(self, feats: Tensor | None, losses: BatchLosses, k: int) -> Tensor:
        assert feats is not None
        degrees = Graph(feats).degrees
        return top(oriented(degrees, self.end, "high"), k, self.generator(feats.device))

    def flops(self, n: int, d: int, k: int) -> float:
        return graph_flops(n, d) + top_flops(n)
