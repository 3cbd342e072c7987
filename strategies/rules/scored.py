"""What the rules share that score each sample once, before training."""

from __future__ import annotations

from torch import Tensor

from ..base import Strategy
from ..errors import one_of
from ..interface import BatchLosses, Cadence
from ..maths.balance import balanced, balanced_flops
from ..maths.sampling import oriented, top, top_flops


class Scored(Strategy):
    """One subset for the whole run: the hard end of a score or the easy one. Subclasses write :meth:`difficulty`.

    Parameters
    ----------
    keep : {"hard", "easy"}
        Which end.
    class_balanced : bool
        Take the same share of every class (:func:`selbench.strategies.maths.balance.shares`), not the ends of the
        whole pool.

    Attributes
    ----------
    operations : float
        Floating-point operations a sample of the last scoring; 0 before it, for the trace's size is not known.
    """

    cadence: Cadence = "run"
    operations: float = 0.0

    def __init__(self, keep: str = "hard", class_balanced: bool = False) -> None:
        one_of("keep", keep, ("hard", "easy"))
        self.keep = keep
        self.class_balanced = class_balanced

    def difficulty(self, losses: BatchLosses) -> Tensor:
        """Score ``[n]`` of each sample, higher where it is harder; sets :attr:`operations`."""
        raise NotImplementedError(f"{type(self).__name__} has no difficulty(losses)")

    def pick(self, feats: Tensor | None, losses: BatchLosses, k: int) -> Tensor:
        """``k`` positions of the pool."""
        scores = oriented(self.difficulty(losses), self.keep, "hard")
        stream = self.generator(scores.device)
        return balanced(scores, losses.labels, k, stream) if self.class_balanced else top(scores, k, stream)

    def flops(self, n: int, d: int, k: int) -> float:
        """The scoring last seen, and the orderings."""
        return n * self.operations + (balanced_flops(n) if self.class_balanced else top_flops(n))
