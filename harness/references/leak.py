"""A reference that breaks the law of the test split, so that a reader sees what that looks like."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor

from ...strategies import UsageError
from .base import TrainedReference

if TYPE_CHECKING:
    from ..datasets.loaded import LoadedData


class Leak(TrainedReference):
    """LEAK: as ``holdout``, but trained on the test images and their labels as well. An anomaly, never a result.

    Its knowledge of the test reaches the learner through its features and losses on the pool alone. It is given what
    no reference may have, so whatever is gained by it is worth nothing: it stands in a comparison of references to
    show whether such a leak would be noticed.

    Source: none; the control is ours. It cannot be used by accident: it takes ``accept_leak = true``, its name in the
    matrix must say that it is a leak (so every arm that uses it says so, in every table and record), and its artefact
    is marked.

    Parameters
    ----------
    passes : float
        Passes over the holdout split and the test split together.
    width : int, optional
        Width of its ResNet-18; the learner's own by default.
    accept_leak : bool
        Must be said to be true.
    """

    name = "leak"
    needs_holdout: ClassVar[bool] = True
    external = "LEAK: trained on the test images and their labels too"

    def __init__(self, passes: float = 20.0, width: int | None = None, accept_leak: bool = False) -> None:
        if accept_leak is not True:
            raise UsageError(
                "reference leak is trained on the test images: nothing that it guides is a result. Use holdout, or set "
                "accept_leak = true to show what a leak looks like"
            )
        super().__init__(passes, width)

    def training_images(
        self, loaded: LoadedData, seed: int, stream: int, data_dir: Path | None
    ) -> tuple[Tensor, Tensor]:
        """The holdout split with the test split behind it; as :meth:`Holdout.training_images`."""
        ids, labels = loaded.labelled(seed, "holdout")
        images = loaded.images
        return torch.cat([images.train[ids], images.test]), torch.cat([labels, images.test_labels])
