"""What the rules share that score each sample once, before training."""

import torch
from torch import Tensor

from ..base import Strategy
from ..interface import BatchLosses, Cadence
from ..maths.sampling import best, best_flops, oriented


class Scored(Strategy):
    """One subset for the whole run: the hard end of a score or the easy one. Subclasses write :meth:`difficulty`.

    Parameters
    ----------
    keep : {"hard", "easy"}
        The high scores, or the low ones.
    class_balanced : bool
        Take the same share of every class (:func:`selbench.strategies.maths.sampling.shares`), not of the whole pool.

    Attributes
    ----------
    nets : int
        Proxies that the score is the mean over; a subclass that can ask for several makes it a hyper-parameter.
    operations : float
        Floating-point operations a sample of the last scoring; 0 before it, for the trace's size is not known.
    """

    cadence: Cadence = "run"
    keep: str
    class_balanced: bool
    nets: int = 1
    operations: float = 0.0

    def difficulty(self, losses: BatchLosses) -> Tensor:
        """Score ``[n]`` of each sample, higher where it is harder; sets :attr:`operations`."""
        raise NotImplementedError(f"{type(self).__name__} has no difficulty(losses)")

    def averaged(self, losses: BatchLosses) -> Tensor:
        """The score ``[n]``, over all nets where there are several."""
        if self.nets == 1:
            return self.difficulty(losses)
        mean = torch.stack([self.difficulty(losses.of_net(net)) for net in range(self.nets)]).mean(0)
        self.operations = self.nets * (self.operations + 1)
        return mean

    def pick(self, feats: Tensor | None, losses: BatchLosses, k: int) -> Tensor:
        scores = oriented(self.averaged(losses), self.keep, "hard")
        return best(scores, losses, k, self.generator(scores.device), self.class_balanced)

    def flops(self, n: int, d: int, k: int) -> float:
        return n * self.operations + best_flops(n, self.class_balanced)


class Traced(Scored):
    """Scores of a proxy's run, epoch by epoch.

    Parameters
    ----------
    views : {"clean", "trained"}
        Outputs on clean images at the end of each epoch, or on each view as it was trained on.
    """

    needs = frozenset({"trace"})
    views: str

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.views == "trained":
            self.needs = frozenset({"trained_trace"})

    def trace(self, losses: BatchLosses) -> Tensor:
        """Class probabilities ``[n, T, C]``."""
        return losses.trained_trace if self.views == "trained" else losses.trace
