"""The embedded default: scikit-learn's scanned digits, which need no download."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch

from ..base import Augmentation, Images
from ..splits import subset
from .decode import resize
from .options import ImageOptions

TEST_SIZE = 500


@dataclass(frozen=True, kw_only=True)
class Digits(ImageOptions):
    """Handwritten digits, 8x8 grey, 1,297 + 500 images, bundled with scikit-learn.

    The images are the test part of UCI's optical recognition set (Alpaydin & Kaynak 1998). They come without a
    split of their own; ours is a fixed stratified draw: within each class, in the order of the permutation from
    the stream (0, ``digits``, ``test``), the first images are the test's, each class in proportion.
    Sixteen grey levels are stretched to 0-255. Digits are shifted, never flipped: a mirrored 2 is no digit.
    """

    resolution: int = 8
    augmentation: Augmentation = "shift"

    def load(self, data_dir: Path | None, cache_dir: Path, *, download: bool = False) -> Images:
        """As :meth:`selbench.harness.datasets.base.Dataset.load`; none of the arguments is needed."""
        pixels, target = _table()
        images = torch.from_numpy(np.rint(pixels * (255 / 16)).astype(np.uint8)).view(-1, 1, 8, 8)
        labels = torch.from_numpy(target).long()
        test = subset(labels, TEST_SIZE, "digits", "test")
        train = torch.nonzero(~torch.isin(torch.arange(len(labels)), test)).flatten()
        choice = self.choose(labels[train].tolist(), labels[test].tolist(), [str(digit) for digit in range(10)])
        side = self.stored_side
        shown, held = (resize(images[ids], side) for ids in (train[choice.train], test[choice.test]))
        return choice.images(shown, held, len(train), "Digits")


def _table() -> tuple[np.ndarray, np.ndarray]:
    """Pixels ``[1797, 64]`` and classes ``[1797]``, from scikit-learn's file where it lies.

    Importing scikit-learn to read 57 kB takes every worker as long as torch does.
    """
    spec = find_spec("sklearn")
    file = Path(spec.origin).parent / "datasets" / "data" / "digits.csv.gz" if spec and spec.origin else Path()
    if file.is_file():
        table = np.loadtxt(file, delimiter=",")
        return table[:, :-1], table[:, -1]
    from sklearn.datasets import load_digits  # a version that keeps the file elsewhere

    pixels, target = load_digits(return_X_y=True)
    return pixels, target
