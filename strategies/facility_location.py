"""Facility location: every candidate has a pick that is like it."""

from __future__ import annotations

import torch
from torch import Tensor

from .base import Strategy
from .errors import one_of
from .geometry import points, points_flops, shuffled
from .interface import BatchLosses, Cadence


class FacilityLocation(Strategy):
    """The subset that represents all candidates best: each is served by the pick most similar to it.

    Formula: greedy maximisation of F(A) = Σ_i max_{j in A} cos(f_i, f_j): the next pick is the one of
    largest gain Σ_i max(0, S_ij - max_{l in A} S_il). As F is monotone and submodular, the greedy value
    is at least 1 - 1/e of the best (Nemhauser et al. 1978).
    Source: facility location as in CRAIG (Mirzasoleiman et al., arXiv 1906.01827), whose weights are
    left out.
    Cost: 2·B²·d operations for the similarities and 3·B² for each of k steps, one after the other;
    memory O(B²), twice: a pool of 20,000 takes about 3 GB at the cadences ``epoch`` and ``run``.
    Ours: cosine similarity (a constant added to it changes no pick), the features (the reference's);
    greedy without laziness, which a device would have to wait for; ties at random; not class-balanced.
    The sources prune a pool, hence the cadence ``run``.

    Parameters
    ----------
    cadence : {"batch", "epoch", "run"}
        When the subset is made: on each candidate batch, or on the whole pool.
    """

    needs = frozenset({"features"})

    def __init__(self, cadence: Cadence = "run") -> None:
        one_of("cadence", cadence, ("batch", "epoch", "run"))
        self.cadence = cadence
        self._coverage: Tensor | None = None

    def pick(self, feats: Tensor | None, losses: BatchLosses, k: int) -> Tensor:
        """``k`` positions in the order picked, gains falling."""
        assert feats is not None
        rows, order = shuffled(points(feats, "cosine"), self.generator(feats.device))
        similar = rows @ rows.t()
        served = similar.new_full((rows.shape[0],), -1.0)
        barred = torch.zeros_like(served)
        picks: list[Tensor] = []
        for _ in range(k):
            # Row j holds what each candidate would gain from j: the matrix is symmetric.
            gain = (similar - served).clamp_min_(0.0).sum(1)
            at = (gain - barred).argmax(0, keepdim=True)
            picks.append(at)
            served = torch.maximum(served, similar[at][0])
            barred.index_fill_(0, at, torch.inf)
        self._coverage = served.mean()
        return order[torch.cat(picks)]

    def diagnostics(self) -> dict[str, Tensor]:
        """``coverage``: mean similarity of a candidate to the pick most like it, last call; empty before."""
        return {} if self._coverage is None else {"coverage": self._coverage}

    def flops(self, n: int, d: int, k: int) -> float:
        """The points, all similarities, and k rounds over them."""
        return points_flops(n, d) + 2.0 * n * n * d + k * (3.0 * n * n + 3.0 * n)
