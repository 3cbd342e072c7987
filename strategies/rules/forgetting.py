import torch
from torch import Tensor

from ..base import choice, rule
from ..interface import BatchLosses
from .scored import Traced


@rule
class Forgetting(Traced):
    """By how often a proxy forgot each sample again.

    Formula: F_i = #{t : the class of highest p_t(x_i) is y_i, that of p_{t+1}(x_i) is not}; +∞ (or 0) where it never is
    y_i; the k highest (or lowest).
    Source: Toneva et al. (arXiv 1812.05159) and Data Diet (arXiv 2107.07075), where what was never learned counts as
    forgotten without end; DeepCore (arXiv 2204.08499, ``class_balanced=True, never="zero"``) and CCS (arXiv 2210.15809)
    leave it at 0.
    Cost: the proxy's run (an artefact with its own ledger), (C + 4)·T operations a sample and n log2 n.
    Ours: correctness on clean images at the end of each epoch (the source: whenever a sample is trained on); of classes
    equally likely the first is predicted; equal counts, of which there are many, at random.

    Parameters
    ----------
    keep, class_balanced
        What is forgotten most, or least; of the pool, or the same share of every class.
    never : {"infinite", "zero"}
        Events of a sample that was never learned.
    views : {"clean", "trained"}
        Outputs on clean images at the end of each epoch, or on each view as it was trained on (as the source has it).
    """

    group = "training dynamics"
    keep: str = choice("hard", "easy")
    never: str = choice("infinite", "zero")
    class_balanced: bool = False
    views: str = choice("clean", "trained")

    def difficulty(self, losses: BatchLosses) -> Tensor:
        epochs, classes = self.trace(losses).shape[1:]
        self.operations = (classes + 4.0) * epochs
        right = self.trace(losses).argmax(2) == losses.labels[:, None]
        events = (right[:, :-1] & ~right[:, 1:]).sum(1).to(torch.float32)
        return events if self.never == "zero" else torch.where(right.any(1), events, torch.inf)
