"""The Fiedler vector of a batch's similarity graph, without the graph.

Nodes are candidates, edges the cosine similarities S of their features. With the rows of F scaled
to length one, S = F Fᵀ, so the Laplacian acts as L x = D x - F (Fᵀ x) in O(B d) operations and the
B x B matrix is never formed (except on a CPU for small B, where forming it is the faster way).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

DENSE_UP_TO = 128
"""Largest B for which a CPU forms L and calls LAPACK; measured on two cores at d = 512."""

STEPS = 32
"""Lanczos steps: enough wherever the relative gap (λ3 - λ2)/λ2 is 2 % or more (see the tests)."""

_SQUARINGS = 22
_NOISE = 1e-6  # relative size below which a float32 vector is rounding noise
_MERGED = 1e-5  # LAPACK in float32 tells eigenvalues apart down to this share of the spectrum
_ROOM = 1.01  # keeps the bound on the spectrum strictly above the spectrum


class Eigenpair(NamedTuple):
    """An approximate eigenpair, all on the device of the features.

    Parameters
    ----------
    vector : Tensor ``[B]`` float32
        Unit length, entry of largest magnitude positive; zero where nothing is preferred.
    value : Tensor ``[]`` float64
        The eigenvalue λ2.
    residual : Tensor ``[]`` float32
        ‖L v - λ2 v‖.
    projected : Tensor ``[m, m]`` float64
        L on the searched subspace; its second-smallest eigenvalue is λ3.
    bound : Tensor ``[]`` float64
        At least the largest eigenvalue.
    """

    vector: Tensor
    value: Tensor
    residual: Tensor
    projected: Tensor
    bound: Tensor


class Graph:
    """The similarity graph of a batch and its Laplacian as an operator.

    Negative similarities would make L indefinite. They are shifted: where any feature is negative
    (decided on the device, so that nothing waits) the similarities become (S + 1)/2, a rank-one change
    that needs no matrix. In the unnormalised Laplacian this leaves every eigenvector as it was, since
    it moves all eigenvalues but the null one by the same amount. Setting negative similarities to zero
    instead would need S itself, so it is not offered.

    Parameters
    ----------
    feats : Tensor ``[B, d]`` float
        Computed with in float32. Rows of length zero, or with a NaN or infinity, count as zero rows:
        similar to nobody.
    normalized : bool
        D^-1/2 L D^-1/2 in place of L = D - S. The similarity of a node to itself is left out (as
        scipy and scikit-learn do), which matters in this case only.

    Attributes
    ----------
    degrees : Tensor ``[B]``
        Sum of the similarities to all others; less than B·1e-6 counts as zero (an isolated node).
    """

    def __init__(self, feats: Tensor, normalized: bool = False) -> None:
        rows = feats.detach().to(torch.float32)
        size = rows.shape[0]
        shift = (rows < 0).any().to(torch.float32)
        length = torch.linalg.vector_norm(rows, dim=1, keepdim=True)
        rows = (rows / (length.clamp_min(1e-12) * (1 + shift).sqrt())).nan_to_num(nan=0.0)
        self.normalized = normalized
        self.rows = rows
        self.shift = shift / (1 + shift)
        itself = rows.square().sum(1) + self.shift
        self.total = rows @ rows.sum(0) + self.shift * size
        degrees = self.total - itself
        self.degrees = torch.where(degrees > _NOISE * size, degrees, 0.0)
        if normalized:
            self.itself = itself
            self.linked = (self.degrees > 0).to(torch.float32)
            self.scale = self.linked * self.degrees.clamp_min(_NOISE * size).rsqrt()
            null = self.degrees.clamp_min(_NOISE * size).sqrt()
            self.bound = torch.full((), 2 * _ROOM, device=rows.device)
        else:
            null = torch.ones_like(degrees)
            self.bound = (2 * _ROOM * self.degrees.max()).clamp_min(1e-12)
        self.null = null / torch.linalg.vector_norm(null)

    def apply(self, x: Tensor) -> Tensor:
        """L x for ``x`` ``[B]`` orthogonal to the null vector."""
        if not self.normalized:
            # The shift's part of S x is a multiple of sum(x), which is zero here.
            return torch.addmv(self.total * x, self.rows, self.rows.t() @ x, alpha=-1)
        y = self.scale * x
        similar = torch.addmv(self.shift * y.sum() - self.itself * y, self.rows, self.rows.t() @ y)
        return self.linked * x - self.scale * similar

    def dense(self) -> Tensor:
        """L ``[B, B]``, with the null eigenvalue moved well above the others."""
        laplacian = torch.mm(self.rows, self.rows.t()).add_(self.shift).neg_()
        if self.normalized:
            laplacian.mul_(self.scale[:, None]).mul_(self.scale)
        laplacian.diagonal().copy_(self.linked if self.normalized else self.degrees)
        return laplacian.add_(torch.outer(2 * self.bound * self.null, self.null))

    def start(self) -> Tensor:
        """Where the search begins: a unit vector ``[B]`` that moves with the nodes when they are permuted.

        Half a soft peak on the nodes of lowest degree, where the vector tends to concentrate, half one
        fixed direction of feature space, which tells clusters apart. Zero where all nodes are alike.
        """
        low = self.degrees.min()
        width = 0.1 * (self.degrees.mean() - low) + 1e-3 * self.degrees.mean() + 1e-12
        peak = width / (self.degrees - low + width)
        place = torch.arange(self.rows.shape[1], device=self.rows.device, dtype=torch.float64)
        direction = torch.sin(place * place).to(torch.float32)
        return self._unit(self._unit(peak, 1e-3) + self._unit(self.rows @ direction, 1e-5), 1e-3)

    def _unit(self, x: Tensor, least: float) -> Tensor:
        """``x`` without its null part, unit length; zero where less than the share ``least`` of x is left."""
        rest = x - self.null * (self.null @ x)
        length = torch.linalg.vector_norm(rest)
        enough = length > least * torch.linalg.vector_norm(x)
        return rest * torch.where(enough, 1 / length.clamp_min(1e-30), 0.0)


def fiedler(feats: Tensor, *, normalized: bool = False, steps: int = STEPS) -> Eigenpair:
    """The eigenvector of the second-smallest eigenvalue of the batch graph's Laplacian.

    Lanczos with a fixed number of steps, each new vector orthogonalised twice against all earlier ones
    and against the null vector (without the latter at every step it drifts back there). Nothing waits
    for the device and shapes depend on (B, d, steps) alone, so that a CUDA graph can hold it. On a CPU
    up to B = :data:`DENSE_UP_TO` LAPACK solves the formed matrix instead; both give the same answer.

    Sign: the entry of largest magnitude is positive.
    Degenerate cases: where λ2 belongs to several eigenvectors (a graph of three or more parts, say)
    the answer is the start vector's projection on their space, so that equal rows get equal entries.
    In a graph of two parts it is constant on each. A zero row is an isolated part. B = 2: (1, -1)/√2 up
    to order. All rows equal, all rows zero, or B = 1: the zero vector.

    Parameters
    ----------
    feats : Tensor ``[B, d]`` float
        Need not be normalised. See :class:`Graph` for negative similarities and odd rows.
    normalized : bool
        Symmetric-normalised Laplacian. Its eigenvector spreads over the batch, where the plain one
        tends to sit on a single node.
    steps : int
        Lanczos steps; more are needed only where the relative gap is far below 2 %.

    Returns
    -------
    Eigenpair
    """
    graph = Graph(feats, normalized)
    size = graph.rows.shape[0]
    if size == 1:
        nothing = torch.zeros(1, 1, dtype=torch.float64, device=feats.device)
        value = nothing[0, 0]
        return Eigenpair(nothing[0].float(), value, value.float(), nothing, value + 1)
    if is_dense(size, feats.device):
        vector, value, projected = _solve_dense(graph)
    else:
        basis, projected = _lanczos(graph, min(steps, size - 1))
        value, mix = smallest(projected, graph.bound.double())
        vector = basis.t() @ mix.to(torch.float32)
    vector = vector / torch.linalg.vector_norm(vector).clamp_min(1e-30)
    vector = vector * torch.where(vector.max() >= -vector.min(), 1.0, -1.0)
    residual = torch.linalg.vector_norm(graph.apply(vector) - value.to(torch.float32) * vector)
    return Eigenpair(vector, value, residual, projected, graph.bound.double())


def is_dense(size: int, device: torch.device) -> bool:
    """Whether :func:`fiedler` forms the matrix: on host numbers alone."""
    return device.type == "cpu" and size <= DENSE_UP_TO


def _solve_dense(graph: Graph) -> tuple[Tensor, Tensor, Tensor]:
    values, vectors = torch.linalg.eigh(graph.dense())
    along = vectors.t() @ graph.start()
    # What the start vector cannot see, Lanczos cannot find: both paths pass over it.
    first = int((along.abs() > _MERGED).to(torch.int8).argmax())
    together = (values - values[first]).abs() <= _MERGED * graph.bound
    vector = vectors @ torch.where(together, along, 0.0)
    return vector, values[first].double(), torch.diag(values[first : first + 2].double())


def _lanczos(graph: Graph, steps: int) -> tuple[Tensor, Tensor]:
    """Orthonormal ``[steps, B]`` and L projected on it ``[steps, steps]``, float64 tridiagonal.

    Once the space is exhausted the remaining vectors are zero and their diagonal entries the bound
    on the spectrum, so that they are never the smallest.
    """
    basis = torch.zeros((steps + 2, graph.rows.shape[0]), device=graph.rows.device)
    basis[0] = graph.null
    basis[1] = graph.start()
    noise = _NOISE * graph.bound
    on, off = [], [torch.linalg.vector_norm(basis[1])]
    for j in range(1, steps + 1):
        earlier = basis[: j + 1]
        x = graph.apply(basis[j])
        part = earlier @ x
        x = torch.addmv(x, earlier.t(), part, alpha=-1)
        rest = earlier @ x
        x = torch.addmv(x, earlier.t(), rest, alpha=-1)
        on.append(part[j] + rest[j])
        length = torch.linalg.vector_norm(x)
        off.append(torch.where(length > noise, length, 0.0))
        torch.div(x, torch.where(length > noise, length, math.inf), out=basis[j + 1])
    lengths = torch.stack(off).double()
    diagonal = torch.where(lengths[:-1] > 0, torch.stack(on).double(), graph.bound.double())
    beside = lengths[1:-1]
    projected = torch.diag(diagonal) + torch.diag(beside, 1) + torch.diag(beside, -1)
    return basis[1:-1], projected


def smallest(matrix: Tensor, bound: Tensor) -> tuple[Tensor, Tensor]:
    """Smallest eigenpair of a small symmetric positive semi-definite matrix, without waiting.

    A CPU calls LAPACK. LAPACK's counterpart on a GPU waits for the device, so there
    ((bound - matrix)/bound)^(2^22) is formed by repeated squaring, which leaves v vᵀ.

    Parameters
    ----------
    matrix : Tensor ``[m, m]`` float64
    bound : Tensor ``[]`` float64
        More than the largest eigenvalue.

    Returns
    -------
    value : Tensor ``[]``, vector : Tensor ``[m]``
    """
    if matrix.device.type == "cpu":
        values, vectors = torch.linalg.eigh(matrix)
        return values[0], vectors[:, 0]
    return smallest_by_squaring(matrix, bound)


def smallest_by_squaring(matrix: Tensor, bound: Tensor) -> tuple[Tensor, Tensor]:
    """:func:`smallest` by matrix products alone, on any device."""
    power = _squared(torch.eye(matrix.shape[0], dtype=matrix.dtype, device=matrix.device) - matrix / bound)
    # Lanczos starts at the first basis vector, so that the first column never lacks the answer.
    vector = power[:, 0] / torch.linalg.vector_norm(power[:, 0]).clamp_min(1e-300)
    return vector @ (matrix @ vector), vector


def _squared(power: Tensor) -> Tensor:
    for _ in range(_SQUARINGS):
        power = power @ power
        power = power / power.diagonal().sum().clamp_min(1e-300)
    return power


def diagnostics(pair: Eigenpair) -> dict[str, Tensor]:
    """How far the pair can be trusted, as float scalars on its device; nothing waits.

    Returns
    -------
    dict
        ``participation``: 1/Σ v⁴, the number of nodes that the vector sits on (0 for the zero vector).
        ``gap``: (λ3 - λ2)/λ2; where it is near 0 the vector may turn with the slightest noise.
        ``residual``: ‖L v - λ2 v‖.
    """
    fourth = pair.vector.double().square().square().sum()
    mix_value, mix = smallest(pair.projected, pair.bound) if pair.projected.shape[0] > 1 else (pair.value, None)
    following = pair.bound
    if mix is not None:
        # Without its smallest eigenpair, the same matrix has λ3 at that end.
        rest = torch.eye(mix.shape[0], dtype=mix.dtype, device=mix.device) - pair.projected / pair.bound
        rest = rest - (1 - mix_value / pair.bound) * torch.outer(mix, mix)
        power = _squared(rest)
        following = pair.bound * (1 - (power * rest).sum())
    gap = (following - pair.value) / pair.value.clamp_min(_NOISE * pair.bound)
    return {
        "participation": torch.where(fourth > 0, 1 / fourth.clamp_min(1e-30), 0.0).to(torch.float32),
        "gap": gap.to(torch.float32),
        "residual": pair.residual,
    }


def graph_flops(n: int, d: int) -> float:
    """Cost of building a :class:`Graph`: rows scaled, degrees, and the check for negative features."""
    return 10.0 * n * d + 8.0 * n


def fiedler_flops(n: int, d: int, steps: int, device: torch.device) -> float:
    """Cost of one :func:`fiedler` on ``device``."""
    total = graph_flops(n, d) + 6.0 * n * d
    if is_dense(n, device):
        return total + 2.0 * n * n * d + 9.0 * n**3 + 14.0 * n * n
    m = min(steps, n - 1)
    small = 9.0 * m**3 if device.type == "cpu" else _SQUARINGS * 2.0 * m**3
    return total + m * (4.0 * n * d + 4.0 * n * (m + 3) + 6.0 * n) + small
