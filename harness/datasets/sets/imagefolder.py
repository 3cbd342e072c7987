"""Anyone's own images: one sub-folder a class, under train/ and test/, or split here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from pathlib import Path
from typing import Literal, NamedTuple
from unicodedata import normalize

from PIL import Image

from ....strategies.errors import UsageError, one_of
from ...toml import expanded
from ..base import Augmentation
from .class_folders import LAYOUT, ClassFolders, has_folders, part, readable
from .decode import FORMATS, JPEG_SUFFIXES
from .files import FileSet, Listing


@dataclass(frozen=True, kw_only=True)
class ImageFolder(FileSet):
    """Your own images: a folder with train/CLASS/ and test/CLASS/ (imagefolder:PATH).

    Classes are the sub-folders of ``train`` in alphabetical order; images may lie deeper inside them, also behind
    links. Files without an image's ending are counted in the note, as hidden ones are. ``path`` is looked up in the
    working folder, then in the data folder. ``title`` and ``note`` are for reports; that files are JPEG, and so not
    exactly the pixels that were photographed or published, is added by itself. ``split`` draws a test set of that share
    of each class, by a hash of the files' names: of ``train`` (with ``val``), or of class folders at the top.
    ``odd_folders``, at a class folder that is empty, was made by the system, or has another's name in other Unicode:
    stop, or mend (leave it out, or take both as one class).
    """

    path: str = field(kw_only=False)
    resolution: int = 64
    augmentation: Augmentation = "crop-flip"
    title: str = ""
    note: str = ""
    split: float | None = None
    odd_folders: Literal["stop", "mend"] = "stop"

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of("odd_folders", self.odd_folders, ("stop", "mend"))
        if self.split is not None and (type(self.split) is not float or not 0 < self.split < 1):
            raise UsageError(f"split = {self.split!r} must be a share between 0 and 1, such as 0.2")

    def listing(self, data_dir: Path | None, *, download: bool) -> Listing:
        root = self._root(data_dir)
        listing = list_folder(root, self.split, mend=self.odd_folders == "mend")
        notes = [*([self.note] * bool(self.note)), *listing.notes, *jpeg_note(listing)]
        return replace(listing, title=self.title or readable(root.resolve().name), notes=notes)

    def sides(self, paths: Sequence[Path]) -> list[int]:
        """The shorter sides, in pixels, of those of ``paths`` whose head can be read; nothing is decoded."""
        found = []
        for path in paths:
            with suppress(Exception), Image.open(path, formats=FORMATS) as image:  # decoders raise what they like
                found.append(min(image.size))
        return found

    def _root(self, data_dir: Path | None) -> Path:
        given = expanded(self.path)
        places = [given] if data_dir is None or given.is_absolute() else [given, data_dir / given]
        for place in places:
            if place.is_dir():
                return place.absolute()
        looked = " nor ".join(str(place) for place in places)
        raise UsageError(f"there is no folder {looked}: correct the path of imagefolder:PATH")


Classes = Mapping[str, Sequence[Path]]  # files by the name of their class


class Parts(NamedTuple):
    """The folders that an image folder may hold, where they are there."""

    root: Path
    train: Path | None
    test: Path | None
    val: Path | None


def list_folder(root: Path, split: float | None = None, *, mend: bool = False) -> Listing:
    """The images under ``root``/train/CLASS and ``root``/test/CLASS, or as the option ``split`` says."""
    reader = ClassFolders(mend)
    parts = Parts(root, part(root, "train"), part(root, "test"), part(root, "val", "valid", "validation"))
    train, test = _as_given(parts, reader) if split is None else _drawn(parts, reader, split)
    if not any(test.values()):
        raise UsageError(f"{parts.test or root} holds no image: put test images into its class folders")
    classes = sorted(train)
    notes = [f"{count:,} {what}" for what, count in reader.said.items()]
    unused = parts.val if split is None else parts.test
    if unused is not None:
        notes.append(f"{unused.name}/ not used")
    if split is not None:
        notes.append(f"test images drawn here: {100 * split:g} % of each class, by a hash of the files' names")
    return Listing(*_flat(train, classes), *_flat(test, classes), classes, title=root.name, notes=notes)


def _flat(found: Classes, classes: Sequence[str]) -> tuple[list[Path], list[int]]:
    """The files class by class, and their labels."""
    files = [(path, label) for label, name in enumerate(classes) for path in found.get(name, ())]
    return [path for path, _ in files], [label for _, label in files]


def _as_given(parts: Parts, reader: ClassFolders) -> tuple[Classes, Classes]:
    """Training images under train/, test images under test/."""
    if parts.train is None or parts.test is None:
        missing = parts.root / ("train" if parts.train is None else "test")
        raise UsageError(f"{missing} is missing: {LAYOUT}")
    train = reader.without_empty(reader.read(parts.train), parts.train)
    test = reader.read(parts.test, train)
    for name, files in test.items():
        if name not in train and (files or not reader.mend):
            raise UsageError(f"{parts.test / name}: train/ has no class of that name; add it there or remove it")
    return train, test


def _drawn(parts: Parts, reader: ClassFolders, share: float) -> tuple[Classes, Classes]:
    """Of every class, under train/ and val/ or at the top where there is no train/, a ``share`` for the test."""
    root, *_ = parts
    if parts.test is not None and has_folders(parts.test):
        raise UsageError(f"{parts.test} holds class folders already: leave out the option split, or move them away")
    if parts.train is None and (beside := parts.test or parts.val):
        raise UsageError(f"{root / 'train'} is missing beside {beside.name}/: call the folder of training images so")
    found: dict[str, list[Path]] = {}
    for folder in (parts.train or root, parts.val):
        for name, files in (reader.read(folder, found) if folder else {}).items():
            found.setdefault(name, []).extend(files)
    train: dict[str, list[Path]] = {}
    test: dict[str, list[Path]] = {}
    for name in reader.without_empty(found, parts.train or root):
        files = found[name]
        count = min(len(files) - 1, max(1, round(share * len(files))))
        held = set(sorted(files, key=lambda path: _place(path.relative_to(root)))[:count])
        train[name] = [path for path in files if path not in held]
        test[name] = [path for path in files if path in held]
    return train, test


def _place(path: Path) -> bytes:
    """Where a file comes in the draw, the same on every system: some store names decomposed."""
    return blake2b(normalize("NFC", path.as_posix()).encode("utf-8", "surrogateescape")).digest()


def jpeg_note(listing: Listing) -> list[str]:
    """What to say where some or all files are JPEG; nothing where none is."""
    files = [*listing.train, *listing.test]
    lossy = sum(path.suffix.lower() in JPEG_SUFFIXES for path in files)
    if not lossy:
        return []
    return ["JPEG files (lossy)" if lossy == len(files) else f"{lossy:,} of {len(files):,} files are JPEG (lossy)"]
