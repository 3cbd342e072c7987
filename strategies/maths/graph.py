"""The similarity graph of a batch, and its Laplacian as an operator."""

from functools import cached_property

import torch
from torch import Tensor

NOISE = 1e-6
"""Relative size below which a float32 quantity is rounding noise."""

_ROOM = 1.01  # keeps the bound on the spectrum strictly above the spectrum


class Graph:
    """Nodes are candidates, edges the cosine similarities S of their features; nothing here waits.

    With the rows of F scaled to length one S = F Fᵀ, so the Laplacian acts as L x = D x - F (Fᵀ x) in
    O(B d) operations. The normalised one has the same form, with its scaling inside D and F.

    Negative similarities would make L indefinite. They are shifted: where any feature is negative
    (decided on the device) the similarities become (S + 1)/2, which is one more feature that all rows
    share. In the unnormalised Laplacian this leaves every eigenvector as it was, since it moves all
    eigenvalues but the null one by the same amount: there it costs an addition to D. Setting negative
    similarities to zero instead would need S itself, so it is not offered.

    Features are computed with in float32; rows of length zero, or with a NaN or infinity, count as zero rows, similar
    to nobody. ``normalized`` takes D^-1/2 L D^-1/2 in place of L = D - S, without the similarity of a node to itself
    (as scipy and scikit-learn do), which matters in this case only.

    Attributes
    ----------
    rows : Tensor ``[B, d]``, or ``[B, d + 1]`` where normalised
        F.
    diagonal : Tensor ``[B]``
        D, so that L = D - F Fᵀ on what is orthogonal to ``null``, the unit eigenvector ``[B]`` of eigenvalue 0.
    bound : Tensor ``[]``
        More than the largest eigenvalue: F Fᵀ is positive semi-definite, so no eigenvalue of L
        exceeds the largest entry of D. At least 1, as that entry is wherever two nodes are linked.
    unit : Tensor ``[]``
        What the eigenvalues of D - F Fᵀ must be divided by to be those of the graph.
    unit_rows : Tensor ``[B, d]``
        The features scaled to length one.
    sums : Tensor ``[B]``
        Sum of each candidate's cosines with all, itself included: D of the plain Laplacian before any shift.
    """

    def __init__(self, feats: Tensor, normalized: bool = False) -> None:
        rows = feats.detach().to(torch.float32)
        self.size = rows.shape[0]
        # A length of 0, a NaN or an infinity leaves NaNs and infinities in the row, which become zeros.
        rows = (rows / torch.linalg.vector_norm(rows, dim=1, keepdim=True)).nan_to_num_(0.0, 0.0, 0.0)
        self.rows = self.unit_rows = rows
        self.normalized = normalized
        self.sums = rows @ rows.sum(0)
        if normalized:
            self._normalize()

    # What not every user of a graph reads is computed when it is read first: on a GPU each operator is a launch.

    @cached_property
    def diagonal(self) -> Tensor:
        return self._total

    @cached_property
    def null(self) -> Tensor:
        return torch.full_like(self.sums, self.size**-0.5)

    @cached_property
    def unit(self) -> Tensor:
        return 1 + self._shift

    @cached_property
    def bound(self) -> Tensor:
        return (_ROOM * self.diagonal.amax()).clamp_min(1.0)

    @property
    def degrees(self) -> Tensor:
        """Sum ``[B]`` of the similarities to all others; less than B·1e-6 counts as zero (an isolated node)."""
        degrees = self._total - self._itself()
        return torch.where(degrees > NOISE * self.size, degrees / (1 + self._shift), 0.0)

    def apply(self, x: Tensor) -> Tensor:
        """(D - F Fᵀ) x ``[B]`` for ``x`` ``[B]`` orthogonal to the null vector."""
        return torch.addmv(self.diagonal * x, self.rows, self.rows.t() @ x, alpha=-1)

    def dense(self) -> Tensor:
        """D - F Fᵀ ``[B, B]``, with the null eigenvalue moved well above the others."""
        raised = torch.addmm(torch.outer(2 * self.bound * self.null, self.null), self.rows, self.rows.t(), alpha=-1)
        raised.diagonal().add_(self.diagonal)
        return raised

    def start(self) -> tuple[Tensor, Tensor]:
        """Where the search begins: a unit vector ``[B]`` that moves with the nodes when they are permuted.

        A soft peak on the nodes of lowest degree, where the vector tends to concentrate, and one fixed
        direction of feature space, which tells clusters apart, less of it, so that the two cannot
        cancel. The second value is the length before scaling: 0 (and the vector NaN) where all nodes
        are alike.
        """
        # 1/(D - low + width) with a width of a tenth of (mean - low) and a hundredth of the mean.
        offset = torch.sub(0.11 * self.diagonal.mean(), self.diagonal.amin(), alpha=1.1)
        place = torch.arange(self.rows.shape[1], device=self.rows.device, dtype=torch.float32)
        both = torch.stack([(self.diagonal + offset).reciprocal(), self.rows @ place.square().sin()])
        rest = torch.addr(both, both @ self.null, self.null, alpha=-1)
        length = torch.linalg.vector_norm(rest, dim=1)
        enough = length > 1e-3 * torch.linalg.vector_norm(both, dim=1)
        share = torch.where(enough, length.reciprocal(), 0.0)
        share[1].mul_(0.6)
        start = rest.t() @ share
        length = torch.linalg.vector_norm(start)
        return start / length, length

    @cached_property
    def _shift(self) -> Tensor:
        return (self.unit_rows.amin() < 0).to(torch.float32)

    @cached_property
    def _total(self) -> Tensor:
        return torch.add(self.sums, self._shift, alpha=self.size)

    def _itself(self) -> Tensor:
        return self.unit_rows.square().sum(1) + self._shift

    def _normalize(self) -> None:
        itself = self._itself()
        least = NOISE * self.size
        degrees = self._total - itself
        linked = (degrees > least).to(torch.float32)
        degrees = degrees.clamp_min(least)
        scale = linked * degrees.rsqrt()
        shared = self._shift.expand(self.size, 1)
        self.rows = torch.cat([self.rows, shared], 1).mul_(scale[:, None])
        self.diagonal = torch.addcmul(linked, scale.square(), itself)
        null = degrees.sqrt()
        self.null = null / torch.linalg.vector_norm(null)
        self.unit = torch.ones_like(self._shift)


def graph_flops(n: int, d: int) -> float:
    """Cost of building a :class:`Graph`: rows scaled, their sums, and the check for negative features."""
    return 7.0 * n * d + 6.0 * n
