"""The embedded set."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits

from selbench.harness.datasets.augment import Augment, channel_statistics
from selbench.harness.datasets.fingerprint import fingerprint
from selbench.harness.datasets.sets.digits import Digits
from selbench.harness.streams import permutation

NOWHERE = Path("/nonexistent")


def test_every_bundled_image_is_in_exactly_one_part() -> None:
    images = Digits().load(None, NOWHERE)
    assert images.train.shape == (1297, 1, 8, 8) and images.test.shape == (500, 1, 8, 8)
    assert images.train.dtype == torch.uint8 and images.train.max() == 255 and images.train.min() == 0
    pixels, labels = load_digits(return_X_y=True)
    both = torch.cat([images.train, images.test]).flatten(1).numpy()
    with_labels = np.column_stack([both, torch.cat([images.train_labels, images.test_labels])])
    expected = np.column_stack([np.rint(pixels * 255 / 16), labels])
    assert sorted(map(tuple, with_labels.astype(int))) == sorted(map(tuple, expected.astype(int)))
    share = torch.bincount(images.test_labels) / torch.from_numpy(np.bincount(labels))
    assert (share - 500 / 1797).abs().max() < 0.01


def test_the_documented_rule() -> None:
    """By hand: the first test images of digit 3 in the order of the named permutation."""
    images = Digits().load(None, NOWHERE)
    pixels, labels = load_digits(return_X_y=True)
    order = permutation(1797, 0, "digits", "test").numpy()
    threes = order[labels[order] == 3][: int((images.test_labels == 3).sum())]
    expected = np.rint(pixels[np.sort(threes)] * 255 / 16)
    assert (images.test[images.test_labels == 3].flatten(1).numpy() == expected).all()


def test_options() -> None:
    images = Digits(resolution=16, classes=3, limit=30, test_limit=9).load(None, NOWHERE)
    assert images.train.shape == (30, 1, 16, 16) and images.test.shape == (9, 1, 16, 16)
    assert images.classes == ("0", "1", "2")
    assert "3 of 10 classes; 30 of 387 training images" in images.note


def test_augmentation_is_a_shift_by_at_most_one_pixel_without_a_flip() -> None:
    assert Digits.augmentation == "shift"
    images = Digits().load(None, NOWHERE).train[:20]
    augment = Augment("shift", 8, *channel_statistics(images))
    assert (augment.pad, augment.padding) == (1, "zero")


def test_fingerprint_follows_content_only() -> None:
    images = Digits().load(None, NOWHERE)
    assert fingerprint(images) == fingerprint(Digits().load(None, NOWHERE))
    changed = Digits().load(None, NOWHERE)
    changed.test_labels[0] += 1
    prints = {fingerprint(images), fingerprint(changed), fingerprint(Digits(limit=100).load(None, NOWHERE))}
    assert len(prints) == 3
