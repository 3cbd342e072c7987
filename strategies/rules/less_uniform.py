import torch
from torch import Tensor

from ..base import choice, rule, within
from ..interface import Cadence
from ..maths.geometry import Grown
from ..maths.sampling import portion


@rule
class LessUniform(Grown):
    """Half of the picks at random, the other half as close to them as can be: small distances on purpose.

    Formula: A = ⌊share·k + 1/2⌋ random candidates (at least one), then A ← A + argmin_i min_{j in A} ‖f_i - f_j‖ until
    there are k.
    Source: the control of Wang & Gu (arXiv 2506.24120), whose published subset is named random half, minimum distance
    half; it must do worse than ``k-center`` if uniformity is what helps.
    Cost: as ``k-center``.
    Ours (the subset is published, not the code): that the close half is grown greedily, by the distance to the nearest
    pick; the distance and the reference's features; ties at random; the cadence, as in ``k-center``.

    Parameters
    ----------
    share : float
        Share of the picks drawn at random, in [0, 1].
    metric, cadence
        As in :class:`selbench.strategies.rules.kcenter.KCenter`.
    """

    group = "controls"
    farthest = False
    share: float = within("[0, 1]", 0.5)
    metric: str = choice("euclidean", "cosine")
    cadence: Cadence = choice("run", "batch", "epoch")

    def first(self, rows: Tensor, k: int) -> Tensor:
        return torch.arange(max(1, portion(self.share, k)), device=rows.device)
