import torch
from torch import Tensor

from ..base import Strategy, choice, hidden, rule, within
from ..interface import BatchLosses
from ..maths.sampling import top, top_flops, weighted, weighted_flops
from .dyn_unc import windowed

FEW = 10  # samples of highest score, whose mean belief says where the beta density begins
TOTAL = 16.0  # a + b of the beta density
EDGE = 1e-6  # of a mean belief: float32 cannot tell more from 0 or 1


@rule
class DUAL(Strategy):
    """Samples that a proxy doubts early on, easier ones the more is pruned.

    Formula: over the proxy's first ``epochs`` epochs, D_i = mean over all windows of sd·(1 - mean) of p_t,y(x_i), the
    probability of the label; m_i = mean_t p_t,y(x_i). "beta": k are drawn without replacement with chances in
    proportion to D_i·m_i^(a-1)·(1 - m_i)^(b-1), b = 15·(1 - m*)·(1 - ρ^c), a = 16 - b, with ρ the share pruned and m*
    the mean m of the ten highest D. "top": the k highest D.
    Source: DUAL (Cho et al., arXiv 2502.06905) and its authors' code: 30 epochs of 200, windows of 10, c = 4 for
    CIFAR-100 and 11 for ImageNet. Their README's command takes ranks for scores; the formula is theirs all the same.
    Cost: the proxy's run (an artefact with its own ledger), 5·window operations a window and sample, n logarithms and
    two orderings.
    Ours: clean images; a shorter trace is taken whole, and one shorter than 10 epochs is one window by default; m is
    kept within 1e-6 of 0 and 1; ties at random. A proxy of 30 passes is the matrix's to set.

    Parameters
    ----------
    draw : {"beta", "top"}
        How the picks are made of D.
    c : float
        How late the density moves to easy samples as more is pruned.
    epochs : int
        Epochs of the trace that are read.
    window : int, optional
        Epochs of a window, 2 or more; by default 10, or all of a shorter trace.
    """

    group = "training dynamics"
    cadence = "run"
    needs = frozenset({"trace"})
    draw: str = choice("beta", "top")
    c: float = within("(0, inf)", 4.0)
    epochs: int = within("[2, inf)", 30)
    window: int | None = within("[2, inf)", None)
    _operations: float = hidden(0.0)

    def pick(self, feats: Tensor | None, losses: BatchLosses, k: int) -> Tensor:
        scores, belief = self.scores(losses)
        stream = self.generator(scores.device)
        if self.draw == "top":
            return top(scores, k, stream)
        return weighted(self.log_chances(scores, belief, 1 - k / len(scores)), k, stream)

    def scores(self, losses: BatchLosses) -> tuple[Tensor, Tensor]:
        """D ``[n]`` and m ``[n]``."""
        belief, windows = windowed(losses, self.window, self.epochs)
        self._operations = 5.0 * windows.shape[1] * windows.shape[2] + belief.shape[1]
        return (windows.std(2) * (1 - windows.mean(2))).mean(1), belief.mean(1)

    def difficulty(self, losses: BatchLosses) -> Tensor:
        """D ``[n]`` alone."""
        return self.scores(losses)[0]

    def log_chances(self, scores: Tensor, belief: Tensor, pruned: float) -> Tensor:
        """Logarithms of the chances ``[n]``, up to a constant."""
        ranked = torch.nan_to_num(scores, nan=-1.0).topk(min(FEW, len(scores))).indices
        start = belief.index_select(0, ranked).mean()
        b = (TOTAL - 1) * (1 - start) * (1 - pruned**self.c)
        inside = belief.clamp(EDGE, 1 - EDGE)
        return (TOTAL - b - 1) * inside.log() + (b - 1) * (1 - inside).log() + scores.log()

    def flops(self, n: int, d: int, k: int) -> float:
        picked = top_flops(n) if self.draw == "top" else weighted_flops(n) + top_flops(n)
        return n * (self._operations + (0.0 if self.draw == "top" else 8.0)) + picked
