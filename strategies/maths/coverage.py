"""Greedy facility location: picks that serve all candidates best, and which pick serves each candidate."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

DENSE = 4096  # up to so many candidates, all pairs are held at the cadences epoch and run too
FIRST, ROWS = 8, 128  # rows of similarities held at once, where not all are: a pick begins with, and the most


class Covered(NamedTuple):
    """``picks`` ``[k]`` in the order picked, and for each candidate ``[n]`` how well it is ``served``.

    ``owner`` ``[n]`` says by which pick (its place in ``picks``; each pick by itself), where that was asked for.
    ``gains`` counts the sums of n terms that were computed.
    """

    picks: Tensor
    served: Tensor
    owner: Tensor | None
    gains: int


def densely(similar: Tensor, k: int, start: Tensor | float, owners: bool = False) -> Covered:
    """Maximise F(A) = Σ_i max(start, max_{j in A} S_ij) from all pairs ``[n, n]``, a symmetric matrix; never waits.

    The next pick has the largest gain Σ_i max(0, S_ij - what i is served), of equals the first. ``start`` is what
    everybody is served before the first pick.
    """
    served = similar.new_zeros(len(similar)) + start
    barred = torch.zeros_like(served)
    owner = torch.zeros_like(served, dtype=torch.int64) if owners else None
    picks: list[Tensor] = []
    for turn in range(k):
        # Row j holds what each candidate would gain from j: the matrix is symmetric.
        gain = (similar - served).clamp_min_(0.0).sum(1)
        at = (gain - barred).argmax(0, keepdim=True)
        picks.append(at)
        row = similar[at][0]
        if owner is not None:
            owner = torch.where(row > served, turn, owner).index_fill(0, at, turn)
        served = torch.maximum(served, row)
        barred.index_fill_(0, at, torch.inf)
    return Covered(torch.cat(picks), served, _kept(owner, picks), k * len(similar))


def lazily(
    rows: Callable[[Tensor], Tensor],
    size: int,
    k: int,
    start: Tensor | float,
    device: torch.device,
    owners: bool = False,
) -> Covered:
    """The same from a few ``rows`` of pairs at a time: a gain once computed is an upper bound from then on.

    ``rows`` gives the similarities ``[m, size]`` of the candidates at positions ``[m]``. Waits for the device.
    """
    served = torch.zeros(size, device=device) + start
    owner = torch.zeros(size, device=device, dtype=torch.int64) if owners else None
    computed = 0

    def gains(some: Tensor) -> Tensor:
        nonlocal computed
        computed += len(some)
        return (rows(some) - served).clamp_min_(0.0).sum(1)

    bound = torch.cat([gains(some) for some in torch.arange(size, device=device).split(ROWS)])
    known = torch.ones_like(bound, dtype=torch.bool)
    picks: list[Tensor] = []
    for turn in range(k):
        more = FIRST
        best = int(bound.argmax())
        while not known[best] and bound[best] > 0:  # nobody gains less than nothing
            doubtful = bound.masked_fill(known, -torch.inf).topk(min(more, size)).indices
            bound[doubtful] = torch.minimum(bound[doubtful], gains(doubtful))
            known[doubtful] = True
            more = min(2 * more, ROWS)
            best = int(bound.argmax())
        at = torch.tensor([best], device=device)
        picks.append(at)
        row = rows(at)[0]
        if owner is not None:
            owner = torch.where(row > served, turn, owner)
        served = torch.maximum(served, row)
        known.fill_(False)
        bound[best] = -torch.inf
    return Covered(torch.cat(picks), served, _kept(owner, picks), computed)


def _kept(owner: Tensor | None, picks: list[Tensor]) -> Tensor | None:
    """Each pick is its own, even where an equal one came before it."""
    if owner is None:
        return None
    return owner.index_copy(0, torch.cat(picks), torch.arange(len(picks), device=owner.device))
