"""Points, distances and greedy growth of a subset: what the geometric rules share. Nothing waits for the device."""

from typing import ClassVar

import torch
from torch import Tensor

from ..base import Strategy
from ..interface import BatchLosses
from .sampling import draw, sort_flops, top_flops

_LONGEST = 1e16  # squares and sums of many such squares stay finite in float32

_AT_ONCE = 1024  # rows of distances held at once


def points(feats: Tensor, metric: str) -> Tensor:
    """Features ``[B, d]`` as float32 points; rows with a NaN or infinity, or longer than 1e16, count as zero rows.

    With the metric ``cosine`` each row is scaled to length one, so that distances are chords √(2 - 2 cos).
    """
    rows = feats.detach().to(torch.float32)
    length = torch.linalg.vector_norm(rows, dim=1, keepdim=True)
    rows = torch.where(length < _LONGEST, rows, 0.0)
    return rows / torch.where(length > 0, length, 1.0) if metric == "cosine" else rows


def shuffled(rows: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """``rows`` in random order, and that order ``[B]``, so that the stream decides which of equals comes first."""
    order = draw(rows.shape[0], rows.shape[0], generator, rows.device)
    return rows[order], order


def nearest(rows: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Positions ``[n, m]`` of the ``count`` nearest others of each of ``rows`` ``[n, d]``, and their distances.

    There are m = n - 1 of them at most. A few rows of distances are held at a time.
    """
    size = rows.shape[0]
    places = torch.arange(size, device=rows.device)
    found = []
    for own in places.split(_AT_ONCE):
        apart = torch.cdist(rows[own], rows)
        found.append(apart.scatter(1, own[:, None], torch.inf).topk(min(count, size - 1), dim=1, largest=False))
    return torch.cat([at.indices for at in found]), torch.cat([at.values for at in found])


def nearest_flops(n: float, d: int) -> float:
    """Cost of one :func:`nearest`, for each of n rows."""
    return 3.0 * n * d + sort_flops(max(2, round(n)))


def points_flops(n: int, d: int) -> float:
    """Cost of :func:`points` and :func:`shuffled`."""
    return 3.0 * n * d + 4.0 * n + top_flops(n)


def grow_flops(n: int, d: int, k: int) -> float:
    """Cost of growing k picks: for each n distances, a minimum, a sum and a search."""
    return k * (3.0 * n * d + 3.0 * n)


class Grown(Strategy):
    """Begin with :meth:`first`, then add the row farthest from (or nearest to) the picks, until there are k.

    The next pick is argmax_i min_{j in A} ‖f_i - f_j‖ (or argmin), of equals one of the first in random order.
    """

    needs = frozenset({"features"})
    metric: str
    farthest: ClassVar[bool] = True
    _h_min: Tensor | None = None

    def first(self, rows: Tensor, k: int) -> Tensor:
        """Positions ``[r]`` to begin with, 1 <= r."""
        raise NotImplementedError

    def pick(self, feats: Tensor | None, losses: BatchLosses, k: int) -> Tensor:
        assert feats is not None
        rows, order = shuffled(points(feats, self.metric), self.generator(feats.device))
        first = self.first(rows, k)
        nearest = rows.new_full((rows.shape[0],), torch.inf)
        barred = torch.zeros_like(nearest)
        h_min = rows.new_full((1,), torch.inf)
        picks: list[Tensor] = []
        for i in range(k):
            if i < first.shape[0]:
                at = first[i : i + 1]
            elif self.farthest:
                at = (nearest - barred).argmax(0, keepdim=True)
            else:
                at = (nearest + barred).argmin(0, keepdim=True)
            picks.append(at)
            h_min = torch.minimum(h_min, nearest[at])
            # Not by matrix products: their rounding would set duplicates apart.
            distance = torch.cdist(rows, rows[at], compute_mode="donot_use_mm_for_euclid_dist")[:, 0]
            nearest = torch.minimum(nearest, distance)
            barred.index_fill_(0, at, torch.inf)
        self._h_min = h_min[0]
        return order[torch.cat(picks)]

    def diagnostics(self) -> dict[str, Tensor]:
        """``h_min``: smallest distance between two picks of the last call (infinite for one pick); empty before."""
        return {} if self._h_min is None else {"h_min": self._h_min}

    def flops(self, n: int, d: int, k: int) -> float:
        return points_flops(n, d) + grow_flops(n, d, k)
