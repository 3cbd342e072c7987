"""Anyone's images: layout, notes, caching, and every way a folder can be wrong."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from selbench.harness.datasets.loaded import LoadedData, fingerprint
from selbench.harness.datasets.sets.imagefolder import ImageFolder
from selbench.harness.datasets.spec import DatasetSpec
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
    entry = DatasetSpec(name="cifar10", title="CIFAR-10", spec=f"imagefolder:{lossy}")
    stated = LoadedData(entry, ImageFolder(str(lossy)).load(None, cache), "", 32, "none", 0)
    assert stated.title == "CIFAR-10", "a matrix's own words; not every JPEG is a copy of something"
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
    from selbench.harness.datasets.sets import files

    real = files.decode_files
    monkeypatch.setattr(
        files, "decode_files", lambda paths, *rest, **how: decoded.append(len(paths)) or real(paths, *rest, **how)
    )
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


def test_folders_that_cannot_be_listed_and_names_that_are_no_text(tmp_path: Path, image_tree: Tree) -> None:
    root = image_tree(tmp_path / "a")
    (root / "train/loop").symlink_to("loop")
    with pytest.raises(UsageError, match=r"train/loop cannot be read \(Too many levels of symbolic links\): repair or"):
        ImageFolder(str(root)).load(None, tmp_path / "cache")
    root = image_tree(tmp_path / "b")
    (root / "train/ant/up").symlink_to(root)  # a sub-folder by way of a link is not followed, and so does not loop
    assert len(ImageFolder(str(root)).load(None, tmp_path / "cache").train) == 6
    (root / os.fsdecode(b"train/\xff\xfe")).mkdir()
    with pytest.raises(UsageError, match="its name is no UTF-8"):
        ImageFolder(str(root)).load(None, tmp_path / "cache")
    root = image_tree(tmp_path / os.fsdecode(b"c\xff"))
    assert ImageFolder(str(root)).load(None, tmp_path / "cache").title == r"c\udcff"


def test_sub_folders_of_a_class_are_searched(tmp_path: Path, image_tree: Tree) -> None:
    root = image_tree(tmp_path / "mine")
    (root / "train/ant/more").mkdir()
    Image.new("RGB", (8, 8)).save(root / "train/ant/more/x.png")
    assert ImageFolder(str(root)).load(None, tmp_path / "cache").train_labels.tolist() == [0] * 4 + [1] * 3


def test_what_cannot_be_decoded_is_skipped_and_counted(
    tmp_path: Path, image_tree: Tree, caplog: pytest.LogCaptureFixture
) -> None:
    root, cache = image_tree(tmp_path / "mine", classes=("ant", "bee"), size=(16, 16)), tmp_path / "cache"
    whole = ImageFolder(str(root), resolution=16, on_error="skip").load(None, cache)
    assert (whole.skipped, whole.note) == (0, "")
    for name in ("train/ant/1.png", "train/bee/0.png", "test/bee/1.png"):
        (root / name).write_bytes(b"")
    for again in range(2):  # the second time from the cache
        images = ImageFolder(str(root), resolution=16, on_error="skip").load(None, cache)
        assert images.skipped == 3
        assert images.note == "skipped, since they cannot be decoded: 2 of 6 training and 1 of 4 test images"
        assert images.train_labels.tolist() == [0, 0, 1, 1] and images.test_labels.tolist() == [0, 0, 1]
        assert torch.equal(images.train, whole.train[[0, 2, 4, 5]]) and torch.equal(images.test, whole.test[:3])
        assert len(caplog.records) == 3 and "train/ant/1.png" in caplog.text, f"named once, also in turn {again}"
    with pytest.raises(UsageError, match=r"train/ant/1\.png"):
        ImageFolder(str(root), resolution=16).load(None, cache)
    assert fingerprint(images) != fingerprint(replace(images, skipped=0)) != fingerprint(whole)
    for name in ("train/bee/1.png", "train/bee/2.png"):
        (root / name).write_bytes(b"")
    with pytest.raises(UsageError, match=r"no training image of class 'bee' can be decoded.*train/ant/1\.png"):
        ImageFolder(str(root), resolution=16, on_error="skip").load(None, cache)
    with pytest.raises(UsageError, match="on_error cannot be 'ignore'; there is skip, stop"):
        ImageFolder(str(root), on_error="ignore")


def test_a_test_split_without_a_single_sound_image(tmp_path: Path, image_tree: Tree) -> None:
    root = image_tree(tmp_path / "mine")
    for path in (root / "test").rglob("*.png"):
        path.write_bytes(b"no image")
    with pytest.raises(UsageError, match=r"no test image can be decoded.*test/bee/1\.png"):
        ImageFolder(str(root), on_error="skip").load(None, tmp_path / "cache")
