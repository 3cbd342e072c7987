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
    """One optimizer step.

    Parameters
    ----------
    epoch : int
        Which pass over the pool.
    start : int
        Where the candidates begin in the epoch's order.
    size : int
        Candidates B.
    keep : int
        Sub-batch size k.
    progress : float
        Share of the budget spent before this step.
    """

    epoch: int
    start: int
    size: int
    keep: int
    progress: float
