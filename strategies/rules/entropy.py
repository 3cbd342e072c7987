import torch
from torch import Tensor

from ..base import choice, rule
from ..interface import BatchLosses
from .scored import Scored


@rule
class Entropy(Scored):
    """By how undecided a proxy is at its end.

    Formula: H_i = -Σ_c p_c(x_i) ln p_c(x_i), in nats, with p of the proxy's last epoch; the k highest (or lowest).
    Source: selection via proxy (Coleman et al., arXiv 1906.11829); a baseline of CCS (arXiv 2210.15809).
    Cost: the proxy's run (an artefact with its own ledger), 3·C operations a sample and n log2 n.
    Ours: clean images; ties at random. Labels are read only to balance classes.
    """

    group = "training dynamics"
    needs = frozenset({"learner_probs"})
    keep: str = choice("hard", "easy")
    class_balanced: bool = False

    def difficulty(self, losses: BatchLosses) -> Tensor:
        probs = losses.learner_probs.to(torch.float32)
        self.operations = 3.0 * probs.shape[1]
        return -torch.xlogy(probs, probs).sum(1)
