"""A reference trained here, on images that the learner never sees."""

from __future__ import annotations

from typing import ClassVar

from ...strategies import UsageError


class Holdout:
    """The learner's own architecture, trained on the ``holdout`` split, once for each seed.

    Its features and losses on the pool are taken once, in evaluation mode, on the clean view (as RHO-LOSS,
    arXiv 2206.07137, does); all of it stands on the ledger. The last epoch's net is used: nothing is chosen.

    Parameters
    ----------
    passes : float
        Passes over the holdout split; ours.
    width : int, optional
        Width of its ResNet-18; the learner's own by default.
    """

    needs_holdout: ClassVar[bool] = True
    external = ""

    def __init__(self, passes: float = 20.0, width: int | None = None) -> None:
        if not passes > 0:
            raise UsageError(f"reference holdout: passes = {passes!r} must be above 0")
        self.passes, self.width = passes, width
