import torch
from torch import Tensor

from ..base import choice, rule, within
from ..errors import UsageError
from ..interface import BatchLosses
from .scored import Scored

WINDOW = 10  # epochs, as published


@rule
class DynUnc(Scored):
    """By how much a proxy's belief in each label moved.

    Formula: U_i = mean over all windows of ``window`` consecutive epochs of the standard deviation (n - 1) in it of
    p_t,y(x_i), the probability of the label at the end of epoch t; the k highest (or lowest).
    Source: Dyn-Unc (He et al., arXiv 2306.05175): windows of 10 epochs of the proxy's whole run. Its code leaves out
    the last epoch.
    Cost: the proxy's run (an artefact with its own ledger), 3·window operations a window and sample, and n log2 n.
    Ours: clean images; ties at random; a trace shorter than 10 epochs is one window by default.

    Parameters
    ----------
    keep, class_balanced
        The high scores, or the low ones; of the pool, or the same share of every class.
    window : int, optional
        Epochs of a window, 2 or more; by default 10, or all of a shorter trace.
    """

    group = "training dynamics"
    needs = frozenset({"trace"})
    keep: str = choice("hard", "easy")
    window: int | None = within("[2, inf)", None)
    class_balanced: bool = False

    def difficulty(self, losses: BatchLosses) -> Tensor:
        _, windows = windowed(losses, self.window)
        self.operations = 3.0 * windows.shape[1] * windows.shape[2]
        return windows.std(2).mean(1)


def windowed(losses: BatchLosses, window: int | None, epochs: int | None = None) -> tuple[Tensor, Tensor]:
    """Belief in the label ``[n, T]`` over the first ``epochs`` epochs, and its windows ``[n, T - J + 1, J]``."""
    trace = losses.trace[:, :epochs].to(torch.float32)
    count = trace.shape[1]
    length = min(WINDOW, count) if window is None else window
    if count < max(2, length):
        raise UsageError(
            f"the trace has {count} epochs, too few for windows of {max(2, length)}: train the proxy longer, or take a "
            "shorter window"
        )
    belief = trace.gather(2, losses.labels[:, None, None].expand(-1, count, 1))[:, :, 0]
    return belief, belief.unfold(1, length, 1)
