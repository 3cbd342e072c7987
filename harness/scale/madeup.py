"""Synthetic candidates: what a strategy's ``select`` costs does not depend on what they show."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ...strategies.interface import HELD_OUT_SIGNALS, BatchLosses, Pool
from ..streams import generator

VAL = 256  # images of val


@dataclass(frozen=True)
class Shape:
    """Widths of what a strategy reads: the reference's features d, the learner's h, classes C, epochs of a trace."""

    features: int
    hidden: int
    classes: int
    epochs: int


def candidates(
    shape: Shape, needs: frozenset[str], size: int, k: int, device: torch.device
) -> tuple[Tensor | None, BatchLosses]:
    """Features ``[size, d]`` and signals ``[size, ...]``, only those that are needed, with ``k`` to be kept."""
    stream = generator(0, "scale", "signals", size)

    def rand(*widths: int) -> Tensor:
        return torch.rand(widths, generator=stream).to(device)

    makers: dict[str, Callable[[], Tensor]] = {
        "learner": lambda: 4 * rand(size),
        "reference": lambda: 2 * rand(size) + 0.01,
        "learner_probs": lambda: rand(size, shape.classes).softmax(1),
        "learner_features": lambda: rand(size, shape.hidden),
        "trace": lambda: rand(size, shape.epochs, shape.classes).softmax(2),
        "trained_trace": lambda: rand(size, shape.epochs, shape.classes).softmax(2),
        "age": lambda: torch.arange(size, device=device),
        "picks": lambda: torch.arange(size, device=device) < k,
        "val_gradient": lambda: rand(shape.classes, shape.hidden + 1) - 0.5,
        "val_features": lambda: rand(VAL, shape.hidden),
        "val_probs": lambda: rand(VAL, shape.classes).softmax(1),
    }
    given = {name: maker() for name, maker in makers.items() if name in needs}
    labels = torch.randint(shape.classes, (size,), generator=stream).to(device)
    if needs & HELD_OUT_SIGNALS:
        given["val_labels"] = torch.arange(VAL, device=device) % shape.classes
    index = torch.arange(size, device=device)
    losses = BatchLosses(**given, labels=labels, index=index, k=k, progress=0.5)  # type: ignore[arg-type]
    # Squares of uniform numbers: skewed and non-negative, as pooled features behind a ReLU are.
    return (rand(size, shape.features).square() if "features" in needs else None), losses


def begin(
    instance: Any, shape: Shape, feats: Tensor | None, losses: BatchLosses, device: torch.device | None = None
) -> None:
    """Give a strategy a pool of exactly these candidates, on ``device`` where that is not their own."""
    starts = getattr(instance, "begin", None)
    if callable(starts):
        labels = losses.labels
        stream = generator(0, "scale", "select", device=labels.device)
        reference = losses.signals().get("reference")
        starts(Pool(len(labels), shape.classes, labels, device or labels.device, stream, feats, reference))
