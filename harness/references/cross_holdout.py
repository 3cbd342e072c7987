"""A reference of two nets trained here, with no image withheld from the learner."""

from __future__ import annotations

from .base import TrainedReference


class CrossHoldout(TrainedReference):
    """Two nets, each trained on one half of the pool, each scoring the half that it has not seen.

    The learner's own architecture, once for each seed. The halves are equal and stratified by class, drawn from a
    stream of their own. Losses are taken once, in evaluation mode, on the clean view; both trainings stand on the
    ledger. Source: RHO-LOSS (arXiv 2206.07137), the variant without holdout data. There is no one space of
    features: rules that read ``features`` are refused.

    Ours: the last epoch's nets are used (theirs are chosen by their loss on ``val``). Labels are the pool's as they
    are, wrong ones included; a copy of an image, where the pool was spoiled with such, may lie in the other half.

    Parameters
    ----------
    passes : float
        Passes of each net over its half; ours.
    width : int, optional
        Width of both ResNet-18; the learner's own by default.
    """

    name = training = "cross-holdout"

    def __init__(self, passes: float = 20.0, width: int | None = None) -> None:
        super().__init__(passes, width)
