import math

import torch
from torch import Tensor

from ..base import Strategy, hidden, rule, within
from ..interface import BatchLosses, Pool, State
from ..maths.sampling import top, top_flops


@rule
class REDUCR(Strategy):
    """Reducible losses, class by class, summed with weights that grow for the classes that do worst on ``val``.

    Formula: u_ic = max(0, l_i - l_i(c)), l_i(c) the loss of a reference that counts class c 1 + gamma times. The k
    largest Σ_c w_c·u_ic are kept. Then w_c ← w_c·exp(-eta·a_c), scaled to sum 1, with a_c = Σ u_ic over the picks, less
    the learner's mean loss on images of class c in ``val``. Weights begin at 1/C.
    Source: REDUCR (Bankes et al., NeurIPS 2024, arXiv 2312.00486): k/B = 32/320, eta 1e-4, gamma 9, on images. Their
    code subtracts the held-out loss once for each pick.
    Cost: the learner's scoring pass, a forward pass of ``val_images`` every ``val_interval`` batches (phase probe),
    about 30 operations a candidate, C for each pick, and one ordering; the reference's losses are cached.
    Not held: C references, one trained for each class. Here one reference gives all l_i(c): the minimum of the weighted
    loss is the plain one's p(y|x), times 1 + gamma for c, over their sum, so l_i(c) = l - ln(1 + gamma·[y = c]) +
    ln(1 + gamma·p(c|x)). Of p(c|x) the reference's loss l tells e^-l for c = y; the rest is spread evenly over the
    other classes, which makes u_ic the same for all of them. Numbers of the paper need not carry over.
    Ours: that stand-in; the held-out images are fixed, and their losses as old as the last look; a class without an
    image there has the mean loss of the others; ties at random, NaN last; a loss that is not finite moves no weight.

    Parameters
    ----------
    gamma : float
        What the class of a reference counts beyond 1; 0 is RHO-LOSS without negative scores.
    eta : float
        Step of the weights; 0 leaves them equal.
    val_images : int
        Images of val.
    val_interval : int
        Batches from one look at val to the next.
    """

    group = "losses"
    needs = frozenset({"learner", "reference", "val_probs"})
    gamma: float = within("[0, inf)", 9.0)
    eta: float = within("[0, inf)", 1e-4)
    val_images: int = within("[1, inf)", 256)
    val_interval: int = within("[1, inf)", 1)
    _log_weights: Tensor | None = hidden(None)
    _seen: tuple[int, int] = hidden((0, 0))

    def begin(self, pool: Pool) -> None:
        super().begin(pool)
        self._log_weights = torch.full((pool.classes,), -math.log(pool.classes), device=pool.device)

    def pick(self, feats: Tensor | None, losses: BatchLosses, k: int) -> Tensor:
        self._seen = losses.val_probs.shape[0], losses.val_probs.shape[1]
        count = self._seen[1]
        own, other = self.reducible(losses.learner.float(), losses.reference.float(), count)
        equal = torch.full((count,), -math.log(count), device=own.device)
        log_weights = equal if self._log_weights is None else self._log_weights
        share = log_weights.exp().index_select(0, losses.labels)
        picks = top(other + share * (own - other).nan_to_num(0.0), k, self.generator(own.device))
        if self._log_weights is not None:
            moved = self._moved(own, other, losses, picks)
            self._log_weights = (log_weights - self.eta * moved).log_softmax(0)
        return picks

    def reducible(self, learner: Tensor, reference: Tensor, count: int) -> tuple[Tensor, Tensor]:
        """u_ic ``[B]`` of each candidate's own class, and that of any other."""
        likely = (-reference).exp()
        own = reference - math.log1p(self.gamma) + (self.gamma * likely).log1p()
        other = reference + (self.gamma * (1 - likely) / max(1, count - 1)).log1p()
        return (learner - own).clamp_min(0), (learner - other).clamp_min(0)

    def _moved(self, own: Tensor, other: Tensor, losses: BatchLosses, picks: Tensor) -> Tensor:
        """a_c ``[C]``. Sums over a class go by its marks: adding by index has no fixed order on a GPU."""
        every = torch.arange(losses.val_probs.shape[1], device=own.device)
        picked, labels = other.index_select(0, picks), losses.labels.index_select(0, picks)
        more = own.index_select(0, picks) - picked
        marks = (labels.unsqueeze(1) == every).float()
        gained = picked.nan_to_num(0.0, 0.0).sum() + (more.nan_to_num(0.0, 0.0, 0.0).unsqueeze(1) * marks).sum(0)
        right = losses.val_probs.gather(1, losses.val_labels.unsqueeze(1)).float()
        held_out = -right.clamp_min(torch.finfo(torch.float32).tiny).log()
        marks = (losses.val_labels.unsqueeze(1) == every).float()
        images = marks.sum(0)
        mean = (held_out * marks).sum(0) / images.clamp_min(1)
        there = images > 0
        others = torch.where(there, mean, 0.0).sum() / there.sum().clamp_min(1)
        return gained - torch.where(there, mean, others)

    def flops(self, n: int, d: int, k: int) -> float:
        """By the images of val and the classes last seen."""
        images, classes = self._seen
        return 20.0 * n + top_flops(n) + (3.0 * k + 4.0 * images) * classes

    def state_dict(self) -> State:
        stream = super().state_dict()
        return stream if self._log_weights is None else {**stream, "log_weights": self._log_weights}

    def load_state_dict(self, state: State) -> None:
        super().load_state_dict(state)
        if "log_weights" in state:
            self._log_weights = state["log_weights"].to(self._device)
