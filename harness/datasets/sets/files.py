"""Data sets that are image files on disk: listed by the set, decoded and cached here."""

from __future__ import annotations

import logging
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from stat import S_ISREG
from typing import Literal

import torch

from ....strategies.errors import UsageError, one_line, one_of
from ...store.tensor_cache import Content, cached
from ..base import Images
from .decode import NAMED, decode_files
from .options import ImageOptions, KeptImages

logger = logging.getLogger("selbench")

DECODER = 2  # raise it when the same file and options decode to other pixels


@dataclass(frozen=True)
class Listing:
    """The files of a data set before any of them is opened; labels are into ``classes``."""

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

    on_error: Literal["stop", "skip"] = "stop"  # at a file that cannot be decoded; the fingerprint counts the skipped

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of("on_error", self.on_error, ("stop", "skip"))

    def listing(self, data_dir: Path | None, *, download: bool) -> Listing:
        """Every file with its label; ``UsageError`` where files are missing or incomplete."""
        raise NotImplementedError(f"{type(self).__name__} has no listing(data_dir, download)")

    @property
    def published(self) -> tuple[int, int]:
        """Training images and classes as published, before the options choose among them."""
        raise UsageError(f"{type(self).__name__.lower()}: how many images it has is known from its files alone")

    def blank(self) -> Images:
        """The set in sizes alone, to plan with where its files are not at hand: images of one pixel, classes alike."""
        total, classes = self.published
        labels = [place % classes for place in range(total)]
        choice = self.choose(labels, range(classes), [str(number) for number in range(classes)])
        train, test = (torch.zeros(len(part), 3, 1, 1, dtype=torch.uint8) for part in (choice.train, choice.test))
        return choice.images(train, test, total, type(self).__name__)

    def load(self, data_dir: Path | None, cache_dir: Path, *, download: bool = False) -> Images:
        listing = self.listing(data_dir, download=download)
        choice = self.choose(listing.train_labels, listing.test_labels, listing.classes)
        train = [listing.train[i] for i in choice.train.tolist()]
        test = [listing.test[i] for i in choice.test.tolist()]
        side, skip = self.stored_side, self.on_error == "skip"

        def build() -> Content:
            pixels, enlarged, broken, narrow = decode_files([*train, *test], side, skip=skip)
            for reason in list(broken.values())[:NAMED]:
                logger.warning("left out: %s", one_line(reason))
            cut = len(train) - sum(place < len(train) for place in broken)
            facts = {"enlarged": enlarged, "broken": list(broken.items()), "narrow": narrow}
            return {"train": pixels[:cut], "test": pixels[cut:]}, facts

        key = {"decoder": DECODER, "side": side, "train": _stamp(train), "test": _stamp(test)}
        arrays, facts = cached(cache_dir, type(self).__name__.lower(), {**key, "skip": True} if skip else key, build)
        broken = dict(facts.get("broken", ()))
        notes = [*listing.notes, *choice.notes]
        if broken:
            lost = sum(place < len(train) for place in broken)
            counts = [f"{lost:,} of {len(train):,} training"] * (lost > 0)
            counts += [f"{len(broken) - lost:,} of {len(test):,} test"] * (len(broken) > lost)
            notes.append(f"skipped, since they cannot be decoded: {' and '.join(counts)} images")
        if facts["enlarged"]:
            notes.append(f"{facts['enlarged']:,} images are smaller than {side} px and were enlarged")
        greys, top = facts["narrow"]
        if greys:
            bits = top.bit_length()
            notes.append(f"{greys:,} greys in files of 16 bits hold {bits} bits: scaled by {top}, not by 65535")
        kept, total = _kept(choice, broken), len(listing.train)
        return kept.images(arrays["train"], arrays["test"], total, listing.title, notes, skipped=len(broken))


def _kept(choice: KeptImages, broken: Mapping[int, str]) -> KeptImages:
    """Those that are left without the files that could not be decoded."""
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
    return replace(
        choice,
        train=choice.train[train],
        train_labels=labels,
        test=choice.test[test],
        test_labels=choice.test_labels[test],
    )


def data_root(name: str, data_dir: Path | None, wants: str, *, download: bool) -> Path:
    """The folder that holds (or, with ``download``, will hold) the files of the set ``name``."""
    if data_dir is None:
        raise UsageError(f"{name} needs files: give the folder that holds {wants} with --data-dir DIR")
    if not download and not data_dir.is_dir():
        raise UsageError(f"{name}: the data folder {data_dir} does not exist; correct --data-dir, or add --download")
    return data_dir.absolute()


@contextmanager
def contained(name: str, folder: Path, wants: str, *, download: bool) -> Iterator[None]:
    """torchvision at work on ``folder``, which it may refuse or fail to fill.

    Archive members outside the target, devices and links that lead out of it are refused (``tarfile.FilterError``).
    """
    before = vars(tarfile.TarFile).get("extraction_filter")
    tarfile.TarFile.extraction_filter = staticmethod(tarfile.data_filter)
    try:
        yield
    except (OSError, RuntimeError, ValueError, tarfile.TarError) as error:
        if download:
            what = f"the download into {folder} failed ({error}); try again, or put {wants} there"
            raise UsageError(f"{name}: {what}") from error
        raise UsageError(
            f"{name}: {folder} is missing, half downloaded or damaged (it must hold {wants}); correct --data-dir, or "
            "remove the folder and add --download"
        ) from error
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
