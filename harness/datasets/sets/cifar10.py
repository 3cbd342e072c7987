"""CIFAR-10: the published arrays, or a copy as image files, which says so."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import torch
import torchvision

from ....strategies.errors import UsageError
from ...store.tensor_cache import Content, cached
from ..base import Images
from .decode import resize
from .files import DECODER, FileSet, Listing, contained, data_root
from .imagefolder import jpeg_note, list_folder

ARRAYS = "cifar-10-batches-py"
COPY = "cifar10"
TOTAL = 60_000


@dataclass(frozen=True, kw_only=True)
class CIFAR10(FileSet):
    """CIFAR-10: 10 classes, 32x32 colour, 50,000 + 10,000 images (Krizhevsky 2009).

    Looks in the data folder for ``cifar-10-batches-py`` (the published arrays, in torchvision's layout) and then
    for ``cifar10/train/CLASS`` and ``cifar10/test/CLASS`` with image files. JPEG files are not the published
    pixels, so the title then says "CIFAR-10 (JPEG copy)".
    """

    @property
    def published(self) -> tuple[int, int]:
        return 50_000, 10

    def load(self, data_dir: Path | None, cache_dir: Path, *, download: bool = False) -> Images:
        root = data_root("cifar10", data_dir, f"{ARRAYS}/ or {COPY}/train/ and {COPY}/test/", download=download)
        if download or (root / ARRAYS).exists():
            return self._published(root, cache_dir, download)
        return super().load(data_dir, cache_dir, download=download)

    def listing(self, data_dir: Path | None, *, download: bool) -> Listing:
        """As :meth:`FileSet.listing`, of the copy as image files."""
        root = data_root("cifar10", data_dir, f"{COPY}/train/ and {COPY}/test/", download=download)
        if not (root / COPY).is_dir():
            raise UsageError(
                f"cifar10: {root} holds neither {ARRAYS}/ nor {COPY}/train/; correct --data-dir or add --download"
            )
        listing = list_folder(root / COPY)
        found = len(listing.train) + len(listing.test)
        partial = [f"partial: {found:,} of {TOTAL:,} images"] if found < TOTAL else []
        lossy = jpeg_note(listing)
        title = "CIFAR-10 (JPEG copy)" if lossy else "CIFAR-10"
        return replace(listing, title=title, notes=[*partial, *listing.notes, *lossy])

    def _published(self, root: Path, cache_dir: Path, download: bool) -> Images:
        # torchvision unpickles these files only after its own check of their MD5 sums.
        with contained("cifar10", root / ARRAYS, "the batches as published", download=download):
            published = torchvision.datasets.CIFAR10
            parts = [published(str(root), train=train, download=download) for train in (True, False)]
        choice = self.choose(parts[0].targets, parts[1].targets, parts[0].classes)
        side = self.stored_side

        def build() -> Content:
            wanted = zip(("train", "test"), parts, (choice.train, choice.test), strict=True)
            chosen = {name: torch.from_numpy(part.data)[index] for name, part, index in wanted}  # [n, 32, 32, 3]
            return {name: resize(rows.permute(0, 3, 1, 2).contiguous(), side) for name, rows in chosen.items()}, {}

        # The sums checked above say what the files hold, so only the choice among them varies.
        key = {"decoder": DECODER, "side": side, "train": choice.train.tolist(), "test": choice.test.tolist()}
        arrays, _ = cached(cache_dir, "cifar10-published", key, build)
        return choice.images(arrays["train"], arrays["test"], len(parts[0].targets), "CIFAR-10")
