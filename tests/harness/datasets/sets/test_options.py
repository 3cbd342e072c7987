"""Classes, limits and sides: what the common options leave."""

from __future__ import annotations

import pytest

from selbench.harness.datasets.sets.options import ImageOptions
from selbench.strategies import UsageError

NAMES = ["ant", "bee", "cat"]
TRAIN = [0, 1, 2] * 10
TEST = [2, 2, 0, 1, 0]


@pytest.mark.parametrize(
    ("classes", "names", "test", "labels"),
    [
        (None, ("ant", "bee", "cat"), [0, 1, 2, 3, 4], [2, 2, 0, 1, 0]),
        (2, ("ant", "bee"), [2, 3, 4], [0, 1, 0]),
        ([2, 0], ("cat", "ant"), [0, 1, 2, 4], [0, 0, 1, 1]),
        (["bee", "cat"], ("bee", "cat"), [0, 1, 3], [1, 1, 0]),
    ],
)
def test_classes(classes: object, names: tuple[str, ...], test: list[int], labels: list[int]) -> None:
    choice = ImageOptions(classes=classes).choose(TRAIN, TEST, NAMES)
    assert choice.classes == names
    assert choice.test.tolist() == test and choice.test_labels.tolist() == labels
    assert [names[i] for i in choice.train_labels] == [NAMES[TRAIN[i]] for i in choice.train]
    assert len(choice.train) == 10 * len(names)
    assert choice.notes == (() if len(names) == 3 else ("2 of 3 classes",))


def test_limits_are_stratified_said_and_the_same_each_time() -> None:
    options = ImageOptions(limit=7, test_limit=4)
    choice = options.choose(TRAIN, TEST, NAMES)
    assert sorted(map(choice.train_labels.tolist().count, range(3))) == [2, 2, 3]
    assert len(choice.test) == 4
    assert choice.notes == ("7 of 30 training images", "4 of 5 test images")
    assert choice.train.tolist() == options.choose(TRAIN, TEST, NAMES).train.tolist()


def test_a_limit_above_what_there_is_changes_nothing() -> None:
    choice = ImageOptions(limit=31, test_limit=5).choose(TRAIN, TEST, NAMES)
    assert (len(choice.train), len(choice.test), choice.notes) == (30, 5, ())


def test_a_rare_class_keeps_an_image() -> None:
    choice = ImageOptions(limit=10).choose([0] * 500 + [1], [0, 1], ["a", "b"])
    assert choice.train_labels.tolist().count(1) == 1


@pytest.mark.parametrize(("resolution", "side"), [(8, 8), (32, 32), (64, 64), (65, 74), (128, 146), (224, 256)])
def test_stored_side(resolution: int, side: int) -> None:
    assert ImageOptions(resolution=resolution).stored_side == side


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"resolution": 2}, "resolution = 2"),
        ({"resolution": "64"}, "resolution = '64'"),
        ({"limit": 0}, "limit = 0"),
        ({"test_limit": True}, "test_limit = True"),
        ({"augmentation": "crop_flip"}, "did you mean 'crop-flip'"),
        ({"classes": "ant"}, "must be a number of classes"),
        ({"classes": [1.0, 0]}, "must be a number of classes"),
        ({"classes": 4}, "from 2 to 3"),
        ({"classes": 1}, "nothing to tell apart"),
        ({"classes": [0, 0]}, "twice"),
        ({"classes": [0, 3]}, "class 3 is outside 0 to 2"),
        ({"classes": ["ant", "bea"]}, "did you mean 'bee'"),
        ({"limit": 2}, "limit = 2 is below the number of classes, 3"),
    ],
)
def test_bad_options(options: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        ImageOptions(**options).choose(TRAIN, TEST, NAMES)


def test_classes_without_images() -> None:
    with pytest.raises(UsageError, match="'cat' has no training image"):
        ImageOptions().choose([0, 1], TEST, NAMES)
    with pytest.raises(UsageError, match="no test image is left"):
        ImageOptions(classes=["ant", "bee"]).choose(TRAIN, [2], NAMES)


def test_options_are_plain_and_round_trip() -> None:
    options = ImageOptions(classes=["ant", "bee"], limit=4)
    assert eval(repr(options)) == options and hash(options) == hash(eval(repr(options)))
