"""Synthetic batches for the suites, and the exact answer that solvers are compared with."""

from __future__ import annotations

import numpy as np
import scipy.linalg
import torch
from scipy.sparse.linalg import LinearOperator, eigsh
from torch import Tensor

CLASSES = 10


def features(size: int, width: int, seed: int = 0) -> Tensor:
    """Features ``[size, width]`` as a network's last pooling gives them: no negative entry, classes, one stray.

    The stray (the candidate least like the rest, moved a little further off by a feature of its own) keeps λ3 at
    least 2 % above λ2 at every size, and the Fiedler vector on it, as on real features (participation ratio 1.0 to
    1.2).
    """
    stream = torch.Generator().manual_seed(seed)
    centres = 0.4 * torch.randn(CLASSES, width, generator=stream)
    labels = torch.randint(CLASSES, (size,), generator=stream)
    feats = torch.relu(centres[labels] + torch.randn(size, width, generator=stream))
    feats[:, -1] = 0.0
    rows = torch.nn.functional.normalize(feats, dim=1)
    stray = int((rows @ rows.sum(0)).argmin())
    feats[stray, -1] = feats[stray].norm() * (0.97**-2 - 1) ** 0.5  # its cosines become 0.97 of what they were
    return feats


def laplacian(feats: Tensor, dtype: type = np.float64) -> np.ndarray:
    """L = D - S ``[B, B]`` of the cosine similarities S."""
    rows = feats.cpu().numpy().astype(dtype)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    similar = rows @ rows.T
    return np.diag(similar.sum(1)) - similar


def answer(feats: Tensor) -> tuple[np.ndarray, float]:
    """The Fiedler vector in float64, and the relative gap (λ3 - λ2)/λ2.

    LAPACK's Cholesky factor of L (its null space lifted away) and Lanczos on the inverse: digit for digit what
    LAPACK's ``eigh`` gives (see the tests), in seconds where that takes minutes.
    """
    matrix = laplacian(feats)
    size = len(matrix)
    matrix += 2 * matrix.diagonal().max() / size
    factor = scipy.linalg.cho_factor(matrix, overwrite_a=True, check_finite=False)
    inverse = LinearOperator(
        (size, size), matvec=lambda x: scipy.linalg.cho_solve(factor, x, check_finite=False), dtype=np.float64
    )
    start = np.random.default_rng(0).standard_normal(size)
    values, vectors = eigsh(inverse, k=2, which="LM", tol=1e-12, v0=start)
    third, second = np.sort(1 / values)[::-1]
    return vectors[:, values.argmax()], float((third - second) / second)


def closeness(vector: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """|cos| to the right answer, and the shared part of the quarter of largest magnitude."""
    quarter = max(1, len(truth) // 4)
    best = [set(np.argsort(-np.abs(v))[:quarter].tolist()) for v in (vector, truth)]
    return {
        "cos": float(abs(vector @ truth) / (np.linalg.norm(vector) * np.linalg.norm(truth))),
        "overlap": len(best[0] & best[1]) / quarter,
    }
