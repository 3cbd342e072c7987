"""What the rules share that score each sample once, before training."""

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
    operations : float
        Floating-point operations a sample of the last scoring; 0 before it, for the trace's size is not known.
    """

    cadence: Cadence = "run"
    keep: str
    class_balanced: bool
    operations: float = 0.0

    def difficulty(self, losses: BatchLosses) -> Tensor:
        """Score ``[n]`` of each sample, higher where it is harder; sets :attr:`operations`."""
        raise NotImplementedError(f"{type(self).__name__} has no difficulty(losses)")

    def pick(self, feats: Tensor | None, losses: BatchLosses, k: int) -> Tensor:
        scores = oriented(self.difficulty(losses), self.keep, "hard")
        return best(scores, losses, k, self.generator(scores.device), self.class_balanced)

    def flops(self, n: int, d: int, k: int) -> float:
        return n * self.operations + best_flops(n, self.class_balanced)
