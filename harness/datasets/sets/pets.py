"""Oxford-IIIT Pet."""

from __future__ import annotations

import tarfile
from dataclasses import dataclass
from pathlib import Path

import torchvision

from ..base import Augmentation
from .files import FileSet, Listing, contained, data_root, require, unusable

TOTAL = 7_349


@dataclass(frozen=True, kw_only=True)
class Pets(FileSet):
    """Oxford-IIIT Pet: 37 breeds of cats and dogs, 3,680 + 3,669 images (Parkhi et al. 2012).

    Parameters
    ----------
    resolution : int
        Default 128.
    """

    resolution: int = 128
    augmentation: Augmentation = "resized-crop-flip"

    def listing(self, data_dir: Path | None, *, download: bool) -> Listing:
        """As :meth:`FileSet.listing`; lists that name fewer images than were published are said to be partial."""
        root = data_root("pets", data_dir, "oxford-iiit-pet/", download=download)
        folder = root / "oxford-iiit-pet"
        try:
            with contained():
                train, test = (
                    torchvision.datasets.OxfordIIITPet(str(root), split=split, download=download)
                    for split in ("trainval", "test")
                )
        except (OSError, RuntimeError, ValueError, tarfile.TarError) as error:
            raise unusable("pets", folder, "images/ and annotations/", error, download=download) from error
        files = [*train._images, *test._images]
        breeds = [*train._labels, *test._labels]
        require("pets", files, folder)
        # A partial list may lack breeds, and torchvision's own names then no longer match its numbers.
        names = {
            breed: path.stem.rpartition("_")[0].replace("_", " ") for breed, path in zip(breeds, files, strict=True)
        }
        numbers = {breed: number for number, breed in enumerate(sorted(names))}
        labels = [numbers[breed] for breed in breeds]
        cut = len(train._images)
        return Listing(
            files[:cut],
            labels[:cut],
            files[cut:],
            labels[cut:],
            [names[breed] for breed in numbers],
            title="Oxford-IIIT Pet",
            notes=[f"partial: {len(files):,} of {TOTAL:,} images"] if len(files) < TOTAL else [],
        )
