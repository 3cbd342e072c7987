"""Data sets that are image files on disk: listed by the set, decoded and cached here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISREG

from ...strategies.errors import UsageError
from ..cachefiles import Content, cached
from .base import Images
from .decode import decode_files
from .options import ImageOptions

DECODER = 1
"""Raise it when the same file and options decode to other pixels."""


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
    """A data set of image files; subclasses write :meth:`listing`."""

    def listing(self, data_dir: Path | None, *, download: bool) -> Listing:
        """Every file with its label.

        Raises
        ------
        UsageError
            Where files are missing or incomplete.
        """
        raise NotImplementedError(f"{type(self).__name__} has no listing(data_dir, download)")

    def load(self, data_dir: Path | None, cache_dir: Path, *, download: bool = False) -> Images:
        """As :meth:`selbench.harness.datasets.base.Dataset.load`."""
        listing = self.listing(data_dir, download=download)
        choice = self.choose(listing.train_labels, listing.test_labels, listing.classes)
        train = [listing.train[i] for i in choice.train.tolist()]
        test = [listing.test[i] for i in choice.test.tolist()]
        side = self.stored_side

        def build() -> Content:
            pixels, enlarged = decode_files([*train, *test], side)
            return {"train": pixels[: len(train)], "test": pixels[len(train) :]}, {"enlarged": enlarged}

        key = {"decoder": DECODER, "side": side, "train": _stamp(train), "test": _stamp(test)}
        arrays, facts = cached(cache_dir, type(self).__name__.lower(), key, build)
        notes = [*listing.notes, *choice.notes]
        if facts["enlarged"]:
            notes.append(f"{facts['enlarged']:,} images are smaller than {side} px and were enlarged")
        return Images(
            train=arrays["train"],
            train_labels=choice.train_labels,
            test=arrays["test"],
            test_labels=choice.test_labels,
            classes=choice.classes,
            note="; ".join(notes),
            title=listing.title,
        )


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
