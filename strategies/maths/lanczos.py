"""The smallest eigenpair of an operator by Lanczos steps, without waiting for the device."""

import torch
from torch import Tensor

from .graph import Graph

_ENDED = 1e-4  # share of the bound below which a new vector is mostly the rounding noise of the others
_SQUARINGS = 21
_UNSCALED = 7  # squarings between two scalings: float64 holds m^-64 for any m in use


def lanczos(graph: Graph, steps: int) -> tuple[Tensor, Tensor]:
    """An orthonormal basis ``[steps, B]`` and L projected on it ``[steps, steps]``, float64 tridiagonal.

    Each new vector is orthogonalised twice against all earlier ones and against the null vector
    (without the latter at every step it drifts back there). A step is nine operators, of which two
    read the features. Once the space is exhausted what is left is rounding noise: from there on the
    diagonal entries are the bound on the spectrum, so that they are never the smallest, and the
    vectors hang together with nothing.
    """
    size, device = graph.size, graph.rows.device
    basis = torch.empty((steps + 2, size), device=device)
    parts = torch.zeros((2, steps, steps + 2), device=device)
    lengths = torch.empty(steps + 1, device=device)
    columns, across = basis.t(), graph.rows.t()
    middle, x = torch.empty(graph.rows.shape[1], device=device), torch.empty(size, device=device)
    basis[0].copy_(graph.null)
    start, length = graph.start()
    basis[1].copy_(start)
    torch.mul(length, graph.bound, out=lengths[0])
    for j in range(1, steps + 1):
        v, following = basis[j], basis[j + 1]
        torch.mv(across, v, out=middle)
        torch.mul(graph.diagonal, v, out=x)
        torch.addmv(x, graph.rows, middle, alpha=-1, out=x)
        first, second = parts[:, j - 1, : j + 1]
        torch.mv(basis[: j + 1], x, out=first)
        torch.addmv(x, columns[:, : j + 1], first, alpha=-1, out=following)
        torch.mv(basis[: j + 1], following, out=second)
        torch.addmv(following, columns[:, : j + 1], second, alpha=-1, out=following)
        torch.linalg.vector_norm(following, out=lengths[j])
        # Length 0 gives NaNs, which stay behind the end of the space.
        following.div_(lengths[j])
    bound = graph.bound.double()
    alive = (lengths > _ENDED * graph.bound).to(torch.int8).cumprod(0) > 0
    projected = torch.zeros((steps, steps), dtype=torch.float64, device=device)
    diagonal = parts.sum(0).diagonal(1)
    projected.diagonal().copy_(torch.where(alive[:-1], diagonal.double(), bound))
    beside = torch.where(alive[1:-1], lengths[1:-1], 0.0)
    projected.diagonal(1).copy_(beside)
    projected.diagonal(-1).copy_(beside)
    return basis[1:-1].nan_to_num_(0.0, 0.0, 0.0), projected


def lanczos_flops(n: int, d: int, steps: int, device: torch.device) -> float:
    """Cost of :func:`lanczos` and :func:`smallest` on ``device``."""
    small = 9.0 * steps**3 if device.type == "cpu" else _SQUARINGS * 2.0 * steps**3
    return 2.0 * n * d + steps * (4.0 * n * d + 4.0 * n * (steps + 3) + 6.0 * n) + small


def smallest(matrix: Tensor, bound: Tensor) -> Tensor:
    """Eigenvector ``[m]`` of the smallest eigenvalue of a small symmetric matrix, without waiting.

    A CPU calls LAPACK. LAPACK's counterpart on a GPU waits for the device, so there
    (bound - matrix)^(2^21) is formed by repeated squaring, which leaves v vᵀ. Both are float64, and the bound is more
    than the largest eigenvalue.
    """
    if matrix.device.type == "cpu":
        return torch.linalg.eigh(matrix).eigenvectors[:, 0]
    return smallest_by_squaring(matrix, bound)


def smallest_by_squaring(matrix: Tensor, bound: Tensor) -> Tensor:
    """:func:`smallest` by matrix products alone, on any device."""
    # Lanczos starts at the first basis vector, so that the first column never lacks the answer.
    vector = _power(_lowered(matrix, bound))[:, 0]
    return vector / torch.linalg.vector_norm(vector)


def second_smallest(matrix: Tensor, bound: Tensor, smallest_vector: Tensor) -> Tensor:
    """The second-smallest eigenvalue ``[]``, given the eigenvector of the smallest; ``bound`` where there is none."""
    if matrix.shape[0] == 1:
        return bound
    lowered = _lowered(matrix, bound)
    # Without its smallest eigenpair, the same matrix has the second at that end.
    image = lowered @ smallest_vector
    rest = torch.addr(lowered, image, smallest_vector, alpha=-1)
    power = _power(rest)
    return bound - (power * rest).sum() / power.diagonal().sum().clamp_min(1e-300)


def _lowered(matrix: Tensor, bound: Tensor) -> Tensor:
    lowered = -matrix
    lowered.diagonal().add_(bound)
    return lowered


def _power(matrix: Tensor) -> Tensor:
    power = matrix
    for count in range(_SQUARINGS):
        if count % _UNSCALED == 0:
            power = power / torch.linalg.vector_norm(power).clamp_min(1e-300)
        power = power @ power
    return power
