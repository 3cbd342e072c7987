"""The loaders on the real images, where these are at hand: few images each, so that it stays quick."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from selbench.harness.datasets.sets.cifar10 import CIFAR10
from selbench.harness.datasets.sets.flowers import Flowers
from selbench.harness.datasets.sets.pets import Pets


def folder(real_data: Path, name: str) -> Path:
    if not (real_data / name).exists():
        pytest.skip(f"no {name} under {real_data}")
    return real_data


def test_cifar10_copy(real_data: Path, tmp_path: Path) -> None:
    data = folder(real_data, "cifar10")
    if (data / "cifar-10-batches-py").exists():
        pytest.skip("the published arrays are there as well, and are what is loaded")
    images = CIFAR10(limit=200, test_limit=50).load(data, tmp_path)
    assert images.train.shape == (200, 3, 32, 32) and len(images.classes) == 10
    assert images.classes[0] == "airplane" and images.classes[9] == "truck"
    assert images.title == "CIFAR-10 (JPEG copy)"
    assert images.note == "JPEG files (lossy); 200 of 50,000 training images; 50 of 10,000 test images"
    assert torch.bincount(images.train_labels).tolist() == [20] * 10


@pytest.mark.parametrize(("train", "total"), [("train", 1020), ("train+val", 2040)])
def test_flowers(real_data: Path, tmp_path: Path, train: str, total: int) -> None:
    options = Flowers(train=train, resolution=72, limit=204, test_limit=40)
    images = options.load(folder(real_data, "flowers-102"), tmp_path)
    assert images.train.shape == (204, 3, 82, 82)
    assert torch.bincount(images.train_labels).tolist() == [2] * 102
    assert f"204 of {total:,} training images; 40 of 6,149 test images" in images.note


def test_pets(real_data: Path, tmp_path: Path) -> None:
    images = Pets(resolution=64, limit=100, test_limit=40).load(folder(real_data, "oxford-iiit-pet"), tmp_path)
    assert images.train.shape == (100, 3, 64, 64) and len(images.classes) == 37
    assert images.classes[0] == "Abyssinian" and images.classes[36] == "yorkshire terrier"
    assert len(images.train_labels.unique()) == 37
