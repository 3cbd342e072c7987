"""What one selection costs, on made-up candidates: for ``selbench show``."""

from __future__ import annotations

from typing import Any

import torch

from ...strategies.descriptions import sources
from ...strategies.interface import LEARNER_SIGNALS, Traits, keep_count
from ..scale.madeup import Shape, begin, candidates
from ..training.flops import count_selection

SIZE, RATIO = 256, 0.5
SHAPE = Shape(features=512, hidden=512, classes=10, epochs=5)

LEGEND = (
    f"operations of one select that keeps {keep_count(RATIO, SIZE)} of {SIZE} candidates, as the strategy states "
    f"them or else counted ({SHAPE.features} features, {SHAPE.classes} classes, a trace of {SHAPE.epochs} epochs)"
)
BESIDES = {
    "scoring": "a forward pass of the learner for each candidate",
    "val": "looks at images of val",
    "proxy": "a proxy's run before training",
    "reference": "the reference model's outputs, once for each image",
}


def cost(instance: Any, traits: Traits) -> str:
    """``scoring + 4.4 k``: what else must run (keys of :data:`BESIDES`), and operations of the selection itself.

    Raises
    ------
    Exception
        Whatever ``select`` raises.
    """
    read = sources(traits)
    scored = traits.needs & LEARNER_SIGNALS and (traits.cadence == "batch" or traits.pool_scores == "fresh")
    there = {"scoring": "learner" in read and scored, **{name: name in read for name in ("val", "proxy", "reference")}}
    return " + ".join([*(name for name, needed in there.items() if needed), shown(operations(instance, traits))])


def operations(instance: Any, traits: Traits) -> float:
    """Floating-point operations of one call on made-up candidates, after which a rule knows all its widths."""
    keep = keep_count(traits.ratio or RATIO, SIZE)
    feats, losses = candidates(SHAPE, traits.needs, SIZE, keep, torch.device("cpu"))
    begin(instance, SHAPE, feats, losses)
    stated = getattr(instance, "flops", None)
    with torch.no_grad():
        if not callable(stated):
            return count_selection(lambda: instance.select(feats, losses, keep / SIZE)).flops
        instance.select(feats, losses, keep / SIZE)
    return float(stated(SIZE, SHAPE.features if "features" in traits.needs else 0, keep))


def shown(count: float) -> str:
    """Operations in two digits: ``4.4 k``, ``19 M``."""
    for unit, scale in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if count >= 0.995 * scale:
            return f"{count / scale:.{0 if count >= 9.95 * scale else 1}f} {unit}"
    return f"{count:.0f}"
