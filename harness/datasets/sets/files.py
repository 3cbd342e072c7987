"""Data sets that are image files on disk: listed by the set, decoded and cached here."""

from __future__ import annotations

import logging
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISREG
from typing import Literal

import torch
from torch import Tensor

from ....strategies.errors import UsageError, one_line, one_of
from ...store.tensor_cache import Content, cached
from ..base import Images
from .decode import decode_files
from .options import ImageOptions, KeptImages

logger = logging.getLogger("selbench")

DECODER = 1
"""Raise it when the same file and options decode to other pixels."""

NAMED = 5
"""Files left out that are named one by one; the others are counted."""


@dataclass(frozen=True)
class Listing:
    """The files of a data set before any of them is opened.

    Parameters
    ----------
    train, test : sequence of Path
    train_labels, test_labels : sequence of int
        Into ``classes``.
    classes : sequence of str
    title : str
    notes : sequence of str
    """

    train: Sequence[Path]
    train_labels: Sequence[int]
    test: Sequence[Path]
    test_labels: Sequence[int]
    classes: Sequence[str]
    title: str
    notes: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class FileSet(ImageOptions):
    """A data set of image files; subclasses write :meth:`listing`.

    Parameters
    ----------
    on_error : {"stop", "skip"}
        At a file that cannot be decoded: stop and name it, or leave it out. How many were left out is part of the
        note, and so of every report, and of the data set's fingerprint.
    """

    on_error: Literal["stop", "skip"] = "stop"

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of("on_error", self.on_error, ("stop", "skip"))

    def listing(self, data_dir: Path | None, *, download: bool) -> Listing:
        """Every file with its label.

        Raises
        ------
        UsageError
            Where files are missing or incomplete.
        """
        raise NotImplementedError(f"{type(self).__name__} has no listing(data_dir, download)")

    def load(self, data_dir: Path | None, cache_dir: Path, *, download: bool = False) -> Images:
        listing = self.listing(data_dir, download=download)
        choice = self.choose(listing.train_labels, listing.test_labels, listing.classes)
        train = [listing.train[i] for i in choice.train.tolist()]
        test = [listing.test[i] for i in choice.test.tolist()]
        side, skip = self.stored_side, self.on_error == "skip"

        def build() -> Content:
            pixels, enlarged, broken = decode_files([*train, *test], side, skip=skip)
            for reason in list(broken.values())[:NAMED]:
                logger.warning("left out: %s", one_line(reason))
            cut = len(train) - sum(place < len(train) for place in broken)
            return {"train": pixels[:cut], "test": pixels[cut:]}, {"enlarged": enlarged, "broken": list(broken.items())}

        key = {"decoder": DECODER, "side": side, "train": _stamp(train), "test": _stamp(test)}
        arrays, facts = cached(cache_dir, type(self).__name__.lower(), {**key, "skip": True} if skip else key, build)
        broken = dict(facts.get("broken", ()))
        train_labels, test_labels = _kept(choice, broken)
        notes = [*listing.notes, *choice.notes, *_skipped(broken, len(train), len(test))]
        if facts["enlarged"]:
            notes.append(f"{facts['enlarged']:,} images are smaller than {side} px and were enlarged")
        return Images(
            train=arrays["train"],
            train_labels=train_labels,
            test=arrays["test"],
            test_labels=test_labels,
            classes=choice.classes,
            note="; ".join(notes),
            title=listing.title,
            skipped=len(broken),
            train_ids=choice.train[[place for place in range(len(train)) if place not in broken]],
            train_total=len(listing.train),
        )


def _kept(choice: KeptImages, broken: Mapping[int, str]) -> tuple[Tensor, Tensor]:
    """Training and test labels without those of the files left out.

    Raises
    ------
    UsageError
        Where a class loses all of its training images, or the test all of its own.
    """
    whole = torch.ones(len(choice.train) + len(choice.test), dtype=torch.bool)
    whole[list(broken)] = False
    train, test = whole.split([len(choice.train), len(choice.test)])
    labels = choice.train_labels[train]
    lost = sorted(set(range(len(choice.classes))) - set(labels.tolist()))
    if lost:
        raise UsageError(
            f"no training image of class {choice.classes[lost[0]]!r} can be decoded, the first for this reason: "
            f"{broken[min(broken)]}"
        )
    if not test.any():
        raise UsageError(f"no test image can be decoded, the last for this reason: {broken[max(broken)]}")
    return labels, choice.test_labels[test]


def _skipped(broken: Mapping[int, str], train: int, test: int) -> list[str]:
    """What to note of files left out; nothing where none was."""
    lost = sum(place < train for place in broken)
    counts = [f"{lost:,} of {train:,} training"] * (lost > 0)
    counts += [f"{len(broken) - lost:,} of {test:,} test"] * (len(broken) > lost)
    return [f"skipped, since they cannot be decoded: {' and '.join(counts)} images"] if broken else []


def data_root(name: str, data_dir: Path | None, wants: str, *, download: bool) -> Path:
    """The folder that holds (or, with ``download``, will hold) the files of the set ``name``.

    Raises
    ------
    UsageError
        Without a folder, or where it does not exist.
    """
    if data_dir is None:
        raise UsageError(f"{name} needs files: give the folder that holds {wants} with --data-dir DIR")
    if not download and not data_dir.is_dir():
        raise UsageError(f"{name}: the data folder {data_dir} does not exist; correct --data-dir, or add --download")
    return data_dir.absolute()


@contextmanager
def contained() -> Iterator[None]:
    """While archives are unpacked by torchvision: members outside the target, devices and links that lead out of it
    are refused (``tarfile.FilterError``)."""
    before = vars(tarfile.TarFile).get("extraction_filter")
    tarfile.TarFile.extraction_filter = staticmethod(tarfile.data_filter)
    try:
        yield
    finally:
        if before is None:
            del tarfile.TarFile.extraction_filter
        else:
            tarfile.TarFile.extraction_filter = before


def require(name: str, paths: Sequence[Path], where: Path) -> None:
    """Raise ``UsageError`` where any of the files that ``name`` lists is not there."""
    missing = [path for path in paths if not path.is_file()]
    if missing:
        raise UsageError(
            f"{name} is incomplete: {len(missing):,} of {len(paths):,} images are missing under {where} (the first is "
            f"{missing[0].name}); unpack it again, or remove the folder and add --download"
        )


def unusable(name: str, folder: Path, wants: str, error: Exception, *, download: bool) -> UsageError:
    """The error for a folder that torchvision refuses or cannot fill."""
    if download:
        return UsageError(f"{name}: the download into {folder} failed ({error}); try again, or put {wants} there")
    return UsageError(
        f"{name}: {folder} is missing, half downloaded or damaged (it must hold {wants}); correct --data-dir, or "
        "remove the folder and add --download"
    )


def _stamp(paths: Sequence[Path]) -> list[tuple[str, int, int]]:
    """Name, size and time of last change of each file: what tells an edited folder from a cached one."""
    stamps = []
    for path in paths:
        try:
            stat = path.stat()
        except OSError as error:
            raise UsageError(f"{path} cannot be read ({error.strerror}): replace or remove it") from error
        if not S_ISREG(stat.st_mode):
            raise UsageError(f"{path} is no ordinary file: remove it")
        stamps.append((str(path), stat.st_size, stat.st_mtime_ns))
    return stamps
