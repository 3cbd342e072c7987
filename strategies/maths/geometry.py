"""Points, distances and greedy growth of a subset: what the geometric rules share.

Greedy rules pick one candidate after the other, so their operations grow with k; none of them waits
for the device. Memory is O(B d) unless a rule says otherwise.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..errors import one_of
from ..interface import Cadence
from .sampling import draw, top_flops

METRICS = ("euclidean", "cosine")
"""Distance between features as they are, or between features scaled to length one (the chord √(2 - 2 cos))."""

_LONGEST = 1e16  # squares and sums of many such squares stay finite in float32


def check(metric: str, cadence: Cadence) -> None:
    """Refuse a metric or cadence that there is not.

    Raises
    ------
    UsageError
        With the nearest known value.
    """
    one_of("metric", metric, METRICS)
    one_of("cadence", cadence, ("batch", "epoch", "run"))


def points(feats: Tensor, metric: str) -> Tensor:
    """Features ``[B, d]`` as float32 points of a metric space.

    Parameters
    ----------
    feats : Tensor ``[B, d]`` float
        Rows with a NaN or infinity, or longer than 1e16, count as zero rows.
    metric : {"euclidean", "cosine"}
        With ``cosine`` each row is scaled to length one; a zero row stays zero.
    """
    rows = feats.detach().to(torch.float32)
    length = torch.linalg.vector_norm(rows, dim=1, keepdim=True)
    rows = torch.where(length < _LONGEST, rows, 0.0)
    return rows / torch.where(length > 0, length, 1.0) if metric == "cosine" else rows


def shuffled(rows: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """``rows`` in random order, and that order ``[B]``, so that the stream decides which of equals comes first."""
    order = draw(rows.shape[0], rows.shape[0], generator, rows.device)
    return rows[order], order


def points_flops(n: int, d: int) -> float:
    """Cost of :func:`points` and :func:`shuffled`."""
    return 3.0 * n * d + 4.0 * n + top_flops(n)


def grow(rows: Tensor, k: int, first: Tensor, *, farthest: bool) -> tuple[Tensor, Tensor]:
    """Add to ``first`` the row farthest from (or nearest to) what there is, until there are k.

    Parameters
    ----------
    rows : Tensor ``[B, d]`` float32
    k : int
    first : Tensor ``[r]`` int64
        Where to begin, 1 <= r; what is beyond k is left out.
    farthest : bool
        Add argmax_i min_{j in A} ‖f_i - f_j‖, else argmin; of equals, one of the first in order.

    Returns
    -------
    picks : Tensor ``[k]`` int64
        In the order picked.
    h_min : Tensor ``[]``
        Smallest distance between two picks; infinite for one alone.
    """
    size = rows.shape[0]
    nearest = rows.new_full((size,), torch.inf)
    barred = rows.new_zeros(size)
    h_min = rows.new_full((1,), torch.inf)
    picks: list[Tensor] = []
    for i in range(k):
        if i < first.shape[0]:
            at = first[i : i + 1]
        elif farthest:
            at = (nearest - barred).argmax(0, keepdim=True)
        else:
            at = (nearest + barred).argmin(0, keepdim=True)
        picks.append(at)
        h_min = torch.minimum(h_min, nearest[at])
        # Not by matrix products: their rounding would set duplicates apart.
        distance = torch.cdist(rows, rows[at], compute_mode="donot_use_mm_for_euclid_dist")[:, 0]
        nearest = torch.minimum(nearest, distance)
        barred.index_fill_(0, at, torch.inf)
    return torch.cat(picks), h_min[0]


def grow_flops(n: int, d: int, k: int) -> float:
    """Cost of :func:`grow`: at each pick n distances, a minimum, a sum and a search."""
    return k * (3.0 * n * d + 3.0 * n)
