import torch
from torch import Tensor

from ..base import choice, rule, within
from ..errors import UsageError
from ..interface import BatchLosses
from ..maths.sampling import error
from .scored import Scored


@rule
class EL2N(Scored):
    """By how wrong a proxy was on each sample.

    Formula: EL2N_i = mean over epochs t of ‖p_t(x_i) - onehot(y_i)‖₂; the k highest (or lowest).
    Source: Data Diet (Paul et al., arXiv 2107.07075), which averages ten runs at one early epoch.
    Cost: the proxy's run (an artefact with its own ledger), 3·T·C operations a sample and n log2 n.
    Ours: one proxy run unless ``nets`` says more, and the mean over a span of its epochs, on clean images; ties at
    random. CCS (arXiv 2210.15809)
    sums epochs 0 to 9 of one run, the same ranking as ``last=10``.

    Parameters
    ----------
    keep, class_balanced
        The high scores, or the low ones; of the pool, or the same share of every class.
    first, last : int
        The epochs averaged are first, ..., last - 1; ``last=None`` goes to the end of the trace.
    nets : int
        Proxies that the score is the mean over; each is trained and paid for.
    """

    group = "training dynamics"
    needs = frozenset({"trace"})
    keep: str = choice("hard", "easy")
    first: int = 0
    last: int | None = None
    class_balanced: bool = False
    nets: int = within("[1, inf)", 1)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.first < 0 or (self.last is not None and self.last <= self.first):
            raise UsageError(
                f"epochs {self.first} to {self.last} are none: first must be at least 0 and last more than first"
            )

    def difficulty(self, losses: BatchLosses) -> Tensor:
        return self.el2n(losses.trace, losses.labels)

    def el2n(self, trace: Tensor, labels: Tensor) -> Tensor:
        """EL2N ``[n]`` from probabilities ``[n, T, C]`` and classes ``[n]``; a UsageError if the epochs are too few."""
        if max(self.first + 1, self.last or 0) > trace.shape[1]:
            raise UsageError(
                f"the trace has {trace.shape[1]} epochs, too few for first={self.first}, last={self.last}: "
                "train the proxy longer or average fewer"
            )
        averaged = trace[:, self.first : self.last]
        self.operations = 3.0 * averaged[0].numel()
        return torch.linalg.vector_norm(error(averaged, labels), dim=2).mean(1)
