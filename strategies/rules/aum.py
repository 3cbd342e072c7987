import torch
from torch import Tensor

from ..base import choice, rule
from ..interface import BatchLosses
from .scored import Traced


@rule
class AUM(Traced):
    """By the margin of the true class over the best other one, along a proxy's run.

    Formula: AUM_i = mean over epochs t of z_t,y(x_i) - max_{c≠y} z_t,c(x_i), z the logits (or probabilities); low is
    hard.
    Source: Pleiss et al. (arXiv 2001.10528) for logits, to find wrong labels, which have low margins (``keep="easy"``
    leaves them out); CCS (arXiv 2210.15809) keeps the low ones, and its authors' code takes probabilities.
    Cost: the proxy's run (an artefact with its own ledger), 3·T·C operations a sample (C·T on probabilities) and n log2
    n.
    Ours: margins of clean images at the end of each epoch (the sources: of the augmented view that is trained). Logits
    enter as log-probabilities, whose differences are the same; probabilities below 1.2e-38 count as that.

    Parameters
    ----------
    keep, class_balanced
        The low margins, or the high ones; of the pool, or the same share of every class.
    margin : {"logits", "probabilities"}
        What the margin is of.
    views : {"clean", "trained"}
        Outputs on clean images at the end of each epoch, or on each view as it was trained on (as the source has it).
    """

    group = "training dynamics"
    keep: str = choice("hard", "easy")
    margin: str = choice("logits", "probabilities")
    class_balanced: bool = False
    views: str = choice("clean", "trained")

    def difficulty(self, losses: BatchLosses) -> Tensor:
        scores = self.trace(losses).to(torch.float32)
        epochs, classes = scores.shape[1:]
        self.operations = (classes + 2.0) * epochs
        if self.margin == "logits":
            self.operations += 2.0 * classes * epochs
            scores = scores.clamp_min(torch.finfo(torch.float32).tiny).log()
        at = losses.labels[:, None, None].expand(-1, epochs, 1)
        others = scores.scatter(2, at, -torch.inf).amax(2)
        return (others - scores.gather(2, at)[:, :, 0]).mean(1)
