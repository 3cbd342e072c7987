"""The Fiedler vector of a batch's similarity graph.

Nodes are candidates, edges the cosine similarities of their features. Three ways to the same answer, of which
:func:`usual_way` takes the fastest: the graph as an operator
(:func:`selbench.strategies.maths.lanczos.lanczos`), or, for small B, formed (LAPACK on a CPU,
:func:`selbench.strategies.maths.filtered.filtered` on a GPU).
"""

from collections.abc import Callable
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from .filtered import filtered, filtered_flops
from .graph import NOISE, Graph, graph_flops
from .lanczos import lanczos, lanczos_flops, second_smallest, smallest

DENSE_UP_TO = 160
"""Largest B for which a CPU forms L and calls LAPACK; measured on two cores at d = 512."""

FILTERED_UP_TO = 1024
"""Largest B for which a GPU forms L: its products, of B³, then take less than the launches that they save."""

STEPS = 32
"""Lanczos steps up to B = 2,048: enough wherever the relative gap (λ3 - λ2)/λ2 is 2 % or more (see the tests)."""

_MERGED = 1e-5  # LAPACK in float32 tells eigenvalues apart down to this share of the spectrum


Way = Literal["lapack", "filter", "lanczos"]


class Measures(NamedTuple):
    """How good an eigenpair is, as scalars on its device: λ2 (the vector's Rayleigh quotient), λ3, ‖L v - λ2 v‖."""

    value: Tensor
    following: Tensor
    residual: Tensor


class Eigenpair(NamedTuple):
    """An approximate eigenvector ``[B]`` float32, and its quality on demand.

    It has unit length, the entry of largest magnitude positive; zero where nothing is preferred. A pick needs no
    :class:`Measures`, so that none are computed for it; ask before the features are overwritten.
    """

    vector: Tensor
    measure: Callable[[], Measures]


def fiedler(feats: Tensor, *, normalized: bool = False, steps: int | None = None, way: Way | None = None) -> Eigenpair:
    """The eigenvector of the second-smallest eigenvalue of the batch graph's Laplacian.

    Lanczos with a fixed number of steps, fully re-orthogonalised: ``steps`` products of 4 B d
    operations and O(B steps²) for the basis. On a CPU up to B = :data:`DENSE_UP_TO`
    LAPACK solves the formed matrix instead, in 2 B² d + O(B³); on a GPU up to B = :data:`FILTERED_UP_TO`
    a dozen products of the formed matrix do, 24 B³, in a tenth of the kernels. All give the same answer.
    On a GPU nothing waits for the device, and shapes depend on (B, d, steps) alone, so that a CUDA graph can hold it.

    Sign: the entry of largest magnitude is positive.
    Degenerate cases: where λ2 belongs to several eigenvectors (a graph of three or more parts, say)
    the answer is the start vector's projection on their space, so that equal rows get equal entries.
    In a graph of two parts it is constant on each. A zero row is an isolated part. B = 2: (1, -1)/√2 up
    to order, unless the rows are equal. All rows equal, all rows zero, or B = 1: the zero vector.

    Parameters
    ----------
    feats : Tensor ``[B, d]`` float
        Need not be normalised. See :class:`Graph` for negative similarities and odd rows.
    normalized : bool
        Symmetric-normalised Laplacian. Its eigenvector spreads over the batch, where the plain one
        tends to sit on a single node.
    steps : int, optional
        Lanczos steps; by default :func:`usual_steps` of a batch. More are needed only where the
        relative gap is far below 2 %.
    way : {"lapack", "filter", "lanczos"}, optional
        How it is solved, each on any device; by default :func:`usual_way`.

    Returns
    -------
    Eigenpair
    """
    size = feats.shape[0]
    way = usual_way(size, feats.device) if way is None else way
    if way == "lapack" and not normalized:
        found = _simple(feats)
        if found is not None:
            return found
    graph = Graph(feats, normalized)
    count = min(usual_steps(size) if steps is None else steps, size - 1)
    if size == 1:
        vector, projected = torch.zeros_like(graph.null), graph.bound.double().view(1, 1)
    elif way == "lapack":
        vector, projected = _solve_dense(graph)
    elif way == "filter":
        vector, projected = filtered(graph), None  # λ3 only where it is asked for
    else:
        basis, projected = lanczos(graph, count)
        vector = basis.t() @ smallest(projected, graph.bound.double()).to(torch.float32)
    lowest, highest = vector.aminmax()
    length = torch.linalg.vector_norm(vector).copysign(highest + lowest)
    vector = (vector / length).nan_to_num_(0.0, 0.0, 0.0)
    return Eigenpair(
        vector, lambda: _measures(graph, vector, lanczos(graph, count)[1] if projected is None else projected)
    )


def usual_way(size: int, device: torch.device, stepped: bool = False) -> Way:
    """The fastest way on ``device``, by host numbers alone; ``stepped`` where Lanczos steps were asked for."""
    if device.type == "cpu":
        return "lapack" if size <= DENSE_UP_TO else "lanczos"
    return "filter" if size <= FILTERED_UP_TO and not stepped else "lanczos"


