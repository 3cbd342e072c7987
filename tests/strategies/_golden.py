"""Inputs, and what published selection code gave on them: ``data/golden.json`` says whose code, and how it was run."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from selbench.strategies import BatchLosses

RATIOS = (0.1, 0.3, 0.5)


@cache
def golden() -> dict[str, Tensor]:
    """Every array; integers as int64."""
    found = load_file(Path(__file__).parent / "data" / "golden.safetensors")
    return {name: value.long() if value.dtype == torch.int32 else value for name, value in found.items()}


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


def overlap(ours: Tensor, theirs: Tensor) -> float:
    """Share of their picks that are ours too."""
    return len(set(ours.tolist()) & set(theirs.tolist())) / len(theirs)
