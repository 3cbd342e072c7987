"""Options common to the built-in data sets, and their effect on a list of labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ....strategies.errors import UsageError, did_you_mean
from ..base import AUGMENTATIONS, Augmentation
from ..splits import subset

LARGEST = 1024
"""Side in pixels above which no image set fits into memory decoded."""


@dataclass(frozen=True)
class KeptImages:
    """Which images the options leave, with their labels among the classes that are left.

    Parameters
    ----------
    train, test : Tensor ``[n]``, ``[m]`` int64
        Positions in the complete lists.
    train_labels, test_labels : Tensor ``[n]``, ``[m]`` int64
    classes : tuple of str
    notes : tuple of str
        Notes on what was left out.
    """

    train: Tensor
    train_labels: Tensor
    test: Tensor
    test_labels: Tensor
    classes: tuple[str, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class ImageOptions:
    """Options common to the built-in data sets.

    Parameters
    ----------
    resolution : int
        Side of the square that the learner sees, in pixels, 1,024 at most.
    classes : int or sequence of int or str, optional
        The first so many classes, or these (by number or name, which also sets their order).
    limit, test_limit : int, optional
        At most so many training and test images: a stratified draw that is the same for every seed.
        In training each class keeps at least one.
    augmentation : {"none", "shift", "crop-flip", "resized-crop-flip"}
        Of the training view.

    Raises
    ------
    UsageError
        For a value that makes no sense.
    """

    resolution: int = 32
    classes: int | Sequence[int | str] | None = None
    limit: int | None = None
    test_limit: int | None = None
    augmentation: Augmentation = "crop-flip"

    def __post_init__(self) -> None:
        for name, least in (("resolution", 4), ("limit", 1), ("test_limit", 1)):
            value = getattr(self, name)
            if value is not None and (type(value) is not int or value < least):
                raise UsageError(f"{name} = {value!r} must be a whole number from {least} on")
        if self.resolution > LARGEST:
            raise UsageError(f"resolution = {self.resolution} is above {LARGEST}, the largest side that is trained on")
        if self.augmentation not in AUGMENTATIONS:
            near = did_you_mean(str(self.augmentation), AUGMENTATIONS)
            raise UsageError(f"no augmentation named {self.augmentation!r}{near}")
        if isinstance(self.classes, list | tuple) and all(type(item) in (int, str) for item in self.classes):
            object.__setattr__(self, "classes", tuple(self.classes))
        elif self.classes is not None and type(self.classes) is not int:
            raise UsageError(f"classes = {self.classes!r} must be a number of classes, or a list of numbers or names")

    @property
    def stored_side(self) -> int:
        """Side of the decoded squares: above 64 px there is an eighth more, as room for random crops."""
        return self.resolution if self.resolution <= 64 else round(self.resolution * 8 / 7)

    def choose(self, train: Sequence[int], test: Sequence[int], classes: Sequence[str]) -> KeptImages:
        """Apply ``classes``, ``limit`` and ``test_limit`` to the labels of all training and test images.

        Raises
        ------
        UsageError
            Where an option names a class that does not exist, or nothing is left.
        """
        kept = self._kept_classes(classes)
        new_label = torch.full((len(classes),), -1)
        new_label[kept] = torch.arange(len(kept))
        if len(kept) < 2:
            raise UsageError(f"there is nothing to tell apart: {len(kept)} class; at least 2 are needed")
        names = tuple(classes[i] for i in kept)
        notes = [] if len(kept) == len(classes) else [f"{len(kept)} of {len(classes)} classes"]
        train_index, train_labels = _limited("training", new_label, train, self.limit, notes)
        test_index, test_labels = _limited("test", new_label, test, self.test_limit, notes)
        missing = sorted(set(range(len(kept))) - set(train_labels.tolist()))
        if missing:
            raise UsageError(f"class {names[missing[0]]!r} has no training image: leave it out with the option classes")
        return KeptImages(train_index, train_labels, test_index, test_labels, names, tuple(notes))

    def _kept_classes(self, names: Sequence[str]) -> list[int]:
        """Numbers of the classes asked for, in the order asked for."""
        if self.classes is None:
            return list(range(len(names)))
        if isinstance(self.classes, int):
            if not 1 <= self.classes <= len(names):
                raise UsageError(f"classes = {self.classes} must be from 2 to {len(names)}, the number there is")
            return list(range(self.classes))
        kept = [self._class_number(item, names) for item in self.classes]
        if len(set(kept)) != len(kept):
            raise UsageError(f"classes = {list(self.classes)} names a class twice")
        return kept

    @staticmethod
    def _class_number(item: int | str, names: Sequence[str]) -> int:
        if isinstance(item, str):
            if item not in names:
                raise UsageError(f"no class named {item!r}{did_you_mean(item, names)}")
            return list(names).index(item)
        if not 0 <= item < len(names):
            raise UsageError(f"class {item} is outside 0 to {len(names) - 1}")
        return item


def _limited(
    what: str, new_label: Tensor, numbers: Sequence[int], limit: int | None, notes: list[str]
) -> tuple[Tensor, Tensor]:
    """Positions and new labels of the images kept; ``notes`` grows where ``limit`` leaves some out."""
    labels = new_label[torch.as_tensor(numbers, dtype=torch.int64)]
    index = torch.nonzero(labels >= 0).flatten()
    labels = labels[index]
    if not len(index):
        raise UsageError(f"no {what} image is left: these classes have none; change the option classes")
    if limit is None or limit >= len(index):
        return index, labels
    least = 1 if what == "training" else 0
    present = int((torch.bincount(labels) > 0).sum())
    if limit < least * present:
        raise UsageError(f"limit = {limit} is below the number of classes, {present}: raise it")
    notes.append(f"{limit:,} of {len(index):,} {what} images")
    drawn = subset(labels, limit, "limit", what, least=least)
    return index[drawn], labels[drawn]