def usual_steps(size: int, cadence: str = "batch") -> int:
    """Lanczos steps for ``size`` nodes: what a pick on each batch can afford, four times it on the whole pool.

    Measured against LAPACK in float64 (least |cos|, least overlap of the top quarter). SqueezeNet
    features: Flowers, the training split and 8 samples of the test split, 1,020 each, both Laplacians,
    gaps of 2 to 50 %: 1.0000 and 1.00 with 32 steps (24 steps: 1.0000 and 0.98); CIFAR-10 as JPEG copy,
    4,096 images, gap 9 %: 1.0000 and 0.987 with 32, 1.00 with 48. Random features,
    normalised Laplacian, 2,048 rows, gap 0.01 %: 0.995 and 0.94 with 32, 1.0000 and 0.998 with 48,
    1.0000 and 1.00 with 128.
    """
    if cadence != "batch":
        return 4 * STEPS
    return STEPS if size <= 2048 else 3 * STEPS // 2


def _simple(feats: Tensor) -> Eigenpair | None:
    """The plain Laplacian on a CPU, where λ2 is positive, simple and seen; else None.

    Eigenvalues alone (4/3 n³ operations in place of 9 n³), then a step of inverse iteration from the
    degrees. At this size operators cost more than their arithmetic: as few as possible.
    """
    size = feats.shape[0]
    if size < 3:
        return None
    if feats.requires_grad or feats.dtype != torch.float32:
        feats = feats.detach().to(torch.float32)
    matrix = torch.mm(feats, feats.t())
    diagonal = matrix.diagonal()
    scale = diagonal.rsqrt()
    matrix.mul_(scale).mul_(scale.unsqueeze(1))
    total = matrix.sum(1)
    diagonal.sub_(total)
    # The matrix is -L: its eigenvalues end in -λ3, -λ2, 0.
    try:
        values = torch.linalg.eigvalsh(matrix)
    except torch.linalg.LinAlgError:  # NaNs, from zero or broken rows
        return None
    host = values.tolist()
    largest, third, second = -host[0], -host[-3], -host[-2]
    gap = min(third - second, second)
    if not gap > _MERGED * largest:
        return None
    diagonal.sub_(values[-2])
    vector = torch.linalg.solve_ex(matrix, total)[0]
    length = torch.linalg.vector_norm(vector)
    # The step leaves at most |total's other parts| / (gap |vector|) of the others: 1e-3, else a second one.
    # A matrix singular to the last bit gives infinities, and then NaNs.
    if not 1e30 > float(length) * gap > 1e3 * (largest - second) * size**0.5:
        vector = torch.linalg.solve_ex(matrix, vector / length)[0]
        length = torch.linalg.vector_norm(vector)
        # What the degrees cannot see breaks ties among equal rows by rounding noise: not ours.
        if not abs(float(vector.dot(total))) > 1e-4 * largest * float(length):
            return None
    vector.div_(length if float(vector.amax()) >= -float(vector.amin()) else -length)

    def measure() -> Measures:
        shift = float(feats.amin() < 0)
        value, following = ((shift * size - value) / (1 + shift) for value in (values[-2], values[-3]))
        return Measures(value, following, torch.linalg.vector_norm(matrix @ vector) / (1 + shift))

    return Eigenpair(vector, measure)


def _solve_dense(graph: Graph) -> tuple[Tensor, Tensor]:
    values, vectors = torch.linalg.eigh(graph.dense())
    along = vectors.t() @ graph.start()[0].nan_to_num(0.0)
    # What the start vector cannot see, Lanczos cannot find: both paths pass over it.
    first = int((along.abs() > _MERGED).to(torch.int8).argmax())
    together = (values - values[first]).abs() <= _MERGED * graph.bound
    vector = vectors @ torch.where(together, along, 0.0)
    return vector, torch.diag(values[first : first + 2].double())


def _measures(graph: Graph, vector: Tensor, projected: Tensor) -> Measures:
    bound = graph.bound.double()
    image = graph.apply(vector)
    value = vector.double() @ image.double()
    residual = torch.linalg.vector_norm(image - value.to(torch.float32) * vector)
    following = second_smallest(projected, bound, smallest(projected, bound))
    return Measures(value / graph.unit, following / graph.unit, residual / graph.unit)


def diagnostics(pair: Eigenpair) -> dict[str, Tensor]:
    """How far the pair can be trusted, as float scalars on its device; nothing waits.

    ``participation``: 1/Σ v⁴, the number of nodes that the vector sits on (0 for the zero vector). ``gap``:
    (λ3 - λ2)/λ2; where it is near 0 the vector may turn with the slightest noise. ``residual``: ‖L v - λ2 v‖.
    """
    seen = pair.measure()
    fourth = pair.vector.double().square().square().sum()
    gap = (seen.following - seen.value) / seen.value.clamp_min(NOISE * seen.following.clamp_min(NOISE))
    return {
        "participation": torch.where(fourth > 0, 1 / fourth.clamp_min(1e-30), 0.0).to(torch.float32),
        "gap": gap.to(torch.float32),
        "residual": seen.residual.to(torch.float32),
    }


def fiedler_flops(
    n: int, d: int, steps: int, device: torch.device, normalized: bool = False, stepped: bool = False
) -> float:
    """Cost of one :func:`fiedler` on ``device``, the usual way."""
    way = usual_way(n, device, stepped)
    if way == "lapack":
        return 2.0 * n * n * d + 9.0 * n**3 + 4.0 / 3.0 * n**3 + 5.0 * n * n
    built = graph_flops(n, d) + (3.0 * n * d if normalized else 0.0)  # and a column for the shift, in every product
    if way == "filter":
        return built + filtered_flops(n, d + normalized, normalized)
    return built + lanczos_flops(n, d + normalized, min(steps, n - 1), device)
