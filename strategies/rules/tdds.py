import torch
from torch import Tensor

from ..base import choice, rule, within
from ..errors import UsageError
from ..interface import BatchLosses
from .scored import Traced

TINY = 1.2e-38  # probabilities below count as that


@rule
class TDDS(Traced):
    """By how unevenly a proxy's prediction of each sample moved from epoch to epoch.

    Formula: δ_t = Σ_c |p_t,c (log p_t,c - log p_{t-1,c})|; a window of J epochs holds J - 1 of them, and a_w is the
    length of δ - mean(δ) in window w = 0, ..., W - 1; the score is Σ_w alpha·(1 - alpha)^(W-1-w)·a_w; the k highest (or
    lowest).
    Source: TDDS (Zhang et al., arXiv 2311.13613; their code): alpha = 0.9, so that the last two windows weigh 99 %. T
    and J are chosen for each rate there, from (T, J) = (90, 10), (70, 10), (60, 20), (20, 10), (10, 5); fix one pair
    beforehand. A third party's port never moves the window and feeds logits to the logarithm: its figures say nothing.
    Cost: the proxy's run (an artefact with its own ledger), 5·C operations a sample and epoch and J a window.
    Ours: T is the length of the proxy's run; clean images at the end of each epoch (the source: of the augmented views
    that are trained); ties at random.

    Parameters
    ----------
    keep, class_balanced
        The high scores, or the low ones; of the pool, or the same share of every class.
    window : int
        Epochs J of a window, 3 at least; all epochs where there are fewer.
    alpha : float
        Weight of a later window against all before it.
    views : {"clean", "trained"}
        Outputs on clean images at the end of each epoch, or on each view as it was trained on (as the source has it).
    """

    group = "training dynamics"
    keep: str = choice("hard", "easy")
    window: int = within("[3, inf)", 10)
    alpha: float = within("(0, 1]", 0.9)
    class_balanced: bool = False
    views: str = choice("clean", "trained")

    def difficulty(self, losses: BatchLosses) -> Tensor:
        trace = self.trace(losses).to(torch.float32)
        epochs, classes = trace.shape[1:]
        if epochs < 3:
            raise UsageError(
                f"the trace has {epochs} epochs, and a window of TDDS needs 3 at least: train the proxy longer, such "
                "as passes = 20 under [proxy]"
            )
        span = min(self.window, epochs) - 1
        logs = trace.clamp_min(TINY).log()
        moved = (trace[:, 1:] * logs.diff(dim=1)).abs().sum(2)
        windows = moved.unfold(1, span, 1)
        lengths = torch.linalg.vector_norm(windows - windows.mean(2, keepdim=True), dim=2)
        count = lengths.shape[1]
        self.operations = 5.0 * classes * epochs + (3.0 * span + 2.0) * count
        powers = torch.arange(count - 1, -1, -1, device=trace.device, dtype=torch.float32)
        return (lengths * (self.alpha * (1 - self.alpha) ** powers)).sum(1)
