"""The deliberately less uniform control of farthest point first."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..base import Strategy
from ..errors import UsageError
from ..interface import BatchLosses, Cadence
from ..maths.geometry import check, grow, grow_flops, points, points_flops, shuffled


class LessUniform(Strategy):
    """Half of the picks at random, the other half as close to them as can be: small distances on purpose.

    Formula: A = ⌊share·k + 1/2⌋ random candidates (at least one), then A ← A + argmin_i min_{j in A} ‖f_i - f_j‖
    until there are k.
    Source: the control of Wang & Gu (arXiv 2506.24120), whose published subset is named random half,
    minimum distance half; it must do worse than ``k-center`` if uniformity is what helps.
    Cost: 3·B·d·k operations in k steps, one after the other; memory O(B d).
    Ours (the subset is published, not the code): that the close half is grown greedily, by the
    distance to the nearest pick; the distance and the features (the reference's); ties at random. The
    source prunes a pool once, hence the cadence ``run``.

    Parameters
    ----------
    share : float
        Share of the picks drawn at random, in [0, 1].
    metric, cadence
        As in :class:`selbench.strategies.rules.kcenter.KCenter`.
    """

    needs = frozenset({"features"})

    def __init__(self, share: float = 0.5, metric: str = "euclidean", cadence: Cadence = "run") -> None:
        if not 0.0 <= share <= 1.0:
            raise UsageError(f"share is {share}: it must lie in [0, 1], for example 0.5")
        check(metric, cadence)
        self.share = share
        self.metric = metric
        self.cadence = cadence
        self._h_min: Tensor | None = None

    def pick(self, feats: Tensor | None, losses: BatchLosses, k: int) -> Tensor:
        """``k`` positions, the random ones first."""
        assert feats is not None
        rows, order = shuffled(points(feats, self.metric), self.generator(feats.device))
        drawn = torch.arange(max(1, math.floor(self.share * k + 0.5)), device=rows.device)
        picks, self._h_min = grow(rows, k, drawn, farthest=False)
        return order[picks]

    def diagnostics(self) -> dict[str, Tensor]:
        """``h_min``: smallest distance between two picks of the last call (infinite for one pick); empty before."""
        return {} if self._h_min is None else {"h_min": self._h_min}

    def flops(self, n: int, d: int, k: int) -> float:
        """The points and k rounds."""
        return points_flops(n, d) + grow_flops(n, d, k)
