"""One optimizer step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

Look = Callable[[], tuple[float, float]]
"""The learner's loss on held-out images, and the run's FLOPs so far."""

MIN_IMAGES = 2
"""Images in a batch: batch normalisation has no variance of one."""


@dataclass(frozen=True)
class Step:
    """One optimizer step."""

    epoch: int
    start: int
    size: int
    keep: int
    progress: float
