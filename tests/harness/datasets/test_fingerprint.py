"""The content hash of a data set."""

from __future__ import annotations

from dataclasses import replace

import torch

from selbench.harness.datasets.base import Images
from selbench.harness.datasets.fingerprint import fingerprint

IMAGES = Images(
    train=torch.arange(48, dtype=torch.uint8).view(4, 3, 2, 2),
    train_labels=torch.tensor([0, 1, 0, 1]),
    test=torch.arange(24, dtype=torch.uint8).view(2, 3, 2, 2),
    test_labels=torch.tensor([0, 1]),
    classes=("a", "b"),
)


def test_every_part_counts_and_words_do_not() -> None:
    changed = [
        replace(IMAGES, train=IMAGES.train.flip(0)),
        replace(IMAGES, train_labels=1 - IMAGES.train_labels),
        replace(IMAGES, test=IMAGES.test.flip(0)),
        replace(IMAGES, test_labels=1 - IMAGES.test_labels),
        replace(IMAGES, classes=("a", "c")),
        replace(IMAGES, classes=("a, b",)),
    ]
    assert len({fingerprint(images) for images in [IMAGES, *changed]}) == 7
    assert fingerprint(replace(IMAGES, note="lossy", title="x")) == fingerprint(IMAGES)


def test_any_folder_name_can_be_a_class() -> None:
    assert fingerprint(replace(IMAGES, classes=("a", "\udcff"))) != fingerprint(IMAGES)
