"""Oxford Flowers-102."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torchvision

from ....strategies.errors import UsageError
from ..base import Augmentation
from .files import FileSet, Listing, contained, data_root, require


@dataclass(frozen=True, kw_only=True)
class Flowers(FileSet):
    """Oxford Flowers-102: 102 classes, 1,020 or 2,040 + 6,149 images (Nilsback & Zisserman 2008).

    ``train`` is the official training split alone (10 images a class), or with the official validation split (20).
    """

    resolution: int = 128
    augmentation: Augmentation = "resized-crop-flip"
    train: Literal["train", "train+val"] = "train"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.train not in ("train", "train+val"):
            raise UsageError(f"train = {self.train!r} must be 'train' (1,020 images) or 'train+val' (2,040)")

    @property
    def published(self) -> tuple[int, int]:
        return 1_020 * len(self.train.split("+")), 102

    def listing(self, data_dir: Path | None, *, download: bool) -> Listing:
        root = data_root("flowers", data_dir, "flowers-102/", download=download)
        folder = root / "flowers-102"
        files: dict[str, list[Path]] = {"train": [], "test": []}
        labels: dict[str, list[int]] = {"train": [], "test": []}
        for part in (*self.train.split("+"), "test"):
            # Its check of the label files' sums stands before scipy reads them.
            with contained("flowers", folder, "jpg/, imagelabels.mat and setid.mat", download=download):
                read = torchvision.datasets.Flowers102(str(root), split=part, download=download)
            goal = "test" if part == "test" else "train"
            files[goal] += map(Path, read._image_files)
            labels[goal] += read._labels
        require("flowers", [*files["train"], *files["test"]], folder)
        names = list(torchvision.datasets.Flowers102.classes)
        return Listing(files["train"], labels["train"], files["test"], labels["test"], names, "Oxford Flowers-102")
