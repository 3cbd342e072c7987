"""The Fiedler solver beside its peers, each answer compared with float64.

Ours and the matrix-free peer start from the features. The others are given the formed float32 Laplacian (or the
similarities, or the graph), whose cost is not counted.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import networkx
import numpy as np
import pytest
import scipy.linalg
import scipy.sparse.linalg as sparse
import torch
from sklearn.manifold import spectral_embedding
from torch import Tensor

from selbench.strategies.maths.spectral import fiedler

from .conftest import Meter
from .inputs import answer, closeness, features, laplacian
from .timings import FORMING

SIZES = (32, 64, 128, 256, 512, 1024, 2048, 4096)
WIDTH, WIDE = 512, 2048
RESTARTS = 300
"""Most restarts of ARPACK and iterations of LOBPCG."""

GRAPH = "ours, CUDA graph"

Vector = np.ndarray | Tensor


@dataclass(frozen=True)
class Peer:
    """Another solver: ``prepare`` takes the features (not timed) and gives the call that is timed.

    ``power`` is how its seconds grow with B, ``largest`` the largest B it is tried at, ``host`` whether it runs on the
    CPU wherever ours does, ``formed`` whether it is given the matrix.
    """

    prepare: Callable[[Tensor], Callable[[], Vector]]
    power: int = 3
    largest: int = SIZES[-1]
    host: bool = True
    formed: bool = True


def start(size: int) -> np.ndarray:
    """Where iterative peers begin."""
    return np.random.default_rng(0).standard_normal(size).astype(np.float32)


def matrix_free(feats: Tensor) -> Callable[[], Vector]:
    """ARPACK on D x - F (Fᵀ x)."""
    raw, begin = feats.cpu().numpy(), start(len(feats))

    def solve() -> Vector:
        rows = raw / np.linalg.norm(raw, axis=1, keepdims=True)
        degrees = rows @ rows.sum(0)
        shape = (len(rows), len(rows))
        operator = sparse.LinearOperator(shape, lambda x: degrees * x - rows @ (rows.T @ x), dtype=np.float32)
        return sparse.eigsh(operator, k=2, which="SA", v0=begin, maxiter=RESTARTS)[1][:, 1]

    return solve


def formed(solve: Callable[[np.ndarray], Vector]) -> Callable[[Tensor], Callable[[], Vector]]:
    """A solver of the formed matrix."""

    def prepare(feats: Tensor) -> Callable[[], Vector]:
        matrix = laplacian(feats, np.float32)
        return lambda: solve(matrix)

    return prepare


def formed_torch(solve: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Callable[[], Vector]]:
    """A solver of the formed matrix on the features' device."""

    def prepare(feats: Tensor) -> Callable[[], Vector]:
        matrix = torch.from_numpy(laplacian(feats, np.float32)).to(feats.device)
        return lambda: solve(matrix)

    return prepare


def lobpcg(matrix: Tensor) -> Tensor:
    """Two vectors, the null one given; the tolerance at which the top quarter is right."""
    both = torch.from_numpy(np.stack([np.ones(len(matrix), np.float32), start(len(matrix))], 1)).to(matrix.device)
    return torch.lobpcg(matrix, X=both, largest=False, tol=1e-5, niter=RESTARTS)[1][:, 1]


def embedding(feats: Tensor) -> Callable[[], Vector]:
    """scikit-learn, from the similarities."""
    similar = -laplacian(feats, np.float32)
    np.fill_diagonal(similar, 1.0)
    return lambda: spectral_embedding(similar, n_components=1, norm_laplacian=False, random_state=0)[:, 0]


def graph(feats: Tensor) -> Callable[[], Vector]:
    """NetworkX, from its graph."""
    similar = -laplacian(feats)
    np.fill_diagonal(similar, 0.0)
    nodes = networkx.from_numpy_array(similar)
    return lambda: networkx.fiedler_vector(nodes, method="tracemin_lu", seed=0)


def captured(feats: Tensor) -> Callable[[], Vector]:
    """Ours in a CUDA graph: the same kernels without Python between them."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):  # libraries set themselves up outside the graph
        fiedler(feats)
    torch.cuda.current_stream().wait_stream(side)
    recorded = torch.cuda.CUDAGraph()
    with torch.cuda.graph(recorded):
        vector = fiedler(feats).vector

    def replay() -> Vector:
        recorded.replay()
        return vector

    return replay


PEERS: dict[str, Peer] = {
    "numpy.linalg.eigh": Peer(formed(lambda matrix: np.linalg.eigh(matrix)[1][:, 1])),
    "scipy.linalg.eigh(subset)": Peer(formed(lambda m: scipy.linalg.eigh(m, subset_by_index=[0, 1])[1][:, 1])),
    "scipy eigsh, matrix-free": Peer(matrix_free, power=2, formed=False),
    "scipy eigsh, formed": Peer(
        formed(lambda m: sparse.eigsh(m, k=2, which="SA", v0=start(len(m)), maxiter=RESTARTS)[1][:, 1]), power=2
    ),
    "torch.linalg.eigh": Peer(formed_torch(lambda matrix: torch.linalg.eigh(matrix)[1][:, 1]), host=False),
    "torch.lobpcg": Peer(formed_torch(lobpcg), power=2, host=False),
    "sklearn spectral_embedding": Peer(embedding),
    "networkx.fiedler_vector": Peer(graph, largest=256),  # above, its graph of Python objects alone takes longer
}


@cache
def batch(size: int, width: int) -> tuple[Tensor, np.ndarray, float]:
    """Features, the right answer, the gap."""
    feats = features(size, width)
    truth, gap = answer(feats)
    return feats, truth, gap


def judged(meter: Meter, vector: Any, truth: np.ndarray, gap: float) -> None:
    """Write down how right the answer is, so that a fast wrong one shows."""
    found = vector.cpu().numpy() if isinstance(vector, Tensor) else vector
    meter.note(gap=gap, **closeness(found.astype(np.float64), truth))


def cases() -> Iterator[tuple[int, int, str]]:
    """Sizes ascending, and within one size ours next to its peers."""
    for size in SIZES:
        yield size, WIDTH, "ours"
        yield size, WIDE, "ours"
        yield size, WIDTH, GRAPH
        yield size, WIDE, GRAPH
        yield from ((size, WIDTH, name) for name in (*PEERS, FORMING))


@pytest.mark.parametrize(("size", "width", "name"), list(cases()))
def test_solver(meter: Meter, device: torch.device, size: int, width: int, name: str) -> None:
    feats, truth, gap = batch(size, width)
    about: dict[str, Any] = {"suite": "solver", "case": name, "size": size, "width": width}
    feats = feats.to(device)
    if name == GRAPH and device.type != "cuda":
        pytest.skip("needs a GPU")
    if name in ("ours", GRAPH):
        solve = captured(feats) if name == GRAPH else lambda: fiedler(feats).vector
        judged(meter, meter(solve, host=False, **about), truth, gap)
        return
    if name == FORMING:
        meter(lambda: laplacian(feats, np.float32), host=True, **about)
        return
    peer = PEERS[name]
    about |= {"host": peer.host, "formed": peer.formed}
    if size > peer.largest:
        meter.leave_out(f"not tried above B = {peer.largest}", **about)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # LOBPCG and scikit-learn warn of what the accuracy columns show
        try:
            vector = meter(peer.prepare(feats), power=peer.power, **about)
        except sparse.ArpackNoConvergence:
            meter.leave_out(f"did not converge in {RESTARTS} restarts", **about)
    judged(meter, vector, truth, gap)
