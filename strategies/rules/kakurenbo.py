import torch
from torch import Tensor

from ..base import Strategy, choice, rule, within
from ..interface import BatchLosses, Selection
from ..maths.sampling import sort_flops, top, top_flops

STAGES = ((0.3, 1.0), (0.6, 0.8), (0.8, 0.6), (1.0, 0.4))  # up to this progress, share of the fraction hidden


@rule
class KAKURENBO(Strategy):
    """The whole pool without its lowest losses, of which those that are not surely right move back.

    Formula: in each epoch, of the ⌊F_e·n⌋ lowest losses, hide those that are predicted right with a confidence
    max_c p_c of ``tau`` at least; F_e = F·(1, .8, .6, .4) from progress 0, .3, .6, .8, and the learning rate times
    1/(1 - F_e).
    Source: KAKURENBO (Nguyen et al., arXiv 2310.10102; their code): F = 0.3 (a fixed ratio of 0.7 here), tau = 0.7,
    CIFAR-100, steps at epochs 60, 120 and 160 of 200. Their scripts take the softmax over the batch in place of the
    classes, so that what passes tau depends on batch size and classes: 79 % at (32, 100), none at (128, 10). Their log
    of CIFAR-100 hides 12 % on average where F is 30 %.
    Cost: a pass of the learner over what was hidden, before each epoch (phase score), and two orderings.
    Steps: batches keep their size and a pass has fewer of them. The realised mean ratio is in the record.
    Ours: the softmax over classes; the loss is scaled in place of the learning rate, as a raw weight of all samples,
    which leaves weight decay as it is; signals of trained samples are those of their last step; the first epoch is
    whole; a loss never seen, or not finite, is not hidden; ties at random.

    Parameters
    ----------
    tau : float
        Confidence from which a sample may be hidden.
    rescale : {"nominal", "realised", "none"}
        Scale by 1/(1 - F_e) (published), by n over the samples kept, or not at all.
    """

    group = "losses"
    cadence = "epoch"
    needs = frozenset({"learner", "learner_probs"})
    pool_scores = "refreshed"
    weights_mode = "raw"
    exact_count = False
    tau: float = within("[0, 1]", 0.7)
    rescale: str = choice("nominal", "realised", "none")

    def pick(self, feats: Tensor | None, losses: BatchLosses, k: int) -> Selection:
        """What is not hidden, in the pool's order; waits for the device once."""
        size, device = losses.labels.shape[0], losses.labels.device
        share = next((part for until, part in STAGES if losses.progress < until), STAGES[-1][1])
        most = int((size - k) * share)
        if losses.epoch == 0 or most == 0:
            return Selection(torch.arange(size, device=device), torch.ones(size, device=device))
        known, probs = losses.learner, losses.learner_probs
        lowest = top(torch.where(known.isfinite(), -known, -torch.inf), most, self.generator(device))
        sure, predicted = probs.max(1)
        may = (predicted == losses.labels) & (sure >= self.tau) & known.isfinite()
        hidden = may & torch.zeros_like(may).index_fill(0, lowest, True)
        count = size - int(hidden.sum())
        if count == 0:
            hidden, count = torch.zeros_like(hidden), size
        factors = {"nominal": 1 / (1 - most / size), "realised": size / count, "none": 1.0}
        picks = hidden.sort(stable=True).indices[:count]
        return Selection(picks, torch.full((count,), factors[self.rescale], device=device))

    def flops(self, n: int, d: int, k: int) -> float:
        """By the classes of the pool; almost nothing where everything is kept."""
        return top_flops(n) + n * (self._classes + 8.0) + sort_flops(n) if k < n else 1.0
