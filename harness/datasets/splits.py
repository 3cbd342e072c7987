"""Stratified draws: the split of the training images into pool, holdout and val, equal parts, and fixed subsets."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ...strategies.errors import UsageError
from ..streams import permutation


@dataclass(frozen=True)
class Splits:
    """Disjoint and exhaustive positions ``[n]`` int64 in the training images, each ascending."""

    pool: Tensor  # the images to select from; every class is in it
    holdout: Tensor  # for references that are trained here
    val: Tensor  # for tuning and for schedules that react


def split(labels: Tensor, seed: int, holdout: float | int, val: float | int) -> Splits:
    """Split by class, from the stream (seed, ``split``); an amount is a share in [0, 1) or a number of images."""
    labels = labels.cpu()
    counts = torch.bincount(labels)
    for_holdout = allocate(counts, _amount("holdout", holdout, len(labels)))
    left = counts - for_holdout
    wanted = _amount("val", val, len(labels))
    if wanted >= int(left.sum()):
        raise UsageError(f"holdout = {holdout} and val = {val} leave no image to select from: lower one of them")
    for_val = allocate(left, wanted)
    empty = torch.nonzero((counts > 0) & (left == for_val)).flatten().tolist()
    if empty:
        raise UsageError(
            f"holdout = {holdout} and val = {val} leave class {empty[0]} ({int(counts[empty[0]])} images) "
            "nothing in the pool: lower them, or leave that class out with the option classes"
        )
    rank = rank_in_class(labels, permutation(len(labels), seed, "split"))
    first, second = for_holdout[labels], (for_holdout + for_val)[labels]
    return Splits(
        pool=torch.nonzero(rank >= second).flatten(),
        holdout=torch.nonzero(rank < first).flatten(),
        val=torch.nonzero((rank >= first) & (rank < second)).flatten(),
    )


def subset(labels: Tensor, total: int, *axis: object, least: int = 0) -> Tensor:
    """The stratified subset ``[total]`` named by ``axis``, the same for every seed: ascending positions."""
    wanted = allocate(torch.bincount(labels), total, least)
    rank = rank_in_class(labels, permutation(len(labels), 0, *axis))
    return torch.nonzero(rank < wanted[labels]).flatten()


def spread(labels: Tensor, parts: int, seed: int, *axis: object) -> Tensor:
    """Part ``[n]`` in ``[0, parts)`` of each image, from the stream (seed, ``axis``), on the CPU.

    Every class is spread evenly, and so are all images within it: sizes differ by at most one.
    """
    labels = labels.cpu()
    rank = rank_in_class(labels, permutation(len(labels), seed, *axis))
    return (rank + _starts(labels)[labels]) % parts


def allocate(counts: Tensor, total: int, least: int = 0) -> Tensor:
    """``total`` shared out in proportion to ``counts`` ``[C]`` by largest remainders; ties go to the lower class.

    Each class first gets ``least``, or all that it has; ``total`` is at least that and at most the sum of counts.
    """
    floor = counts.clamp(max=least)
    counts, total = counts - floor, total - int(floor.sum())
    size = max(1, int(counts.sum()))
    share = counts * total // size
    remainder = counts * total - share * size
    order = torch.argsort(remainder, descending=True, stable=True)
    share[order[: total - int(share.sum())]] += 1
    return floor + share


def rank_in_class(labels: Tensor, order: Tensor) -> Tensor:
    """Place ``[N]`` of each image among those of its class, in the order of the permutation ``order`` ``[N]``."""
    by_class = order[torch.argsort(labels[order], stable=True)]
    rank = torch.empty_like(order)
    rank[by_class] = torch.arange(len(order)) - _starts(labels)[labels[by_class]]
    return rank


def _starts(labels: Tensor) -> Tensor:
    """Where each class begins ``[C]`` when images are sorted by class."""
    counts = torch.bincount(labels)
    return torch.cumsum(counts, 0) - counts


def _amount(name: str, amount: float | int, size: int) -> int:
    """A share or a number as a number of images."""
    whole = isinstance(amount, int)
    if not 0 <= amount < (size if whole else 1):
        mend = f"a number of images below {size}" if whole else "a share in [0, 1), or a whole number of images"
        raise UsageError(f"{name} = {amount} is out of range: it is {mend}")
    return int(amount) if whole else round(amount * size)
