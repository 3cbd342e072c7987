"""Anyone's own images: one sub-folder a class, under train/ and test/."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ....strategies.errors import UsageError
from ...toml import expanded
from ..base import Augmentation
from .decode import JPEG_SUFFIXES, SUFFIXES
from .files import FileSet, Listing


@dataclass(frozen=True, kw_only=True)
class ImageFolder(FileSet):
    """Your own images: a folder with train/CLASS/ and test/CLASS/ (imagefolder:PATH).

    Classes are the sub-folders of ``train`` in alphabetical order; images may lie deeper inside them. Files
    without an image's ending are counted in the note, hidden ones ignored. ``path`` is looked up in the working folder,
    then in the data folder. ``title`` and ``note`` are for reports; that files are JPEG, and so not exactly the pixels
    that were photographed or published, is added by itself.
    """

    path: str = field(kw_only=False)
    resolution: int = 64
    augmentation: Augmentation = "crop-flip"
    title: str = ""
    note: str = ""

    def listing(self, data_dir: Path | None, *, download: bool) -> Listing:
        root = self._root(data_dir)
        listing = list_folder(root)
        notes = [*([self.note] * bool(self.note)), *listing.notes, *jpeg_note(listing)]
        return replace(listing, title=self.title or _readable(root.resolve().name), notes=notes)

    def _root(self, data_dir: Path | None) -> Path:
        given = expanded(self.path)
        places = [given] if data_dir is None or given.is_absolute() else [given, data_dir / given]
        for place in places:
            if place.is_dir():
                return place.absolute()
        looked = " nor ".join(str(place) for place in places)
        raise UsageError(f"there is no folder {looked}: correct the path of imagefolder:PATH")


def list_folder(root: Path) -> Listing:
    """The images under ``root``/train/CLASS and ``root``/test/CLASS."""
    classes = _class_names(root / "train")
    unknown = sorted(set(_class_names(root / "test")) - set(classes))
    if unknown:
        raise UsageError(f"{root / 'test' / unknown[0]}: train/ has no class of that name; add it there or remove it")
    train, train_labels, other = _images(root / "train", classes)
    test, test_labels, more = _images(root / "test", classes)
    empty = sorted(set(range(len(classes))) - set(train_labels))
    if empty:
        raise UsageError(f"{root / 'train' / classes[empty[0]]} holds no image: add some, or remove the folder")
    if not test:
        raise UsageError(f"{root / 'test'} holds no image: put test images into its class folders")
    notes = [f"{other + more:,} files without an image's ending ignored"] if other + more else []
    return Listing(train, train_labels, test, test_labels, classes, title=root.name, notes=notes)


def jpeg_note(listing: Listing) -> list[str]:
    """What to say where some or all files are JPEG; nothing where none is."""
    files = [*listing.train, *listing.test]
    lossy = sum(path.suffix.lower() in JPEG_SUFFIXES for path in files)
    if not lossy:
        return []
    return ["JPEG files (lossy)" if lossy == len(files) else f"{lossy:,} of {len(files):,} files are JPEG (lossy)"]


def _class_names(folder: Path) -> list[str]:
    if not folder.is_dir():
        raise UsageError(f"{folder} is missing: an image folder holds train/CLASS/ and test/CLASS/ with images inside")
    try:
        names = sorted(entry.name for entry in os.scandir(folder) if not entry.name.startswith(".") and entry.is_dir())
    except OSError as error:
        raise _unreadable(error) from error
    if not names:
        raise UsageError(f"{folder} holds no class folder: an image folder holds train/CLASS/ and test/CLASS/")
    for name in names:
        if _readable(name) != name:
            raise UsageError(f"{folder / name}: its name is no UTF-8, and class names stand in reports: rename it")
    return names


def _stop(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):  # test/ need not have every class
        raise _unreadable(error) from error


def _readable(name: str) -> str:
    """A file's name as text: bytes that are no UTF-8 become their escapes."""
    return name.encode("utf-8", "backslashreplace").decode()


def _unreadable(error: OSError) -> UsageError:
    return UsageError(f"{error.filename} cannot be read ({error.strerror}): repair or remove it")


def _images(folder: Path, classes: Sequence[str]) -> tuple[list[Path], list[int], int]:
    """Files in a fixed order, their labels, and how many files are no images by their ending."""
    files: list[Path] = []
    labels: list[int] = []
    other = 0
    for label, name in enumerate(classes):
        for place, inner, names in os.walk(folder / name, onerror=_stop):
            inner[:] = sorted(entry for entry in inner if not entry.startswith("."))
            visible = sorted(entry for entry in names if not entry.startswith("."))
            found = [Path(place, entry) for entry in visible if Path(entry).suffix.lower() in SUFFIXES]
            other += len(visible) - len(found)
            files += found
            labels += [label] * len(found)
    return files, labels, other
