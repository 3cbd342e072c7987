"""Specifications as users write them."""

from __future__ import annotations

import pytest

from selbench.harness.datasets.sets.digits import Digits
from selbench.harness.datasets.sets.imagefolder import ImageFolder
from selbench.harness.datasets.spec import dataset
from selbench.harness.references.spec import reference
from selbench.strategies import UsageError


def test_names_arguments_and_options() -> None:
    assert dataset("digits") == Digits()
    assert dataset("digits", {"limit": 100}) == Digits(limit=100)
    assert dataset("imagefolder:a:b/c", {"resolution": 32}) == ImageFolder("a:b/c", resolution=32)
    assert dataset("imagefolder", {"path": "x"}) == ImageFolder("x")


@pytest.mark.parametrize(
    ("spec", "options", "message"),
    [
        ("cifar", {}, "no dataset named 'cifar'; did you mean 'cifar10'"),
        ("digits", {"limits": 3}, "no parameter 'limits'; did you mean 'limit'"),
        ("digits", {"limit": -3}, "limit = -3"),
        ("digits:8", {}, "write digits alone"),
        ("imagefolder", {}, "needs path: write imagefolder:PATH"),
        ("imagefolder:", {}, "write imagefolder:PATH"),
        ("imagefolder:a", {"path": "b"}, "path is given twice"),
    ],
)
def test_bad_specs(spec: str, options: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        dataset(spec, options)


@pytest.mark.parametrize("name", ["digits", "cifar10", "pets", "flowers"])
def test_every_built_in_has_the_members_of_the_contract(name: str) -> None:
    made = dataset(name, {"resolution": 48})
    assert made.resolution == 48 and callable(made.load)
    assert made.augmentation == {"digits": "shift", "cifar10": "crop-flip"}.get(name, "resized-crop-flip")


def test_references() -> None:
    assert reference("untrained:resnet50", {"seed": 3}).net == "resnet50"
    assert reference("file:x.safetensors").path == "x.safetensors"
    assert reference("squeezenet1_1", {"resolution": 64}).resolution == 64
    with pytest.raises(UsageError, match="no reference named 'resnet51'; did you mean 'resnet50'"):
        reference("resnet51")
    with pytest.raises(UsageError, match="write resnet50 alone"):
        reference("resnet50:weights.pth")
