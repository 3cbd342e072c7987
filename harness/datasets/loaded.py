"""Images in memory, loaded once in each process: splits by seed, tensors on the run's device."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...strategies import UsageError
from ..store.tensor_cache import digest
from .augment import Augment, channel_sums, statistics_of
from .base import Augmentation, Images
from .corruption import corrupted
from .label_file import aligned
from .samples import Samples
from .spec import DatasetSpec, dataset
from .splits import Splits, split

DEFAULT_HOLDOUT = 0.25  # share withheld where a reference is trained here and the matrix says nothing


def fingerprint(images: Images) -> str:
    """Content hash of arrays, labels, class names and the number of images skipped; title and note do not enter."""
    arrays = digest({name: getattr(images, name) for name in ("train", "train_labels", "test", "test_labels")})
    names = json.dumps(images.classes)  # folder names may hold bytes that are no UTF-8
    skipped = f" {images.skipped} skipped" if images.skipped else ""
    return hashlib.blake2b(f"{arrays} {names}{skipped}".encode(), digest_size=16).hexdigest()


@dataclass
class LoadedData:
    """One data set, decoded, with the choices of its matrix entry."""

    entry: DatasetSpec
    images: Images
    fingerprint: str
    resolution: int
    augmentation: Augmentation
    holdout: float | int
    given: Tensor | None = None  # labels [N] of a file, where the pool is trained on them
    taken: str = ""  # how these were taken, where readers must know
    _splits: dict[int, Splits] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """Its name in reports: the matrix's own, but for what is loaded in place of it, and with what a known set says
        of being a copy."""
        entry, own = self.entry, self.images.title
        if entry._replaced:
            return own or entry.name
        if entry.spec in ("", entry.name):
            return entry.title if entry.title and "copy" not in own else own or entry.name
        return f"{entry.title or entry.name}{' (JPEG copy)' if '(JPEG copy)' in own else ''}"

    @property
    def note(self) -> str:
        """Caveats for readers of a number from these images; may be empty."""
        spoil, wrong = self.entry.spoil, None
        if self.given is not None:
            wrong = float((self.given != self.images.train_labels).double().mean())
        return "; ".join(
            part for part in (self.images.note, "" if spoil is None else spoil.describe(wrong), self.taken) if part
        )

    def splits(self, seed: int) -> Splits:
        """Pool, holdout and val of a seed, before corruption."""
        if seed not in self._splits:
            self._splits[seed] = split(self.images.train_labels, seed, self.holdout, self.entry.val)
        return self._splits[seed]

    def size(self, seed: int, pool: str) -> int:
        return len(self.ids(seed, pool))

    def ids(self, seed: int, part: str) -> Tensor:
        """Positions of a part: ``pool``, ``holdout``, ``val``, or ``all`` with the pool first."""
        return self.labelled(seed, part)[0]

    def labelled(self, seed: int, part: str) -> tuple[Tensor, Tensor]:
        """Positions ``[n]`` of a part, and its labels ``[n]``; the pool's corrupted where the matrix asks for it."""
        splits, labels = self.splits(seed), self.images.train_labels
        if part == "all":
            parts = [self.labelled(seed, name) for name in ("pool", "holdout", "val")]
            return torch.cat([ids for ids, _ in parts]), torch.cat([given for _, given in parts])
        ids: Tensor = getattr(splits, part)
        if part == "pool" and self.entry.spoil is not None:
            given = None if self.given is None else self.given[ids]
            return corrupted(self.entry.spoil, ids, labels[ids], len(self.images.classes), seed, given)
        return ids, labels[ids]

    def marks(self, seed: int, part: str) -> dict[str, Tensor]:
        """The corruption of a part: of each sample, whether its label is ``wrong``, and whether it is one of the
        ``copies`` (its image came before); empty where nothing was spoiled."""
        if self.entry.spoil is None:
            return {}
        ids, labels = self.labelled(seed, part)
        order = torch.argsort(ids, stable=True)
        again = torch.zeros(len(ids), dtype=torch.bool)
        again[order[1:]] = ids[order].diff() == 0
        return {"wrong": labels != self.images.train_labels[ids], "copies": again}

    def samples(self, seed: int, part: str, device: torch.device) -> Samples:
        ids, labels = self.labelled(seed, part)
        return Samples(self.images.train[ids].to(device), labels.to(device), len(self.images.classes))

    def augment(self, seed: int, device: torch.device) -> Augment:
        """Views normalised by the pool's own statistics, which every arm of the seed shares."""
        ids, (height, width) = self.ids(seed, "pool"), self.images.train.shape[2:]
        total, square = self._sums
        mean, std = statistics_of(total[ids], square[ids], height * width)
        return Augment(self.augmentation, self.resolution, mean.to(device), std.to(device))

    @cached_property
    def _sums(self) -> tuple[Tensor, Tensor]:
        """Of all training images: each cell needs its own pool's, and adding pixels takes seconds."""
        return channel_sums(self.images.train)


class DataSetLoader:
    """Loads each data set once; decoded ones are kept in ``cache_dir``. With ``blank``, their sizes alone."""

    def __init__(self, data_dir: Path | None, cache_dir: Path, download: bool = False, *, blank: bool = False) -> None:
        self.data_dir, self.cache_dir, self.download, self.blank = data_dir, cache_dir, download, blank
        self._loaded: dict[str, LoadedData] = {}
        self._decoded: dict[str, Images] = {}

    def load(self, entry: DatasetSpec, *, trains_reference: bool) -> LoadedData:
        """The data set of a matrix entry."""
        if entry.name not in self._loaded:
            instance: Any = dataset(entry.spec or entry.name, entry.options)
            same = repr((entry.spec or entry.name, entry.options))  # under several settings: once in memory
            if same not in self._decoded:
                given = (self.data_dir, self.cache_dir)
                images = instance.blank() if self.blank else instance.load(*given, download=self.download)
                self._decoded[same] = images
            images = self._decoded[same]
            default = DEFAULT_HOLDOUT if trains_reference else 0.0
            holdout = default if entry.holdout is None else entry.holdout
            if trains_reference and not holdout:
                raise UsageError(f"datasets: {entry.name!r}: holdout = 0 leaves nothing to train the reference on")
            loaded = LoadedData(
                entry, images, fingerprint(images), instance.resolution,
                entry.augmentation or instance.augmentation, holdout, *_given(entry, images),
            )  # fmt: skip
            loaded.ids(0, "pool")  # raises for a split that cannot work
            self._loaded[entry.name] = loaded
        return self._loaded[entry.name]


def _given(entry: DatasetSpec, images: Images) -> tuple[Tensor | None, str]:
    """The labels that a file gives the training images loaded, and how they were taken; None without one."""
    if entry.spoil is None or entry.spoil.labels is None:
        return None, ""
    if entry.options.get("classes") is not None:
        raise UsageError(f"datasets: {entry.name!r}: spoil.labels are of all classes: leave out the option classes")
    return aligned(entry.spoil.given(), images)
