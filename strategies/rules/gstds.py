import torch
from torch import Tensor

from ..base import choice, rule, within
from ..interface import BatchLosses, Cadence
from ..maths.sampling import draw, extent, portion, top, top_flops, weighted, weighted_flops
from .fiedler import FiedlerScores


@rule
class GSTDS(FiedlerScores):
    """Half of the picks by the Fiedler vector, half sampled by the reference model's loss.

    Formula: with t = ⌊share·k + 1/2⌋, the t candidates of highest |v| (L v = λ2 v on the graph of cosine similarities);
    the other k - t drawn from the rest without replacement, weights 1/(l + eps), l + eps, or 1, l the reference's loss.
    Source: GSTDS (Sharifi & Harati, arXiv 2507.04269), by a summary of the paper: the half share, the Fiedler score and
    weights inverse to the reference's loss. Its keep ratio follows a sigmoid over training (see the schedules).
    Readings: the paper's text was not to be had, so that four choices are open, and a result is one of a reading:
    ``normalized``, ``score``, ``end`` and ``eps`` (and ``weighting``). The default, the plain Laplacian and the high
    |v|, comes to little on real features: v has .93 to .99 of its squared length on one candidate, the least like the
    others; that one is kept, and the rest of the half ranks by how unlike it they are (without it a third of the picks
    change). ``normalized=True`` spreads v, over 46 of 128 candidates. The shipped matrices run both, as ``gstds`` and
    ``gstds-normalized``. Each record holds the participation ratio 1/Σ v⁴ as a diagnostic, once an epoch, and a report
    says beside it which reading ran.
    Cost: the eigenvector (``steps`` Laplacian products of O(B d)) and two orderings.
    Ours: all that is ours in ``fiedler``; eps. The summary calls the sampled half "exploration
    of high-error regions", which contradicts inverse weights: ``direct`` is the other reading. A NaN loss is drawn
    last.

    Parameters
    ----------
    share : float
        Share of the picks made by the Fiedler vector, in [0, 1].
    score, end, normalized, negative, steps, cadence
        As in :class:`selbench.strategies.rules.fiedler.Fiedler`.
    weighting : {"inverse", "direct", "uniform"}
        Weights of the sampled half.
    eps : float
        Nats added to each loss, so that a loss of 0 has a finite weight.
    """

    group = "spectral"
    share: float = within("[0, 1]", 0.5)
    score: str = choice("abs", "signed")
    end: str = choice("high", "low")
    normalized: bool = False
    negative: str = choice("shift", "refuse")
    weighting: str = choice("inverse", "direct", "uniform")
    eps: float = within("(0, inf)", 1e-3)
    steps: int | None = within("[1, inf)", None)
    cadence: Cadence = choice("batch", "epoch", "run")

    def __post_init__(self) -> None:
        super().__post_init__()
        sampled = {"reference"} if self.weighting != "uniform" and self.share < 1.0 else set()
        self.needs = frozenset(sampled | ({"features"} if self.share > 0.0 else set()))

    def pick(self, feats: Tensor | None, losses: BatchLosses, k: int) -> Tensor:
        spectral = portion(self.share, k)
        if spectral == 0:
            self._pair = None
            return self._sample(feats, losses, k, None)
        assert feats is not None
        chosen = top(self.node_scores(feats), spectral, self.generator(feats.device))
        return chosen if spectral == k else torch.cat([chosen, self._sample(feats, losses, k - spectral, chosen)])

    def flops(self, n: int, d: int, k: int) -> float:
        spectral = portion(self.share, k)
        total = super().flops(n, d, k) if spectral else 0.0
        if spectral == k:
            return total
        return total + (top_flops(n) if self.weighting == "uniform" else weighted_flops(n) + 4.0 * n)

    def _sample(self, feats: Tensor | None, losses: BatchLosses, count: int, taken: Tensor | None) -> Tensor:
        if self.weighting == "uniform":
            size, device = extent(feats, losses)
            return draw(size, count, self.generator(device), device, taken)
        log_weights = (losses.reference.float().clamp_min(0.0) + self.eps).log()
        if self.weighting == "inverse":
            log_weights = -log_weights
        return weighted(log_weights, count, self.generator(log_weights.device), taken)
