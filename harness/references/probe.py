"""A linear probe that gives a headless reference its losses: each sample is scored by a probe that never saw it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from ...strategies.errors import UsageError
from ..datasets.splits import rank_in_class
from ..streams import permutation

ITERATIONS = 100
"""Cap of L-BFGS steps for each fold."""


@dataclass(frozen=True)
class Probe:
    """Cross-fitted losses.

    Parameters
    ----------
    losses : Tensor ``[n]`` float32, on the CPU
        Cross-entropy of each sample under the probe of its fold, in nats.
    accuracy : float
        Share of samples that the probe of their fold classifies rightly.
    flops : float
        Floating-point operations of all fits and scores (matrix products; a multiply and an add are two).
    """

    losses: Tensor
    accuracy: float
    flops: float


def crossfit(
    features: Tensor,
    labels: Tensor,
    classes: int,
    *,
    seed: int,
    folds: int = 5,
    l2: float = 1e-2,
    device: torch.device | str = "cpu",
) -> Probe:
    """Multinomial logistic regression, fitted on all folds but one and scored on that one.

    Parameters
    ----------
    features : Tensor ``[n, d]``
    labels : Tensor ``[n]`` int64
    classes : int
        Number of classes C.
    seed : int
        Folds come from the stream (seed, ``probe``), stratified by class.
    folds : int
        At least 2.
    l2 : float
        Weight decay: the objective is the mean cross-entropy plus l2/2 times the squared norm of the weights;
        the bias is free. scikit-learn's C is 1 / (n l2).
    device : torch.device
        Where the fits run.

    Raises
    ------
    UsageError
        Where a class has a single sample, which no other could stand for.
    """
    if folds < 2:
        raise UsageError(f"folds = {folds}: cross-fitting needs at least 2")
    counts = torch.bincount(labels.cpu(), minlength=classes)
    if (counts == 1).any():
        raise UsageError(
            f"class {int(torch.argmax((counts == 1).int()))} has one image, but the probe needs two a class"
        )
    scores, flops = fold_scores(features, labels, classes, fold_of(labels, folds, seed), l2=l2, device=device)
    losses = F.cross_entropy(scores, labels.cpu(), reduction="none")
    return Probe(losses, float((scores.argmax(dim=1) == labels.cpu()).float().mean()), flops)


def fold_of(labels: Tensor, folds: int, seed: int) -> Tensor:
    """Fold ``[n]`` int64 of each sample: every class spread evenly, folds of equal size within one."""
    labels = labels.cpu()
    counts = torch.bincount(labels)
    start = torch.cumsum(counts, 0) - counts
    return (rank_in_class(labels, permutation(len(labels), seed, "probe")) + start[labels]) % folds


def fold_scores(
    features: Tensor, labels: Tensor, classes: int, fold: Tensor, *, l2: float, device: torch.device | str = "cpu"
) -> tuple[Tensor, float]:
    """Logits ``[n, C]`` float32 on the CPU, each row from the probe fitted without its fold, and the operations spent.

    Standardisation, too, uses the other folds alone.
    """
    out = torch.empty(len(labels), classes)
    flops = 0.0
    for number in fold.unique().tolist():
        held = torch.nonzero(fold == number).flatten()
        rest = torch.nonzero(fold != number).flatten()
        seen = features[rest.to(features.device)].to(device, torch.float32)
        mean, std = seen.mean(dim=0), seen.std(dim=0, correction=0)
        # A feature that is constant in the fit says nothing, and must not blow up where it varies.
        gain = torch.where(std > 1e-6 * (1 + mean.abs()), 1 / std, 0)
        weight, bias, calls = _fit((seen - mean) * gain, labels[rest.to(labels.device)].to(device), classes, l2)
        asked = (features[held.to(features.device)].to(device, torch.float32) - mean) * gain
        out[held] = torch.addmm(bias, asked, weight.T).cpu()
        flops += 2.0 * features.shape[1] * classes * (2 * calls * len(rest) + len(held))
    return out, flops


def _fit(x: Tensor, y: Tensor, classes: int, l2: float) -> tuple[Tensor, Tensor, int]:
    """Weights ``[C, d]``, bias ``[C]``, and how often the objective was evaluated."""
    weight = torch.zeros(classes, x.shape[1], device=x.device, requires_grad=True)
    bias = torch.zeros(classes, device=x.device, requires_grad=True)
    optimizer = torch.optim.LBFGS(
        [weight, bias], max_iter=ITERATIONS, tolerance_grad=1e-6, tolerance_change=1e-9, line_search_fn="strong_wolfe"
    )
    calls = 0

    def objective() -> Tensor:
        nonlocal calls
        calls += 1
        optimizer.zero_grad()
        loss = F.cross_entropy(torch.addmm(bias, x, weight.T), y) + 0.5 * l2 * weight.square().sum()
        loss.backward()
        return loss

    with torch.enable_grad():
        optimizer.step(objective)
    return weight.detach(), bias.detach(), calls
