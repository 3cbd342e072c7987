"""The built-in rules with their default settings as one would first write them: the baseline of ``select``.

Each takes features ``[B, d]``, the batch's losses, k and a generator, and gives ``[k]`` positions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

Rule = Callable[[Any, Any, int, torch.Generator], Tensor]


def uniform(feats: Any, losses: Any, k: int, stream: torch.Generator) -> Tensor:
    """The head of a permutation."""
    return torch.randperm(len(losses.labels), generator=stream, device=losses.labels.device)[:k]


def loss(feats: Any, losses: Any, k: int, stream: torch.Generator) -> Tensor:
    """Sort, take the head."""
    return torch.argsort(losses.learner, descending=True)[:k]


def rho(feats: Any, losses: Any, k: int, stream: torch.Generator) -> Tensor:
    """Subtract, sort, take the head."""
    return torch.argsort(losses.learner - losses.reference, descending=True)[:k]


def static(feats: Any, losses: Any, k: int, stream: torch.Generator) -> Tensor:
    """EL2N with one-hot labels."""
    wanted = torch.nn.functional.one_hot(losses.labels, losses.trace.shape[2])[:, None]
    return torch.argsort((losses.trace - wanted).norm(dim=2).mean(1), descending=True)[:k]


def similarity(feats: Tensor) -> Tensor:
    """The matrix of cosines."""
    rows = torch.nn.functional.normalize(feats, dim=1)
    return rows @ rows.T


def degree(feats: Any, losses: Any, k: int, stream: torch.Generator) -> Tensor:
    """The rows' sums of the formed similarity matrix."""
    return torch.argsort(similarity(feats).sum(1))[:k]


def outlier(feats: Any, losses: Any, k: int, stream: torch.Generator) -> Tensor:
    """The lowest row sum first, then a permutation of the others."""
    first = similarity(feats).sum(1).argmin()
    order = torch.randperm(len(feats), generator=stream, device=feats.device)
    return torch.cat([first[None], order[order != first][: k - 1]])


def scores(feats: Tensor) -> Tensor:
    """|v| by the dense eigendecomposition of the formed Laplacian."""
    similar = similarity(feats)
    return torch.linalg.eigh(similar.sum(1).diag() - similar)[1][:, 1].abs()


def fiedler(feats: Any, losses: Any, k: int, stream: torch.Generator) -> Tensor:
    """Dense eigenvectors, sort, take the head."""
    return torch.argsort(scores(feats), descending=True)[:k]


def gstds(feats: Any, losses: Any, k: int, stream: torch.Generator) -> Tensor:
    """Half by dense eigenvectors, half drawn from the rest with weights 1/loss."""
    chosen = torch.argsort(scores(feats), descending=True)[: (k + 1) // 2]
    weights = (1 / (losses.reference + 1e-3)).index_fill(0, chosen, 0.0)
    drawn = torch.multinomial(weights, k - len(chosen), generator=stream) if k > len(chosen) else chosen[:0]
    return torch.cat([chosen, drawn])


def jest(feats: Any, losses: Any, k: int, stream: torch.Generator) -> Tensor:
    """One pick at a time in a Python loop: learnability, sharper with each pick."""
    score = losses.learner - losses.reference
    taken = torch.zeros_like(score)
    picks: list[Tensor] = []
    for count in range(k):
        chances = torch.softmax((count + 1) * score - 1e8 * taken, 0)
        picks.append(torch.multinomial(chances, 1, generator=stream))
        taken[picks[-1]] = 1.0
    return torch.cat(picks)


PLAIN: dict[str, Rule] = {
    rule.__name__: rule for rule in (uniform, loss, rho, static, degree, outlier, fiedler, gstds, jest)
}
