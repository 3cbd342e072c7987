"""Images for the data-set tests: generated ones, and real ones where they are at hand."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real images: $SELBENCH_DATA_DIR, or .data/ in the checkout."""
    folder = Path(os.environ.get("SELBENCH_DATA_DIR", Path(__file__).parents[3] / ".data"))
    if not folder.is_dir():
        pytest.skip(f"no real images at {folder}: set SELBENCH_DATA_DIR")
    return folder


@pytest.fixture
def image_tree() -> Callable[..., Path]:
    """``image_tree(root, train=3, test=2, ...)`` writes that many small images of each class; returns the root."""

    def make(
        root: Path,
        *,
        classes: tuple[str, ...] = ("ant", "bee"),
        train: int = 3,
        test: int = 2,
        suffix: str = ".png",
        size: tuple[int, int] = (40, 30),
    ) -> Path:
        numbers = np.random.default_rng(0)
        for part, count in (("train", train), ("test", test)):
            for name in classes:
                folder = root / part / name
                folder.mkdir(parents=True)
                for i in range(count):
                    pixels = numbers.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
                    Image.fromarray(pixels).save(folder / f"{i}{suffix}")
        return root

    return make
