"""Inputs, and what published selection code gave on them, of ``tests/strategies/data``: for tests and the page."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from ..strategies import BatchLosses
from ..strategies.maths.last_layer import LastLayer
from .pages import ROOT

DATA = ROOT / "tests" / "strategies" / "data"
RATIOS = (0.1, 0.3, 0.5)


@cache
def golden() -> dict[str, Tensor]:
    """Every array; integers as int64."""
    found = load_file(DATA / "golden.safetensors")
    return {name: value.long() if value.dtype == torch.int32 else value for name, value in found.items()}


@cache
def provenance() -> dict[str, Any]:
    """Whose code gave the arrays of each rule and variant, and how it was run."""
    rules: dict[str, Any] = json.loads((DATA / "golden.json").read_text(encoding="utf-8"))["rules"]
    return {f"{rule}/{name}": variant for rule, found in rules.items() for name, variant in found["variants"].items()}


def given(size: int = 400) -> tuple[Tensor, BatchLosses]:
    """Features and signals of the first ``size`` rows; the trace holds twelve epochs, the last of which is the end."""
    own = {name.removeprefix("input/"): value[:size] for name, value in golden().items() if name.startswith("input/")}
    return own["features"], BatchLosses(
        own["learner_loss"],
        own["reference_loss"],
        labels=own["labels"],
        index=torch.arange(size),
        learner_probs=own["logits"].softmax(1),
        learner_features=own["hidden"],
        trace=own["trace_probs"],
        epoch=1,
        progress=0.1,
    )


def of_val(losses: BatchLosses, label: int | None = None) -> BatchLosses:
    """``losses`` with the held-out signals of the inputs; of one class alone where a ``label`` is given."""
    found = {name: golden()[f"input/val_{name}"] for name in ("logits", "hidden", "labels")}
    if label is not None:
        found = {name: value[golden()["input/val_labels"] == label] for name, value in found.items()}
    probs, hidden, labels = found["logits"].softmax(1), found["hidden"], found["labels"]
    own = {"val_probs": probs, "val_features": hidden, "val_labels": labels}
    return BatchLosses(**losses.signals(), val_gradient=LastLayer.of(probs, hidden, labels).mean(), **own)


def rows(losses: BatchLosses, at: Tensor) -> BatchLosses:
    """The signals of the candidates ``at``, and those of val."""
    return BatchLosses(**{name: signal[at] for name, signal in losses.signals().items()}, **losses.held_out())


def by_class(rule: Any, feats: Tensor | None, losses: BatchLosses, ratio: float) -> tuple[Tensor, Tensor]:
    """Picks and weights of ``rule`` asked for each class alone, so that counts are rounded as DeepCore rounds them.

    The rule sees images of val of that class alone, as DeepCore's code does.
    """
    picks, weights = [], []
    for label in range(10):
        members = (losses.labels == label).nonzero()[:, 0]
        own = of_val(rows(losses, members), label)
        chosen = rule.select(None if feats is None else feats[members], own, ratio)
        at = chosen if isinstance(chosen, Tensor) else chosen.indices
        order = members[at].argsort()
        picks.append(members[at][order])
        weights.append(torch.ones(len(at)) if isinstance(chosen, Tensor) else chosen.weights[order])
    return torch.cat(picks), torch.cat(weights)


def overlap(ours: Tensor, theirs: Tensor) -> float:
    """Share of their picks that are ours too."""
    return len(set(ours.tolist()) & set(theirs.tolist())) / len(theirs)
