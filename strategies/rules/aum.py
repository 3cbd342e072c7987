"""Area under the margin."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..base import choice
from ..interface import BatchLosses
from .scored import Scored


@dataclass(eq=False, repr=False)
class AUM(Scored):
    """One subset for the whole run, by the margin of the true class over the best other one, along a proxy's run.

    Formula: AUM_i = mean over epochs t of z_t,y(x_i) - max_{c≠y} z_t,c(x_i), with z the logits (or the
    probabilities); low is hard.
    Source: Pleiss et al. (arXiv 2001.10528) for logits; CCS (arXiv 2210.15809) keeps the low ones and takes
    probabilities, in its authors' code.
    Cost: the proxy's run (an artefact with its own ledger), 3·T·C operations a sample (C·T without the
    logarithm) and n log2 n.
    Ours: margins are of clean images at the end of each epoch, where the sources take the augmented view that
    is trained; logits enter as log-probabilities, whose differences are the same, and a probability below the
    smallest normal number (1.2e-38) counts as that. The mean ranks as the sources' sum does. The source of the
    score looks for wrong labels, which are at its low end: ``keep="easy"`` leaves them out.

    Parameters
    ----------
    keep : {"hard", "easy"}
        The low margins, or the high ones.
    margin : {"logits", "probabilities"}
        What the margin is of.
    class_balanced : bool
        Take the same share of every class.
    """

    needs = frozenset({"trace"})

    keep: str = choice("hard", "easy")
    margin: str = choice("logits", "probabilities")
    class_balanced: bool = False

    def difficulty(self, losses: BatchLosses) -> Tensor:
        """Minus the area under the margin ``[n]``."""
        scores = losses.trace.to(torch.float32)
        epochs, classes = scores.shape[1:]
        self.operations = (classes + 2.0) * epochs
        if self.margin == "logits":
            self.operations += 2.0 * classes * epochs
            scores = scores.clamp_min(torch.finfo(torch.float32).tiny).log()
        at = losses.labels[:, None, None].expand(-1, epochs, 1)
        others = scores.scatter(2, at, -torch.inf).amax(2)
        return (others - scores.gather(2, at)[:, :, 0]).mean(1)
