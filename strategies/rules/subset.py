"""What the rules share that cut the pool to a subset class by class, by gradients of the learner's last layer."""

from torch import Tensor

from ..base import Strategy, choice, rule, within
from ..interface import BatchLosses, Cadence
from ..maths.classes import class_parts


@rule
class Subset(Strategy):
    """Subclasses pick within each of the :meth:`parts`.

    Parameters
    ----------
    class_balanced : bool
        Cut each class by itself, by the same share.
    cadence : {"run", "epoch"}
        When the subset is made.
    select_every : int
        At cadence ``epoch``: epochs from one selection to the next.
    """

    group = "gradients"
    pool_scores = "fresh"
    class_balanced: bool = True
    cadence: Cadence = choice("run", "epoch")
    select_every: int = within("[1, inf)", 20)

    def parts(self, losses: BatchLosses, k: int) -> list[tuple[Tensor, int]]:
        """Positions of each part that is cut by itself, and how many of the ``k`` picks are its own."""
        return class_parts(losses.labels, k, self.generator(losses.labels.device), self.class_balanced)

    @property
    def part_count(self) -> int:
        """Parts of a pool of equal classes, for the cost."""
        return max(1, self._classes) if self.class_balanced else 1
