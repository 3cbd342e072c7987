from torch import Tensor

from ..base import choice, rule
from ..interface import BatchLosses
from .scored import Scored


@rule
class Scores(Scored):
    """By scores from a file: any paper's, without code.

    Formula: the k highest (or lowest) s_i, s the losses of a reference, which ``scores:PATH`` reads from a file.
    Source: whoever made the file. ``selbench scores`` writes one by a rule of this package.
    Cost: n log2 n; what the scores cost is not on the ledger.
    Ours: ties at random. With another reference its losses are the scores: the hardest images for a frozen net.

    Parameters
    ----------
    keep, class_balanced
        The high scores ("hard"), or the low ones; of the pool, or the same share of every class.
    """

    group = "training dynamics"
    needs = frozenset({"reference"})
    keep: str = choice("hard", "easy")
    class_balanced: bool = False

    def difficulty(self, losses: BatchLosses) -> Tensor:
        self.operations = 1.0
        return losses.reference.float()
