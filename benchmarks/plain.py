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
    return torch.randperm(len(losses.labels), generator=stream, device=losses.labels.device)[:k]


def head(score: Callable[[Any, Any], Tensor]) -> Rule:
    """Sort all by a score of the features and the losses, take the k highest."""
    return lambda feats, losses, k, stream: torch.argsort(score(feats, losses), descending=True)[:k]


def el2n(feats: Any, losses: Any) -> Tensor:
    wanted = torch.nn.functional.one_hot(losses.labels, losses.trace.shape[2])[:, None]
    return (losses.trace - wanted).norm(dim=2).mean(1)


def similarity(feats: Tensor) -> Tensor:
    """The formed matrix of cosines ``[B, B]``."""
    rows = torch.nn.functional.normalize(feats, dim=1)
    return rows @ rows.T


def outlier(feats: Any, losses: Any, k: int, stream: torch.Generator) -> Tensor:
    """The lowest row sum first, then a permutation of the others."""
    first = similarity(feats).sum(1).argmin()
    order = torch.randperm(len(feats), generator=stream, device=feats.device)
    return torch.cat([first[None], order[order != first][: k - 1]])


def fiedler(feats: Tensor, losses: Any) -> Tensor:
    """|v| by the dense eigendecomposition of the formed Laplacian."""
    similar = similarity(feats)
    return torch.linalg.eigh(similar.sum(1).diag() - similar)[1][:, 1].abs()


def gstds(feats: Any, losses: Any, k: int, stream: torch.Generator) -> Tensor:
    """Half by dense eigenvectors, half drawn from the rest with weights 1/loss."""
    chosen = torch.argsort(fiedler(feats, losses), descending=True)[: (k + 1) // 2]
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
    "uniform": uniform,
    "loss": head(lambda feats, losses: losses.learner),
    "rho": head(lambda feats, losses: losses.learner - losses.reference),
    "static": head(el2n),
    "degree": head(lambda feats, losses: -similarity(feats).sum(1)),
    "outlier": outlier,
    "fiedler": head(fiedler),
    "gstds": gstds,
    "jest": jest,
}
