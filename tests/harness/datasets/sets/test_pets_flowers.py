"""Pets and Flowers on files made here in their layouts."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import torchvision
from PIL import Image

from selbench.harness.datasets.sets.flowers import Flowers
from selbench.harness.datasets.sets.pets import Pets
from selbench.strategies import UsageError


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    """Breeds 1, 3 and 4 of a list that lacks breed 2; image i of a breed is grey level 10 i."""
    folder = tmp_path / "oxford-iiit-pet"
    (folder / "images").mkdir(parents=True)
    (folder / "annotations").mkdir()
    for split, numbers in (("trainval", (0, 1)), ("test", (2,))):
        lines = []
        for breed, number in (("Abyssinian", 1), ("american_bulldog", 3), ("Bengal", 4)):
            for i in numbers:
                Image.new("RGB", (40, 30), (10 * i,) * 3).save(folder / "images" / f"{breed}_{i}.jpg")
                lines.append(f"{breed}_{i} {number} 1 1\n")
        (folder / "annotations" / f"{split}.txt").write_text("".join(lines))
    return tmp_path


def test_pets(pets: Path, tmp_path: Path) -> None:
    images = Pets(resolution=16).load(pets, tmp_path / "cache")
    assert images.classes == ("Abyssinian", "american bulldog", "Bengal")
    assert images.train_labels.tolist() == [0, 0, 1, 1, 2, 2] and images.test_labels.tolist() == [0, 1, 2]
    assert images.train[:, 0, 8, 8].tolist() == [0, 10] * 3 and images.test[:, 0, 8, 8].tolist() == [20] * 3
    assert (images.title, images.note) == ("Oxford-IIIT Pet", "partial: 9 of 7,349 images")


def test_pets_half_unpacked(pets: Path, tmp_path: Path) -> None:
    folder = pets / "oxford-iiit-pet"
    (folder / "images/Bengal_1.jpg").unlink()
    with pytest.raises(UsageError, match=r"1 of 9 images are missing .*Bengal_1\.jpg"):
        Pets().load(pets, tmp_path / "cache")
    (folder / "annotations/test.txt").write_text("Abyssinian_2 one 1 1\n")
    with pytest.raises(UsageError, match="damaged"):
        Pets().load(pets, tmp_path / "cache")
    (folder / "annotations/test.txt").unlink()
    with pytest.raises(UsageError, match=r"oxford-iiit-pet is missing, half downloaded.*--download"):
        Pets().load(pets, tmp_path / "cache")
    with pytest.raises(UsageError, match="--data-dir"):
        Pets().load(None, tmp_path / "cache")


@pytest.fixture
def flowers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Eight flowers of three classes; image i is grey level 10 i."""
    folder = tmp_path / "flowers-102"
    (folder / "jpg").mkdir(parents=True)
    scipy.io.savemat(folder / "imagelabels.mat", {"labels": np.array([1, 2, 3, 1, 2, 3, 1, 2])})
    scipy.io.savemat(folder / "setid.mat", {"trnid": [1, 2, 3], "valid": [6, 5, 4], "tstid": [7, 8]})
    for i in range(1, 9):
        Image.new("RGB", (30, 40), (10 * i,) * 3).save(folder / "jpg" / f"image_{i:05d}.jpg")
    sums = {name: hashlib.md5((folder / name).read_bytes()).hexdigest() for name in ("imagelabels.mat", "setid.mat")}
    known = {"image": ("102flowers.tgz", ""), **{k: (f"{n}.mat", sums[f"{n}.mat"]) for k, n in
             (("label", "imagelabels"), ("setid", "setid"))}}  # fmt: skip
    monkeypatch.setattr(torchvision.datasets.Flowers102, "_file_dict", known)
    monkeypatch.setattr(torchvision.datasets.Flowers102, "classes", ["rose", "lily", "iris"])
    return tmp_path


def test_flowers(flowers: Path, tmp_path: Path) -> None:
    images = Flowers(resolution=16).load(flowers, tmp_path / "cache")
    assert images.train_labels.tolist() == [0, 1, 2] and images.test_labels.tolist() == [0, 1]
    assert images.train[:, 0, 8, 8].tolist() == [10, 20, 30] and images.test[:, 0, 8, 8].tolist() == [70, 80]
    assert images.classes == ("rose", "lily", "iris") and images.title == "Oxford Flowers-102"
    both = Flowers(resolution=16, train="train+val").load(flowers, tmp_path / "cache")
    assert both.train_labels.tolist() == [0, 1, 2, 2, 1, 0]
    assert both.train[:, 0, 8, 8].tolist() == [10, 20, 30, 60, 50, 40]


def test_flowers_half_unpacked(flowers: Path, tmp_path: Path) -> None:
    (flowers / "flowers-102/jpg/image_00007.jpg").unlink()
    with pytest.raises(UsageError, match=r"1 of 5 images are missing .*image_00007\.jpg"):
        Flowers().load(flowers, tmp_path / "cache")
    (flowers / "flowers-102/setid.mat").write_bytes(b"MATLAB 5.0 MAT-file altered")
    with pytest.raises(UsageError, match=r"half downloaded or damaged .*setid\.mat.*--download"):
        Flowers().load(flowers, tmp_path / "cache")
    with pytest.raises(UsageError, match="must be 'train'"):
        Flowers(train="val")
