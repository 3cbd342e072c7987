"""Oxford-IIIT Pet."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torchvision

from ..base import Augmentation
from .files import FileSet, Listing, contained, data_root, require

TOTAL = 7_349


@dataclass(frozen=True, kw_only=True)
class Pets(FileSet):
    """Oxford-IIIT Pet: 37 breeds of cats and dogs, 3,680 + 3,669 images (Parkhi et al. 2012)."""

    resolution: int = 128
    augmentation: Augmentation = "resized-crop-flip"

    @property
    def published(self) -> tuple[int, int]:
        return 3_680, 37

    def listing(self, data_dir: Path | None, *, download: bool) -> Listing:
        """As :meth:`FileSet.listing`; lists that name fewer images than were published are said to be partial."""
        root = data_root("pets", data_dir, "oxford-iiit-pet/", download=download)
        folder = root / "oxford-iiit-pet"
        with contained("pets", folder, "images/ and annotations/", download=download):
            train, test = (
                torchvision.datasets.OxfordIIITPet(str(root), split=split, download=download)
                for split in ("trainval", "test")
            )
        files = [*train._images, *test._images]
        breeds = [*train._labels, *test._labels]
        require("pets", files, folder)
        # A partial list may lack breeds, and torchvision's own names then no longer match its numbers.
        stems = (path.stem.rpartition("_")[0].replace("_", " ") for path in files)
        names = dict(zip(breeds, stems, strict=True))
        numbers = {breed: number for number, breed in enumerate(sorted(names))}
        labels = [numbers[breed] for breed in breeds]
        cut = len(train._images)
        notes = [f"partial: {len(files):,} of {TOTAL:,} images"] if len(files) < TOTAL else []
        kinds = [names[breed] for breed in numbers]
        return Listing(files[:cut], labels[:cut], files[cut:], labels[cut:], kinds, "Oxford-IIIT Pet", notes)
