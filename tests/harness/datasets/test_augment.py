"""Views: what they contain, what they depend on, and that no device has to wait for them."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torchvision.transforms.v2 import functional as TF

from selbench.harness.datasets.augment import Augment, channel_statistics
from selbench.harness.datasets.base import AUGMENTATIONS
from selbench.harness.streams import derive, generator, keyed_uniform
from selbench.strategies import UsageError

KEY = derive(0, "augment", 3)
RANDOM_KINDS = [kind for kind in AUGMENTATIONS if kind != "none"]


def pictures(count: int, side: int, channels: int = 3) -> Tensor:
    return torch.randint(0, 256, (count, channels, side, side), dtype=torch.uint8, generator=generator(1, "pictures"))


def identity(kind: str, resolution: int, **options: object) -> Augment:
    """Views in grey levels 0-255, so that pixels can be compared with their source."""
    return Augment(kind, resolution, [0.0], [1 / 255], **options)


@pytest.mark.parametrize("kind", AUGMENTATIONS)
@pytest.mark.parametrize("side", [32, 37])
@settings(max_examples=10)
@given(where=st.integers(0, 8), key=st.integers(0, 2**62))
def test_a_view_is_the_same_alone_and_in_any_batch(kind: str, side: int, where: int, key: int) -> None:
    images, ids = pictures(9, side), torch.tensor([5, 0, 77, 12_345, 49_999, 6, 7, 8, 2**40])
    augment = Augment(kind, 32, *channel_statistics(images))
    alone = augment.train_view(images[where : where + 1], ids[where : where + 1], key)
    assert torch.equal(augment.train_view(images, ids, key)[where : where + 1], alone)


@pytest.mark.parametrize("kind", RANDOM_KINDS)
def test_views_change_with_key_and_id_and_repeat_with_both(kind: str) -> None:
    images = pictures(1, 32).expand(64, -1, -1, -1)
    augment, ids = identity(kind, 32), torch.arange(64)
    views = augment.train_view(images, ids, KEY)
    assert torch.equal(views, augment.train_view(images, ids, KEY))
    assert (views != augment.train_view(images, ids, KEY + 1)).flatten(1).any(1).float().mean() > 0.8
    assert len(views.flatten(1).unique(dim=0)) > 10


@pytest.mark.parametrize("kind", ["shift", "crop-flip"])
@pytest.mark.parametrize("padding", ["reflect", "zero"])
@pytest.mark.parametrize(("side", "resolution"), [(8, 8), (32, 32), (37, 32)])
def test_padded_crops_are_windows_of_the_padded_image(kind: str, padding: str, side: int, resolution: int) -> None:
    images, ids = pictures(40, side), torch.arange(40)
    augment = identity(kind, resolution, padding=padding)
    views = augment.train_view(images, ids, KEY)
    padded = TF.pad(images, [augment.pad] * 4, padding_mode="reflect" if padding == "reflect" else "constant").float()
    last = padded.shape[-1] - resolution
    seen = set()
    for source, view in zip(padded, views.round(), strict=True):
        windows = {
            (top, left, flip): torch.equal(
                view.flip(-1) if flip else view, source[:, top:, left:][:, :resolution, :resolution]
            )
            for top in range(last + 1)
            for left in range(last + 1)
            for flip in (False, True)
        }
        found = [place for place, same in windows.items() if same]
        assert len(found) == 1
        seen.add(found[0])
    assert {flip for *_, flip in seen} == ({False, True} if kind == "crop-flip" else {False})
    assert {top for top, *_ in seen} >= {0, last} and {left for _, left, _ in seen} >= {0, last}


def test_offsets_and_flips_are_uniform() -> None:
    ramp = torch.arange(32, dtype=torch.uint8).expand(1, 1, 32, 32)
    views = identity("crop-flip", 32, padding="zero").train_view(ramp.expand(9000, -1, -1, -1), torch.arange(9000), KEY)
    middle = views[:, 0, 16].round()
    flipped = middle[:, 16] < middle[:, 15]
    shift = torch.where(flipped, middle[:, 15], middle[:, 16]) - 16
    assert abs(flipped.float().mean() - 0.5) < 0.02
    assert sorted(shift.unique().tolist()) == list(range(-4, 5))
    assert (torch.bincount((shift + 4).long()) / 9000 - 1 / 9).abs().max() < 0.02


def test_resized_crops_are_torchvisions_resample_of_the_same_rectangle() -> None:
    images, ids = pictures(1, 64).expand(32, -1, -1, -1), torch.arange(32)
    # Smooth the noise, so that a wrong rectangle shows and a different rounding does not.
    images = TF.gaussian_blur(images, 9, 3.0)
    augment = identity("resized-crop-flip", 24, scale=(0.2, 0.6))
    views = augment.train_view(images, ids, KEY)
    draws = keyed_uniform(KEY, ids, 5).double()
    for image, view, (area, shape, x, y, flip) in zip(images, views, draws.tolist(), strict=True):
        share, ratio = 0.2 + area * 0.4, (3 / 4) * (16 / 9) ** shape
        wide, tall = min(1, (share * ratio) ** 0.5), min(1, (share / ratio) ** 0.5)
        matrix = torch.tensor([[[wide, 0, (2 * x - 1) * (1 - wide)], [0, tall, (2 * y - 1) * (1 - tall)]]])
        grid = torch.nn.functional.affine_grid(matrix, [1, 3, 24, 24], align_corners=False)
        expected = torch.nn.functional.grid_sample(image[None].float(), grid, align_corners=False)[0]
        assert (view - (expected.flip(-1) if flip < 0.5 else expected)).abs().max() < 0.1


def test_the_whole_image_at_its_own_size_is_itself_or_its_mirror() -> None:
    images, ids = pictures(16, 32), torch.arange(16)
    views = identity("resized-crop-flip", 32, scale=(1.0, 1.0), ratio=(1.0, 1.0)).train_view(images, ids, KEY)
    same = [(v - i).abs().max() < 0.01 for v, i in zip(views, images, strict=True)]
    mirrored = [(v - i.flip(-1)).abs().max() < 0.01 for v, i in zip(views, images, strict=True)]
    assert all(a or b for a, b in zip(same, mirrored, strict=True)) and any(same) and any(mirrored)


def test_plain_view_is_torchvisions_centre_crop_normalised() -> None:
    images = pictures(5, 37)
    mean, std = channel_statistics(images)
    expected = TF.normalize(TF.center_crop(images, [32, 32]).float() / 255, mean.tolist(), std.tolist())
    for kind in AUGMENTATIONS:
        assert torch.allclose(Augment(kind, 32, mean, std).plain_view(images), expected, atol=1e-5)
    untouched = Augment("none", 32, mean, std).train_view(images, torch.arange(5), KEY)
    assert torch.allclose(untouched, expected, atol=1e-5)


def test_channel_statistics_agree_with_float64_over_several_chunks() -> None:
    images = pictures(5000, 4)
    mean, std = channel_statistics(images)
    scaled = images.double() / 255
    assert torch.allclose(mean.double(), scaled.mean((0, 2, 3)), rtol=1e-6)
    assert torch.allclose(std.double(), scaled.std((0, 2, 3), correction=0), rtol=1e-6)


def test_a_constant_channel_does_not_divide_by_zero() -> None:
    images = torch.full((3, 1, 8, 8), 200, dtype=torch.uint8)
    view = Augment("none", 8, *channel_statistics(images)).plain_view(images)
    assert view.abs().max() < 1e-3


@pytest.mark.parametrize("kind", AUGMENTATIONS)
def test_no_host_synchronisation(kind: str) -> None:
    """On fake CUDA tensors whatever needs data on the host raises; the mode adds copies between devices."""

    class NoCopies(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            out = func(*args, **(kwargs or {}))
            if func._overloadpacket is torch.ops.aten._to_copy:
                assert out.device == args[0].device, f"{func} copies to {out.device}"
            return out

    with FakeTensorMode():
        images = torch.empty(4, 3, 37, 37, dtype=torch.uint8, device="cuda")
        augment = Augment(kind, 32, torch.empty(3, device="cuda"), torch.empty(3, device="cuda"))
        ids = torch.arange(4, device="cuda")
        with NoCopies():
            view = augment.train_view(images, ids, KEY)
            plain = augment.plain_view(images)
    assert view.device.type == plain.device.type == "cuda"
    assert view.shape == plain.shape == (4, 3, 32, 32)


def test_global_random_state_is_left_alone() -> None:
    before = torch.get_rng_state()
    for kind in AUGMENTATIONS:
        identity(kind, 32).train_view(pictures(3, 32), torch.arange(3), KEY)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "crop-flop"}, "did you mean 'crop-flip'"),
        ({"scale": (0.5, 0.2)}, "scale"),
        ({"ratio": (0.0, 1.0)}, "ratio"),
        ({"pad": 32}, "pad"),
    ],
)
def test_bad_options(options: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Augment(**{"kind": "crop-flip", "resolution": 32, "mean": [0.5], "std": [0.2], **options})


def test_images_smaller_than_the_view_are_refused() -> None:
    with pytest.raises(UsageError, match="smaller"):
        identity("none", 32).plain_view(pictures(1, 16))
