"""The interface of data sets: two uint8 arrays with labels, and their augmentation."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, get_args

if TYPE_CHECKING:
    from torch import Tensor

Augmentation = Literal["none", "shift", "crop-flip", "resized-crop-flip"]

AUGMENTATIONS: tuple[str, ...] = get_args(Augmentation)
"""Every kind that :class:`selbench.harness.datasets.augment.Augment` knows."""


@dataclass(frozen=True)
class Images:
    """A data set in memory, decoded.

    Parameters
    ----------
    train : Tensor ``[N, C, H, W]`` uint8
        The images that are split into pool, holdout and val.
    train_labels : Tensor ``[N]`` int64
    test : Tensor ``[M, C, H, W]`` uint8
    test_labels : Tensor ``[M]`` int64
    classes : tuple of str
        Class names; labels index it.
    note : str
        Caveats for readers (a lossy copy, a partial set); may be empty.
    title : str
        The set's name in reports; says so itself where the images are not the published ones.
    skipped : int
        Images that were left out since they could not be decoded, where the user asked for that; ``note`` says so.
    train_ids : Tensor ``[N]`` int64, optional
        Which of all training images of the set these are, in its own order; absent where they are all.
    train_total : int
        How many there are in all, where ``train_ids`` is given.
    """

    train: Tensor
    train_labels: Tensor
    test: Tensor
    test_labels: Tensor
    classes: tuple[str, ...]
    note: str = ""
    title: str = ""
    skipped: int = 0
    train_ids: Tensor | None = None
    train_total: int = 0


class Dataset(Protocol):
    """A registered data set: an instance holds plain options, :meth:`load` does the work."""

    @property
    def augmentation(self) -> Augmentation:
        """Augmentation of the training view."""
        ...

    @property
    def resolution(self) -> int:
        """Side of the square images that the learner sees, in pixels; the stored side is this or larger."""
        ...

    def load(self, data_dir: Path | None, cache_dir: Path, *, download: bool = False) -> Images:
        """Decode (or read from the cache) every image.

        Raises
        ------
        UsageError
            Where files are missing or incomplete: one line that says what to do.
        """
        ...
