"""Laws of data sets: what splits, views and fingerprints rest on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from ...strategies import UsageError
from ...strategies.testing import Broken, Law, NotJudged
from ..datasets.base import AUGMENTATIONS, Images
from ..datasets.loaded import fingerprint
from ..datasets.spec import dataset
from ..datasets.splits import split
from .learners import untouched


@dataclass
class DatasetSubject:
    """A data set, decoded into a cache of its own."""

    dataset: Any
    data_dir: Path | None
    cache: TemporaryDirectory[str] = field(default_factory=TemporaryDirectory)

    def load(self) -> Images:
        try:
            found: Images = self.dataset.load(self.data_dir, Path(self.cache.name), download=False)
        except UsageError as error:
            raise NotJudged(str(error)) from None
        return found

    @cached_property
    def images(self) -> Images:
        return self.load()


def subject(spec: str, options: Mapping[str, Any], data_dir: Path | None) -> DatasetSubject:
    return DatasetSubject(dataset(spec, options), data_dir)


def declares(it: DatasetSubject) -> None:
    """It names its resolution and an augmentation that there is."""
    if type(it.dataset.resolution) is not int or it.dataset.resolution < 1:
        raise Broken(f"resolution = {it.dataset.resolution!r} must be the side of the learner's images, in pixels")
    if it.dataset.augmentation not in AUGMENTATIONS:
        raise Broken(f"augmentation = {it.dataset.augmentation!r} must be one of {', '.join(AUGMENTATIONS)}")


def arrays(it: DatasetSubject) -> None:
    """Images are uint8 ``[N, C, H, W]`` with 1 or 3 channels, square, and at least ``resolution`` a side."""
    sizes = set()
    for name in ("train", "test"):
        part = getattr(it.images, name)
        if part.dtype != torch.uint8 or part.ndim != 4 or not len(part) or part.shape[1] not in (1, 3):
            raise Broken(f"{name} is {part.dtype} {list(part.shape)}: uint8 [N, C, H, W] with C 1 or 3 is expected")
        sizes.add(tuple(part.shape[1:]))
    _, height, width = sizes.pop()
    if sizes:
        raise Broken("train and test images have unlike shapes")
    if height != width or height < it.dataset.resolution:
        raise Broken(f"images are {height} x {width}: they must be square, and {it.dataset.resolution} px or more")


def labels(it: DatasetSubject) -> None:
    """There is one label for each image, int64, that indexes ``classes``; no class is named twice."""
    names = it.images.classes
    for part in ("train", "test"):
        given, count = getattr(it.images, f"{part}_labels"), len(getattr(it.images, part))
        if given.dtype != torch.int64 or given.shape != (count,):
            raise Broken(f"{part}_labels are {given.dtype} {list(given.shape)}: int64 [{count}] is expected")
        if int(given.min()) < 0 or int(given.max()) >= len(names):
            raise Broken(f"{part}_labels lie in {int(given.min())}..{int(given.max())} for {len(names)} classes")
    if len(set(names)) < len(names) or len(names) < 2:
        raise Broken(f"classes {names[:4]}... must be two or more different names")


def classes(it: DatasetSubject) -> None:
    """Every class has a training image."""
    missing = set(range(len(it.images.classes))) - set(it.images.train_labels.tolist())
    if missing:
        raise Broken(f"class {it.images.classes[min(missing)]!r} has no training image: leave it out of classes")


def splits(it: DatasetSubject) -> None:
    """Pool, holdout and val of a seed are disjoint, and all of the training images together; seeds split unlike."""
    count = len(it.images.train)
    one, again, other = (split(it.images.train_labels, seed, 0.25, 0.1) for seed in (0, 0, 1))
    parts = torch.cat([one.pool, one.holdout, one.val])
    if parts.unique().numel() != len(parts) or len(parts) > count:
        raise Broken("pool, holdout and val share an image")
    if not torch.equal(one.pool, again.pool) or torch.equal(one.pool, other.pool):
        raise Broken("splits do not follow from the seed alone")


def disjoint(it: DatasetSubject) -> None:
    """No test image is a training image, but for the few that every collection holds twice."""
    rows = [part.flatten(1).contiguous() for part in (it.images.train, it.images.test)]
    train, test = ({row.numpy().tobytes() for row in part} for part in rows)
    if len(train & test) > 0.1 * len(test):
        raise Broken(f"{len(train & test):,} of {len(test):,} test images are training images: keep them apart")


def deterministic(it: DatasetSubject) -> None:
    """Loading again, from the cache, gives the same images, and no global stream moves."""
    first = fingerprint(it.images)
    with untouched("load"):
        again = it.load()
    if fingerprint(again) != first:
        raise Broken("loading twice gives other images: draw from a stream of your own, and sort what a folder lists")


LAWS: tuple[Law, ...] = (
    Law("declares", declares),
    Law("arrays", arrays, ("declares",)),
    Law("labels", labels, ("arrays",)),
    Law("classes", classes, ("labels",)),
    Law("splits", splits, ("labels",)),
    Law("disjoint", disjoint, ("arrays",)),
    Law("deterministic", deterministic, ("arrays",)),
)
