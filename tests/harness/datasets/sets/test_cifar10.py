"""CIFAR-10 in both layouts, on files made here; the checksums are the made files' own."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision

from selbench.harness.datasets.sets.cifar10 import CIFAR10
from selbench.strategies import UsageError

NAMES = ["airplane", "automobile", "bird"]


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small set in the published layout, which torchvision's check accepts."""
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    numbers = np.random.default_rng(0)

    def write(name: str, content: object) -> list[str]:
        (folder / name).write_bytes(pickle.dumps(content))
        return [name, hashlib.md5((folder / name).read_bytes()).hexdigest()]

    def batch(name: str, count: int) -> list[str]:
        data = numbers.integers(0, 256, (count, 3072), dtype=np.uint8)
        return write(name, {"data": data, "labels": [i % 3 for i in range(count)]})

    cifar = torchvision.datasets.CIFAR10
    monkeypatch.setattr(cifar, "train_list", [batch("data_batch_1", 9), batch("data_batch_2", 9)])
    monkeypatch.setattr(cifar, "test_list", [batch("test_batch", 6)])
    name, md5 = write("batches.meta", {"label_names": NAMES})
    monkeypatch.setattr(cifar, "meta", {"filename": name, "key": "label_names", "md5": md5})
    return tmp_path


def test_published_arrays(published: Path, tmp_path: Path) -> None:
    images = CIFAR10().load(published, tmp_path / "cache")
    raw = pickle.loads((published / "cifar-10-batches-py/data_batch_2").read_bytes())
    assert (images.train[9].flatten().numpy() == raw["data"][0]).all()
    assert images.train_labels.tolist() == [0, 1, 2] * 6 and images.test.shape == (6, 3, 32, 32)
    assert (images.title, images.note, images.classes) == ("CIFAR-10", "", tuple(NAMES))
    again = CIFAR10().load(published, tmp_path / "cache")
    assert torch.equal(images.train, again.train) and torch.equal(images.test, again.test)
    small = CIFAR10(resolution=16, classes=2, limit=4).load(published, tmp_path / "cache")
    assert small.train.shape == (4, 3, 16, 16)
    assert small.note == "2 of 3 classes; 4 of 12 training images"


def test_an_altered_batch_is_never_unpickled(published: Path, tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple:
            return (Path.touch, (tmp_path / "sprung",))

    for name in ("data_batch_1", "test_batch"):
        path = published / "cifar-10-batches-py" / name
        whole = path.read_bytes()
        path.write_bytes(pickle.dumps(Trap()))
        with pytest.raises(UsageError, match=r"half downloaded or damaged.*--download"):
            CIFAR10().load(published, tmp_path / "cache")
        path.write_bytes(whole)
    assert not (tmp_path / "sprung").exists()


def test_missing_files(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cifar10 needs files.*--data-dir"):
        CIFAR10().load(None, tmp_path)
    with pytest.raises(UsageError, match=r"does not exist.*--download"):
        CIFAR10().load(tmp_path / "gone", tmp_path)
    with pytest.raises(UsageError, match=r"holds neither.*--download"):
        CIFAR10().load(tmp_path, tmp_path)
    (tmp_path / "cifar-10-batches-py").mkdir()
    with pytest.raises(UsageError, match="half downloaded"):
        CIFAR10().load(tmp_path, tmp_path)


def test_a_failed_download_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*args: object, **options: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr(torchvision.datasets.cifar, "download_and_extract_archive", fails)
    with pytest.raises(UsageError, match=r"download into .* failed \(no route to host\)"):
        CIFAR10().load(tmp_path / "new", tmp_path, download=True)


@pytest.mark.parametrize(("suffix", "title"), [(".jpg", "CIFAR-10 (JPEG copy)"), (".png", "CIFAR-10")])
def test_a_copy_as_image_files_says_so(
    tmp_path: Path, image_tree: Callable[..., Path], suffix: str, title: str
) -> None:
    image_tree(tmp_path / "cifar10", classes=tuple(NAMES), suffix=suffix, size=(32, 32))
    images = CIFAR10().load(tmp_path, tmp_path / "cache")
    assert images.title == title
    assert "partial: 15 of 60,000 images" in images.note
    assert ("JPEG files (lossy)" in images.note) == (suffix == ".jpg")


def test_published_arrays_win_over_a_copy(published: Path, tmp_path: Path, image_tree: Callable[..., Path]) -> None:
    image_tree(published / "cifar10", classes=tuple(NAMES), suffix=".jpg")
    assert CIFAR10().load(published, tmp_path / "cache").title == "CIFAR-10"
