"""Class after class: the parts of a pool that a rule prunes one by one. Waits for the device."""

from collections import Counter

import torch
from torch import Tensor

from .sampling import draw, grouped, grouped_flops, shares, shares_flops, top_flops


def class_parts(labels: Tensor, k: int, generator: torch.Generator, balanced: bool) -> list[tuple[Tensor, int]]:
    """Positions of each class in random order, and how many of the ``k`` picks are its own: its share of the pool.

    A class of no pick is left out; where not ``balanced``, all are one part.
    """
    size, device = len(labels), labels.device
    order = draw(size, size, generator, device)
    if not balanced:
        return [(order, k)]
    sizes = sorted(Counter(labels.tolist()).items())
    chosen = Counter(labels[shares(order, labels, k, generator)].tolist())
    members = grouped(order, labels)[0].split([size for _, size in sizes])
    return [(part, chosen[each]) for part, (each, _) in zip(members, sizes, strict=True) if chosen[each]]


def class_parts_flops(n: int, balanced: bool) -> float:
    """Cost of one :func:`class_parts`."""
    return top_flops(n) + (shares_flops(n) + grouped_flops(n) if balanced else 0.0)
