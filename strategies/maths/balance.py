"""Picks that take the same share of every class, without waiting for the device."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..interface import BatchLosses
from .sampling import top, top_flops


def within(order: Tensor, groups: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Each group's members in the ``order`` given, a permutation ``[n]``; ``groups`` ``[n]`` are those of the positions.

    Gives three ``[n]``: the positions, group after group; how many of its group stand before each; how many it has.
    """
    members = order[groups[order].argsort(stable=True)]
    of = groups[members]
    first = torch.searchsorted(of, of)
    return members, torch.arange(len(of), device=of.device) - first, torch.searchsorted(of, of, right=True) - first


def within_flops(n: int) -> float:
    """Cost of one :func:`within`: a sort, two searches counted as two operations each, two differences."""
    return 6.0 * n + n * math.log2(max(2, n))


def shares(order: Tensor, labels: Tensor, k: int, generator: torch.Generator) -> Tensor:
    """The first of each class in a given order, the same share of every class, k in all.

    A class of n_c samples gives n_c·k/n, rounded to the nearest integer with the one divisor that makes
    the sum k (Sainte-Laguë): the k samples of lowest (rank in class + 1/2)/n_c. Ties at random. ``order`` holds all n
    positions, the one to be kept first at the front; labels are any integers.
    """
    members, rank, count = within(order, labels)
    return members[top(-(rank + 0.5) / count, k, generator)]


def shares_flops(n: int) -> float:
    """Cost of one :func:`shares`."""
    return within_flops(n) + 3.0 * n + top_flops(n)


def balanced(scores: Tensor, labels: Tensor, k: int, generator: torch.Generator) -> Tensor:
    """:func:`selbench.strategies.maths.sampling.top`, with the same share of every class (see :func:`shares`)."""
    return shares(top(scores, len(scores), generator), labels, k, generator)


def best(scores: Tensor, losses: BatchLosses, k: int, generator: torch.Generator, class_balanced: bool) -> Tensor:
    """The k candidates of highest score, of all or with the same share of every class."""
    return balanced(scores, losses.labels, k, generator) if class_balanced else top(scores, k, generator)


def best_flops(n: int, class_balanced: bool) -> float:
    """Cost of one :func:`best`."""
    return top_flops(n) + (shares_flops(n) if class_balanced else 0.0)
