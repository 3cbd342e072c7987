"""Stratified draws: the split of the training images into pool, holdout and val, equal parts, and fixed subsets."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ...strategies.errors import UsageError
from ..streams import permutation


@dataclass(frozen=True)
class Splits:
    """Disjoint and exhaustive positions in the training images, each ascending.

    Parameters
    ----------
    pool : Tensor ``[n]`` int64
        The images to select from; every class is in it.
    holdout : Tensor ``[h]`` int64
        For references that are trained here.
    val : Tensor ``[v]`` int64
        For tuning and for schedules that react.
    """

    pool: Tensor
    holdout: Tensor
    val: Tensor


def split(labels: Tensor, seed: int, holdout: float | int, val: float | int) -> Splits:
    """Split by class, from the stream (seed, ``split``).

    Parameters
    ----------
    labels : Tensor ``[N]`` int64
    seed : int
    holdout, val : float or int
        A share in [0, 1) where it is a float, a number of images where it is an int.

    Raises
    ------
    UsageError
        Where an amount makes no sense, or a class would have no image left in the pool.
    """
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
    """The fixed stratified subset of ``total`` images named by ``axis`` (stream of seed 0): ascending positions.

    Parameters
    ----------
    labels : Tensor ``[N]`` int64
    total : int
        At most N.
    axis : object
        Names the draw, for example ``"digits", "test"``.
    least : int
        Images that each class keeps at least, where it has them.

    Returns
    -------
    Tensor ``[total]`` int64
    """
    wanted = allocate(torch.bincount(labels), total, least)
    rank = rank_in_class(labels, permutation(len(labels), 0, *axis))
    return torch.nonzero(rank < wanted[labels]).flatten()


def spread(labels: Tensor, parts: int, seed: int, *axis: object) -> Tensor:
    """Part ``[n]`` int64 in ``[0, parts)`` of each image, from the stream (seed, ``axis``), on the CPU.

    Every class is spread evenly, and so are all images within it: sizes differ by at most one.

    Parameters
    ----------
    labels : Tensor ``[n]`` int64
    parts : int
        At least 1.
    seed : int
    axis : object
        Names the draw, for example ``"probe"``.
    """
    labels = labels.cpu()
    counts = torch.bincount(labels)
    start = torch.cumsum(counts, 0) - counts
    return (rank_in_class(labels, permutation(len(labels), seed, *axis)) + start[labels]) % parts


def allocate(counts: Tensor, total: int, least: int = 0) -> Tensor:
    """``total`` shared out in proportion to ``counts`` by largest remainders; ties go to the lower class.

    Parameters
    ----------
    counts : Tensor ``[C]`` int64
    total : int
        At most the sum of counts, at least what ``least`` asks for.
    least : int
        Given to each class first, or all that it has.

    Returns
    -------
    Tensor ``[C]`` int64
        Sums to ``total``; never above ``counts``.
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
    counts = torch.bincount(labels)
    start = torch.cumsum(counts, 0) - counts
    rank = torch.empty_like(order)
    rank[by_class] = torch.arange(len(order)) - start[labels[by_class]]
    return rank


def _amount(name: str, amount: float | int, size: int) -> int:
    """A share or a number as a number of images."""
    whole = isinstance(amount, int)
    if not 0 <= amount < (size if whole else 1):
        mend = f"a number of images below {size}" if whole else "a share in [0, 1), or a whole number of images"
        raise UsageError(f"{name} = {amount} is out of range: it is {mend}")
    return int(amount) if whole else round(amount * size)
