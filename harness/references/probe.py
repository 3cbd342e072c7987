"""A linear probe that gives a headless reference its losses: each sample is scored by a probe that never saw it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from ...strategies.errors import UsageError
from ..datasets.splits import spread
from ..store.feature_file import Rows
from ..store.feature_memory import fits

ITERATIONS = 100
"""Cap of L-BFGS steps for each fold."""

HISTORY = 512 << 20
"""Bytes that L-BFGS may remember of its earlier steps: all of them up to 600,000 weights, 32 for 1,000 x 2,048."""


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
    features: Tensor | Rows,
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
    features : Tensor or Rows ``[n, d]``
        Rows that do not fit (:func:`selbench.harness.store.feature_memory.fits`) are read again for every evaluation
        of the
        objective: the same fit, to float32 rounding.
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
    device : torch.device or str
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
    device, labels = torch.device(device), labels.cpu()
    if isinstance(features, Rows) and fits(features.nbytes, device):
        features = features.load(device)
    losses, hits, flops = torch.empty(len(labels)), torch.empty(len(labels)), 0.0
    for ids, scores, spent in held_out(features, labels, classes, fold_of(labels, folds, seed), l2=l2, device=device):
        losses[ids] = F.cross_entropy(scores, labels[ids], reduction="none")
        hits[ids] = (scores.argmax(dim=1) == labels[ids]).float()
        flops += spent
    return Probe(losses, float(hits.mean()), flops)


def fold_of(labels: Tensor, folds: int, seed: int) -> Tensor:
    """Fold ``[n]`` int64 of each sample: every class spread evenly, folds of equal size within one."""
    return spread(labels, folds, seed, "probe")


def held_out(
    features: Tensor | Rows, labels: Tensor, classes: int, fold: Tensor, *, l2: float, device: torch.device
) -> Iterator[tuple[Tensor, Tensor, float]]:
    """Every sample scored by the probe that was fitted without its fold; standardisation, too, uses the others alone.

    Parameters
    ----------
    features : Tensor or Rows ``[n, d]``
        A tensor is fitted on as a whole; rows are read in chunks, again and again.
    labels, fold : Tensor ``[n]`` int64, on the CPU
    classes : int
    l2 : float
    device : torch.device

    Yields
    ------
    ids : Tensor ``[m]`` int64
        Each of ``[0, n)`` comes once.
    scores : Tensor ``[m, C]`` float32
        Their logits; all on the CPU.
    flops : float
        Operations spent since the last ones.
    """
    for number in fold.unique().tolist():
        held = torch.nonzero(fold == number).flatten()
        rest = torch.nonzero(fold != number).flatten()
        seen = _Standard(features, labels, rest, device)
        weight, bias, calls = _fit(seen, classes, l2)
        passes = 2 * calls * len(rest)  # forward and backward
        for ids, x in seen.scaled(held):
            yield ids, torch.addmm(bias, x, weight.T).cpu(), 2.0 * weight.numel() * (passes + len(ids))
            passes = 0


class _Standard:
    """The training rows of a fold, and their standardisation.

    Iterating gives blocks of standardised rows ``[m, d]`` with their labels ``[m]``, on the device.
    """

    def __init__(self, features: Tensor | Rows, labels: Tensor, ids: Tensor, device: torch.device) -> None:
        self.features, self.labels, self.ids, self.device = features, labels, ids, device
        self.mean, std = self._moments()
        # A feature that is constant in the fit says nothing, and must not blow up where it varies.
        self.gain = torch.where(std > 1e-6 * (1 + self.mean.abs()), 1 / std, 0)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for ids, x in self.scaled(self.ids):
            yield x, self.labels[ids].to(self.device)

    def scaled(self, ids: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """Standardised rows of any samples, with the ids of each block."""
        for part, x in self._blocks(ids):
            yield part, x.sub_(self.mean).mul_(self.gain)  # in place: blocks are copies

    def _moments(self) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation ``[d]``, merged over blocks in float64 (Chan et al. 1983)."""
        count, mean, square = 0, torch.zeros(()), torch.zeros(())
        for ids, x in self._blocks(self.ids):
            share = len(ids) / (count + len(ids))
            shift = x.mean(dim=0).cpu().double() - mean
            spread = x.std(dim=0, correction=0).cpu().double().square()
            mean = mean + share * shift
            square = (1 - share) * (square + share * shift.square()) + share * spread
            count += len(ids)
        return mean.float().to(self.device), square.sqrt().float().to(self.device)

    def _blocks(self, ids: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """Float32 copies of rows on the device: a tensor's at once, a file's a chunk at a time."""
        if isinstance(self.features, Tensor):
            yield ids, self.features[ids.to(self.features.device)].to(self.device, torch.float32)
            return
        start = 0
        for chunk in self.features.subset(ids).chunks(self.features.dtype):
            yield ids[start : start + len(chunk)], chunk.to(self.device).float()
            start += len(chunk)


def _fit(seen: _Standard, classes: int, l2: float) -> tuple[Tensor, Tensor, int]:
    """Weights ``[C, d]``, bias ``[C]``, and how often the objective was evaluated."""
    count, device = len(seen.ids), seen.device
    blocks = list(seen) if isinstance(seen.features, Tensor) else seen
    weight = torch.zeros(classes, len(seen.mean), device=device, requires_grad=True)
    bias = torch.zeros(classes, device=device, requires_grad=True)
    pair = 2 * 4 * (weight.numel() + bias.numel())  # a step and a difference of gradients
    optimizer = torch.optim.LBFGS(
        [weight, bias],
        max_iter=ITERATIONS,
        tolerance_grad=1e-6,
        tolerance_change=1e-9,
        history_size=max(1, min(ITERATIONS, HISTORY // pair)),
        line_search_fn="strong_wolfe",
    )
    calls = 0

    def objective() -> Tensor:
        nonlocal calls
        calls += 1
        optimizer.zero_grad()
        mean = torch.zeros((), dtype=torch.float64, device=device)  # many small shares: rounded once
        for x, y in blocks:
            loss = F.cross_entropy(torch.addmm(bias, x, weight.T), y) * (len(y) / count)
            loss.backward()
            mean += loss.detach()
        penalty = 0.5 * l2 * weight.square().sum()
        penalty.backward()
        return mean.float() + penalty.detach()

    with torch.enable_grad():
        optimizer.step(objective)
    return weight.detach(), bias.detach(), calls
