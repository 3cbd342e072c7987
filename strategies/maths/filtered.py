"""The smallest eigenvector of a formed Laplacian by a polynomial of it: few large matrix products, for GPUs.

Lanczos steps are hundreds of small kernels, each of which costs a GPU more to launch than to compute. Here the B x B
matrix is formed, and each product of the polynomial with itself doubles its degree.
"""

import torch
from torch import Tensor
from torch.nn import functional

from .graph import Graph

# Doublings of the degree by Chebyshev's T_2n = 2 T_n² - 1 (up to T_16, which float32 can hold and its squares too),
# then by squaring, scaled to length one before each run: degree 2^14. A longer run could underflow.
DOUBLINGS, SQUARINGS = 4, (4, 4, 2)

_MARGIN = 0.01  # share of the largest degree by which a bound on λ2 is raised, so that λ2 is well inside what grows
_ALIKE = 1e-5  # share of B below which a difference between two nodes' sums of cosines is rounding


def filtered(graph: Graph) -> Tensor:
    """The eigenvector ``[B]`` of ``graph``'s λ2, of any length and sign; NaN where no two nodes are linked.

    The polynomial is at most 1 in size between a and b and grows fast below a. Both are known without solving: b is
    twice the largest degree, and a the least diagonal entry of L times B/(B - 1), which λ2 never exceeds (Fiedler
    1973; for the normalised Laplacian by its trace). The null vector is moved in between. Applied to a start vector it
    leaves the Fiedler vector: where λ2 belongs to several, the start's projection on their space.
    Products must be of full float32 precision, as they are unless TF32 was switched on.
    """
    size, normalized = graph.size, graph.normalized
    matrix = graph.rows @ graph.rows.t()
    # The shift of negative similarities moves all eigenvalues of the plain Laplacian alike, so it is left out there.
    diagonal = graph.diagonal if normalized else graph.sums
    top = (diagonal if normalized else torch.linalg.vector_norm(matrix, 1, dim=1)).amax()
    within = matrix.diagonal()
    minus = within - diagonal  # the diagonal of -L
    # (b - a)/2 and -(a + b)/2, with b = 2 (1 + margin) top and a = 2 margin top + B/(B - 1) min L_ii.
    half = torch.add(top, minus.amax(), alpha=size / (2 * (size - 1)))
    middle = torch.sub(half, top, alpha=2 + 2 * _MARGIN)
    # From F Fᵀ to ((a + b)/2 - L)/half, L with the null vector's eigenvalue moved up by top.
    torch.sub(minus, middle, out=within)
    if normalized:
        matrix = torch.addr(matrix, graph.null * top, graph.null, alpha=-1)
    else:
        matrix.sub_(top, alpha=1 / size)
    matrix.div_(half)
    one = torch.eye(size, device=matrix.device)
    for _ in range(DOUBLINGS):
        matrix = torch.addmm(one, matrix, matrix, beta=-1, alpha=2)
    for run in SQUARINGS:
        matrix = matrix / torch.linalg.vector_norm(matrix)
        for _ in range(run):
            matrix = matrix @ matrix
    return matrix @ _start(graph)


def _start(graph: Graph) -> Tensor:
    """A vector ``[B]`` that moves with the nodes; 0 where all are alike.

    The sums of cosines, which tell the nodes of low degree, and one fixed direction of feature space, which tells
    clusters apart.
    """
    size, width = graph.unit_rows.shape
    direction = torch.linspace(1, 2, width, device=graph.rows.device)
    seen = torch.addmv(graph.sums, graph.unit_rows, direction, alpha=size / width**0.5)
    if not graph.normalized:
        return functional.hardshrink(seen - seen.mean(), _ALIKE * size)
    return graph.null * functional.hardshrink(seen - graph.null.square() @ seen, _ALIKE * size)


def filtered_flops(n: int, d: int, normalized: bool) -> float:
    """Cost of :func:`filtered` on a :class:`Graph`."""
    products = DOUBLINGS + sum(SQUARINGS)
    passes = 2.0 + 2.0 + 2.0 * (1 + len(SQUARINGS)) + 2.0 * normalized  # over all pairs, of other kinds
    return 2.0 * n * n * d + products * 2.0 * n**3 + passes * n * n + 2.0 * n * d
