import torch
from torch import Tensor

from ..base import Strategy, choice, hidden, rule
from ..interface import BatchLosses, Cadence
from ..maths.geometry import points, points_flops, shuffled


@rule
class Herding(Strategy):
    """Picks whose mean feature stays as close as can be to the mean of all candidates.

    Formula: with μ the mean of f and A the t - 1 picks so far, the t-th is argmin_i ‖μ - (f_i + Σ_{j in A} f_j)/t‖ =
    argmax_i ⟨w, f_i⟩ - ‖f_i‖²/2, w = t·μ - Σ_{j in A} f_j.
    Source: Welling 2009, in the form that picks prototypes without replacement (iCaRL, Rebuffi et al., arXiv
    1611.07725), with features of length one, where the second term is a constant and w is Welling's weight vector.
    Cost: 2·B·d·k operations in k steps, one after the other; memory O(B d).
    Not comparable: figures of this name from DeepCore's code, which takes the largest distance for the smallest.
    Ours: the mean of all candidates (iCaRL: of one class at a time), so not class-balanced; the reference's features;
    ties at random. The sources prune a pool once, hence the cadence ``run``.

    Parameters
    ----------
    metric, cadence
        As in :class:`selbench.strategies.rules.kcenter.KCenter`.
    """

    group = "coverage"
    needs = frozenset({"features"})
    metric: str = choice("cosine", "euclidean")
    cadence: Cadence = choice("run", "batch", "epoch")
    _mean_gap: Tensor | None = hidden(None)

    def pick(self, feats: Tensor | None, losses: BatchLosses, k: int) -> Tensor:
        assert feats is not None
        rows, order = shuffled(points(feats, self.metric), self.generator(feats.device))
        mean = rows.mean(0)
        # Beside minus half the squared length, what is taken gets minus infinity here.
        offset = -0.5 * rows.square().sum(1)
        weight = mean
        picks: list[Tensor] = []
        for _ in range(k):
            at = torch.addmv(offset, rows, weight).argmax(0, keepdim=True)
            picks.append(at)
            weight = weight + mean - rows[at][0]
            offset.index_fill_(0, at, -torch.inf)
        self._mean_gap = torch.linalg.vector_norm(weight - mean) / k
        return order[torch.cat(picks)]

    def diagnostics(self) -> dict[str, Tensor]:
        """``mean_gap``: distance of the last picks' mean from the mean of the candidates; empty before."""
        return {} if self._mean_gap is None else {"mean_gap": self._mean_gap}

    def flops(self, n: int, d: int, k: int) -> float:
        return points_flops(n, d) + 3.0 * n * d + k * (2.0 * n * d + n + 2.0 * d)
