"""Anyone's images: layout, notes, caching, and every way a folder can be wrong."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image

from selbench.harness.datasets.loaded import LoadedData, fingerprint
from selbench.harness.datasets.sets.imagefolder import ImageFolder, list_folder
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
    assert note == (
        "1 hidden files and folders ignored; 1 files without an image's ending ignored; "
        "1 of 11 files are JPEG (lossy); 6 of 7 training images"
    )
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
    (root / os.fsdecode(b"train/\xff\xfe")).mkdir()
    with pytest.raises(UsageError, match="its name is no UTF-8"):
        ImageFolder(str(root)).load(None, tmp_path / "cache")
    root = image_tree(tmp_path / os.fsdecode(b"c\xff"))
    assert ImageFolder(str(root)).load(None, tmp_path / "cache").title == r"c\udcff"


def test_greys_of_twelve_bits_are_said(tmp_path: Path, image_tree: Tree) -> None:
    root = image_tree(tmp_path / "mine", size=(16, 16))
    for file in root.rglob("0.png"):
        Image.fromarray(np.full((16, 16), 4000, np.uint16)).save(file)
    for _ in range(2):  # the second time from the cache
        images = ImageFolder(str(root), resolution=16).load(None, tmp_path / "cache")
        assert images.note == "4 greys in files of 16 bits hold 12 bits: scaled by 4095, not by 65535"
    assert int(images.train[0].min()) == 249


def empty_tree(root: Path, *files: str) -> Path:
    """Files that are listed and not opened."""
    for file in files:
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).touch()
    return root


TREE = ("train/ant/0.png", "train/bee/0.png", "test/ant/0.png")


def test_sub_folders_and_links_are_searched_as_torchvision_does(tmp_path: Path) -> None:
    away = empty_tree(tmp_path / "away", "x.png", "deep/y.png")
    root = empty_tree(tmp_path / "mine", *TREE, "train/ant/more/x.png", "train/loose.png", "test/b.JPG")
    (root / "train/ant/linked").symlink_to(away)
    (root / "train/cat").symlink_to(away)
    theirs = torchvision.datasets.ImageFolder(str(root / "train"))
    listing = list_folder(root)
    found = zip(map(str, listing.train), listing.train_labels, strict=True)
    assert sorted(found) == sorted(theirs.samples) and len(listing.train) == 7 and listing.classes == theirs.classes
    assert listing.notes == [
        "1 images beside the class folders of train/ ignored",
        "1 images beside the class folders of test/ ignored",
    ]


@pytest.mark.parametrize(
    ("link", "target"),
    [
        ("train/ant/up", "."),
        ("train/ant/up", "train/ant"),
        ("train/ant/a/b/up", "train/ant/a"),
        ("test/ant/up", "test"),
    ],
)
def test_links_that_lead_back_are_not_followed(tmp_path: Path, link: str, target: str) -> None:
    root = empty_tree(tmp_path / "mine", *TREE, "train/ant/a/b/1.png")
    (root / link).symlink_to(root / target)
    listing = list_folder(root)
    assert (len(listing.train), len(listing.test)) == (3, 1)
    assert listing.notes == ["1 links to a folder that they lie in not followed"]


def test_links_in_a_circle_end(tmp_path: Path) -> None:
    root = empty_tree(tmp_path / "mine", *TREE)
    for one, other in (("p", "q"), ("q", "p")):
        (tmp_path / one).mkdir()
        (tmp_path / one / other).symlink_to(tmp_path / other)
    empty_tree(tmp_path, "p/1.png", "q/2.png")
    (root / "train/ant/p").symlink_to(tmp_path / "p")
    listing = list_folder(root)
    assert [path.name for path in listing.train] == ["0.png", "1.png", "2.png", "0.png"] and listing.notes


ODD = [
    ("train/wasp/notes.txt", "train/wasp holds no image: add some", "1 empty class 'wasp' left out"),
    ("train/wasp/x.avif", "holds no image of a format that is decoded, only .avif", "1 empty class 'wasp' left out"),
    ("train/lost+found/x.png", "train/lost+found is made by the system", "1 folders made by the system left out"),
    ("train/__MACOSX/._x.png", "train/__MACOSX is made by the system", "1 folders made by the system left out"),
    ("test/ant/@eaDir/0.png", "test/ant/@eaDir is made by the system", "1 folders made by the system left out"),
    ("train/caf\u00e9/x.png", r"the names 'caf\xe9' and 'cafe\u0301' are one", "1 class folders were one in two"),
    ("test/caf\u00e9/x.png", r"the names 'caf\xe9' and 'cafe\u0301' are one", "1 class folders were one in two"),
]


@pytest.mark.parametrize(("file", "says", "note"), ODD)
def test_odd_folders_stop_or_are_mended_and_said(tmp_path: Path, file: str, says: str, note: str) -> None:
    root = empty_tree(tmp_path / "mine", *TREE, "train/cafe\u0301/0.png", "train/.DS_Store", file)
    with pytest.raises(UsageError, match=re.escape(says)) as caught:
        list_folder(root)
    assert "odd_folders = 'mend'" in str(caught.value) and "\n" not in str(caught.value)
    listing = list_folder(root, mend=True)
    assert listing.classes == ["ant", "bee", "cafe\u0301"] and any(line.startswith(note) for line in listing.notes)
    assert "hidden files and folders ignored" in listing.notes[0]
    assert len(listing.train) + len(listing.test) == 4 + ("caf\u00e9" in file)


def named(top: str, count: int = 10) -> list[str]:
    return [f"{top}{name}/{i}.png" for name in ("ant", "bee") for i in range(count)]


@pytest.mark.parametrize(
    ("files", "counts", "note"),
    [
        (named("train/") + named("val/", 5), (24, 6), ""),
        (named("Train/") + named("VALID/", 5), (24, 6), ""),
        ([*named(""), "bee/more/x.png"], (17, 4), ""),
        ([*named("train/"), "test/0.png", "test/1.png"], (16, 4), "test/ not used"),
        ([*named("train/", 1), "train/ant/x.png"], (2, 1), ""),
    ],
)
def test_a_test_set_is_drawn_by_name_where_there_is_none(
    tmp_path: Path, files: list[str], counts: tuple[int, int], note: str
) -> None:
    root = empty_tree(tmp_path / "mine", *files)
    with pytest.raises(UsageError, match=r"option split = 0\.2"):
        list_folder(root)
    listing = list_folder(root, 0.2)
    assert (len(listing.train), len(listing.test)) == counts and listing.classes == ["ant", "bee"]
    assert set(listing.train_labels) == {0, 1} and not set(listing.train) & set(listing.test)
    assert note in listing.notes or not note
    assert listing.notes[-1] == "test images drawn here: 20 % of each class, by a hash of the files' names"
    again = list_folder(empty_tree(tmp_path / "copy", *reversed(files)), 0.2)
    below = [
        [path.relative_to(at).as_posix() for path in of.test]
        for at, of in ((root, listing), (root.parent / "copy", again))
    ]
    assert below[0] == below[1]


def test_the_draw_is_the_same_for_ever(tmp_path: Path) -> None:
    root = empty_tree(tmp_path, *named(""))
    drawn = [path.relative_to(root).as_posix() for path in list_folder(root, 0.2).test]
    assert drawn == ["ant/2.png", "ant/9.png", "bee/2.png", "bee/9.png"]


def test_a_drawn_test_set_is_part_of_the_identity(tmp_path: Path, image_tree: Tree) -> None:
    root = image_tree(tmp_path / "mine", train=10)
    with pytest.raises(UsageError, match="test holds class folders already: leave out the option split"):
        ImageFolder(str(root), split=0.2).load(None, tmp_path / "cache")
    shutil.rmtree(root / "test")
    loaded = [ImageFolder(str(root), split=share).load(None, tmp_path / "cache") for share in (0.2, 0.2, 0.4)]
    prints = list(map(fingerprint, loaded))
    assert prints[0] == prints[1] != prints[2] and len(loaded[2].test) == 8
    for share in (0.0, 1.0, 1, True, "half"):
        with pytest.raises(UsageError, match="must be a share between 0 and 1"):
            ImageFolder(str(root), split=share)


def test_parts_are_found_in_any_case(tmp_path: Path) -> None:
    root = empty_tree(tmp_path / "mine", *(file.title().replace("Png", "png") for file in TREE), "Val/Ant/0.png")
    assert len(list_folder(root).train) == 2 and list_folder(root).notes == ["Val/ not used"]
    empty_tree(root, "TRAIN/x.png")
    with pytest.raises(UsageError, match="holds both TRAIN/ and Train/: rename one"):
        list_folder(root)


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
