"""Anyone's images: layout, notes, caching, and every way a folder can be wrong."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from selbench.harness.datasets.imagefolder import ImageFolder
from selbench.strategies import UsageError

Tree = Callable[..., Path]


def test_images_labels_and_names(tmp_path: Path, image_tree: Tree) -> None:
    root = image_tree(tmp_path / "mine", classes=("bee", "ant"), size=(16, 16))
    images = ImageFolder(str(root), resolution=16).load(None, tmp_path / "cache")
    assert images.classes == ("ant", "bee")
    assert images.train_labels.tolist() == [0, 0, 0, 1, 1, 1] and images.test_labels.tolist() == [0, 0, 1, 1]
    for i, path in enumerate([*sorted((root / "train/ant").iterdir()), *sorted((root / "train/bee").iterdir())]):
        assert (images.train[i].permute(1, 2, 0).numpy() == np.asarray(Image.open(path))).all()
    assert (images.title, images.note) == ("mine", "")


def test_notes(tmp_path: Path, image_tree: Tree) -> None:
    lossy = image_tree(tmp_path / "lossy", suffix=".JPG")
    mixed = image_tree(tmp_path / "mixed")
    Image.new("RGB", (90, 90)).save(mixed / "train/ant/deep.jpeg")
    (mixed / "train/ant/notes.txt").write_text("x")
    (mixed / "train/ant/.hidden.png").write_text("x")
    cache = tmp_path / "cache"
    assert ImageFolder(str(lossy), resolution=30).load(None, cache).note == "JPEG files (lossy)"
    note = ImageFolder(str(mixed), resolution=30, limit=6).load(None, cache).note
    assert note == "1 files without an image's ending ignored; 1 of 11 files are JPEG (lossy); 6 of 7 training images"
    named = ImageFolder(str(lossy), resolution=40, title="CIFAR-10 (JPEG copy)", note="a copy").load(None, cache)
    assert named.title == "CIFAR-10 (JPEG copy)"
    assert named.note == "a copy; JPEG files (lossy); 10 images are smaller than 40 px and were enlarged"


def test_paths_from_here_and_from_the_data_folder(
    tmp_path: Path, image_tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    image_tree(tmp_path / "data" / "mine")
    monkeypatch.chdir(tmp_path)
    assert ImageFolder("data/mine").load(None, tmp_path / "cache").title == "mine"
    assert ImageFolder("mine").load(Path("data"), tmp_path / "cache").title == "mine"
    with pytest.raises(UsageError, match="there is no folder gone nor data/gone"):
        ImageFolder("gone").load(Path("data"), tmp_path / "cache")


def test_decoded_once_until_a_file_changes(tmp_path: Path, image_tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    root, cache = image_tree(tmp_path / "mine", suffix=".bmp"), tmp_path / "cache"
    decoded = []
    from selbench.harness.datasets import files

    real = files.decode_files
    monkeypatch.setattr(files, "decode_files", lambda paths, side: decoded.append(len(paths)) or real(paths, side))
    first = ImageFolder(str(root), resolution=32).load(None, cache)
    again = ImageFolder(str(root), resolution=32, title="other name", augmentation="none").load(None, cache)
    assert decoded == [10] and torch.equal(first.train, again.train)
    ImageFolder(str(root), resolution=16).load(None, cache)
    assert decoded == [10, 10]
    path = root / "train/ant/0.bmp"
    size = path.stat().st_size
    Image.new("RGB", (40, 30), "red").save(path)
    assert path.stat().st_size == size, "only the time of the change tells"
    os.utime(path, ns=(1, 1))
    changed = ImageFolder(str(root), resolution=32).load(None, cache)
    assert decoded == [10, 10, 10]
    assert (changed.train[0, 0] == 255).all() and torch.equal(changed.train[1:], first.train[1:])


def test_broken_layouts(tmp_path: Path, image_tree: Tree) -> None:
    def message(root: Path) -> str:
        with pytest.raises(UsageError) as caught:
            ImageFolder(str(root)).load(None, tmp_path / "cache")
        assert "\n" not in str(caught.value)
        return str(caught.value)

    root = image_tree(tmp_path / "a")
    (root / "test").rename(root / "tset")
    assert "a/test is missing" in message(root)
    (root / "test").mkdir()
    assert "a/test holds no class folder" in message(root)
    (root / "test/ant").mkdir()
    assert "a/test holds no image" in message(root)
    (root / "test/wasp").mkdir()
    assert "a/test/wasp: train/ has no class of that name" in message(root)
    root = image_tree(tmp_path / "b")
    (root / "train/empty").mkdir()
    assert "b/train/empty holds no image" in message(root)
    root = image_tree(tmp_path / "c", classes=("ant",))
    assert "nothing to tell apart" in message(root)
    root = image_tree(tmp_path / "d")
    (root / "train/ant/0.png").write_bytes((root / "train/ant/0.png").read_bytes()[:200])
    assert "d/train/ant/0.png" in message(root)
    root = image_tree(tmp_path / "e")
    (root / "train/ant/9.png").symlink_to(tmp_path / "gone")
    assert "e/train/ant/9.png cannot be read" in message(root)
    root = image_tree(tmp_path / "f")
    os.mkfifo(root / "train/ant/9.png")
    assert "f/train/ant/9.png is no ordinary file" in message(root)


def test_sub_folders_of_a_class_are_searched(tmp_path: Path, image_tree: Tree) -> None:
    root = image_tree(tmp_path / "mine")
    (root / "train/ant/more").mkdir()
    Image.new("RGB", (8, 8)).save(root / "train/ant/more/x.png")
    assert ImageFolder(str(root)).load(None, tmp_path / "cache").train_labels.tolist() == [0] * 4 + [1] * 3
