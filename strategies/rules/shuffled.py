from torch import Tensor

from ..interface import BatchLosses, Selection
from ..maths.sampling import draw, extent, top_flops
from .wrapper import OfOne, plain, rows


class Shuffled(OfOne):
    """Rule X on permuted rows: the same choosing, counts and weights, and nothing known of who is chosen.

    Formula: π a permutation of 0, ..., B - 1 drawn anew at each call; X is shown row π(j) of every signal at position
    j, and the positions that it picks are taken as they are.
    Source: a control of ours, the permutation test's idea: what X still gains when its signals belong to other
    candidates is not due to the signals.
    Cost: X's, its signals included, and one ordering.
    Ours: all signals move together (labels and ids too), so that X sees true rows. With an X that treats positions
    alike the picks are uniform; X's count and weights stay, each weight on a random candidate. Nothing lasts between
    calls.
    """

    group = "controls"

    def pick(self, feats: Tensor | None, losses: BatchLosses, k: int) -> Tensor | Selection:
        size, device = extent(feats, losses)
        order = draw(size, size, self.generator(device), device)
        moved = None if feats is None else feats.index_select(0, order)
        return plain(self.ask(self._rule, moved, rows(losses, order, k), k))

    def flops(self, n: int, d: int, k: int) -> float:
        return top_flops(n) + float(self._rule.flops(n, d, k))
