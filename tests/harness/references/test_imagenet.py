"""Frozen nets against torchvision itself, and every way in which weights can be missing or wrong."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torchvision
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torchvision.models.feature_extraction import create_feature_extractor

from selbench.harness.references.imagenet import (
    NETS,
    ResNet18,
    ResNet50,
    SqueezeNet,
    Untrained,
    flops_per_image,
    prepare,
    skeleton,
)
from selbench.harness.streams import generator
from selbench.strategies import UsageError

CPU = torch.device("cpu")
SIDE = 64
POOLED = {"resnet18": "flatten", "resnet50": "flatten", "squeezenet1_1": "features"}


@pytest.fixture(scope="module")
def nets() -> dict[str, nn.Module]:
    """torchvision's own nets with random weights, batch statistics included."""
    made = {}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for name in NETS:
            made[name] = torchvision.models.get_model(name, weights=None).eval()
            for module in made[name].modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.running_mean.normal_(0, 0.1)
                    module.running_var.uniform_(0.8, 1.2)
    return made


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """torchvision's cache folder, so that no test depends on this machine's."""
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    (tmp_path / "hub" / "checkpoints").mkdir(parents=True)
    return tmp_path / "hub" / "checkpoints"


def images(count: int = 20, side: int = 32, channels: int = 3) -> Tensor:
    return torch.randint(0, 256, (count, channels, side, side), dtype=torch.uint8, generator=generator(2, "images"))


def features(reference: object, pixels: Tensor, data_dir: Path | None = None) -> Tensor:
    labels = torch.zeros(len(pixels), dtype=torch.int64)
    return torch.cat(list(reference.extract(pixels, labels, data_dir=data_dir, device=CPU).features))


@pytest.mark.parametrize(("cls", "width"), [(ResNet18, 512), (ResNet50, 2048), (SqueezeNet, 512)])
def test_features_are_torchvisions_pooled_ones(
    tmp_path: Path, nets: dict[str, nn.Module], cls: type, width: int
) -> None:
    net = nets[cls.name]
    torch.save(net.state_dict(), tmp_path / "w.pth")
    pixels = images()
    extraction = cls(weights="w.pth", resolution=SIDE).extract(pixels, torch.zeros(20), data_dir=tmp_path, device=CPU)
    got = torch.cat(list(extraction.features))
    preset = torchvision.transforms._presets.ImageClassification(crop_size=SIDE, resize_size=SIDE)
    with torch.no_grad():
        node = POOLED[cls.name]
        expected = create_feature_extractor(net, [node])(preset(pixels))[node].reshape(20, width, -1).mean(2)
    assert got.shape == (20, width) and got.dtype == torch.float32 and extraction.losses is None
    assert torch.allclose(got, expected, rtol=2e-2, atol=2e-2 * float(expected.std()))
    assert not got.requires_grad


def test_the_order_and_the_batch_do_not_matter(nets: dict[str, nn.Module]) -> None:
    reference, pixels = Untrained("squeezenet1_1", resolution=SIDE), images(37)
    whole = features(reference, pixels)
    assert torch.allclose(features(reference, pixels[20:21]), whole[20:21], rtol=1e-4, atol=1e-5)
    assert torch.allclose(features(reference, pixels.flip(0)).flip(0), whole, rtol=1e-4, atol=1e-5)


def test_features_come_batch_by_batch_and_in_half_precision_where_asked_for() -> None:
    whole, half = Untrained("squeezenet1_1", resolution=SIDE), Untrained("squeezenet1_1", resolution=SIDE, half=True)
    pixels, labels = images(37), torch.zeros(37, dtype=torch.int64)
    chunks = iter(half.extract(pixels, labels, data_dir=None, device=CPU).features)
    assert next(chunks).shape == (16, 512), "before the rest is computed"
    assert torch.equal(features(half, pixels), features(whole, pixels).half())
    assert half.fingerprint(None) != whole.fingerprint(None)
    with pytest.raises(UsageError, match="half = 1 of the reference must be true or false"):
        Untrained("squeezenet1_1", half=1)


def test_grey_is_repeated_and_other_channels_are_refused() -> None:
    grey = images(3, channels=1)
    reference = Untrained("resnet18", resolution=SIDE)
    assert torch.equal(features(reference, grey), features(reference, grey.repeat(1, 3, 1, 1)))
    with pytest.raises(UsageError, match="4 channels"):
        features(reference, images(3, channels=4))


def test_prepare_is_torchvisions_preset() -> None:
    pixels = images(2, side=90)
    preset = torchvision.transforms._presets.ImageClassification(crop_size=40, resize_size=40)
    assert (prepare(pixels, 40) - preset(pixels)).abs().max() < 0.02, "one grey level is 0.017"
    assert torch.allclose(prepare(images(2, side=40), 40), preset(images(2, side=40)), atol=1e-5)


def test_weight_files_in_every_dress(tmp_path: Path, nets: dict[str, nn.Module]) -> None:
    state = nets["squeezenet1_1"].state_dict()
    body = {key: value for key, value in state.items() if key.startswith("features.")}
    save_file(state, tmp_path / "all.safetensors")
    save_file(body, tmp_path / "body.safetensors")
    save_file({key.removeprefix("features."): value for key, value in body.items()}, tmp_path / "bare.safetensors")
    save_file({key: value.half() for key, value in body.items()}, tmp_path / "half.safetensors")
    torch.save(state, tmp_path / "all.pth")
    names = ["all.safetensors", "body.safetensors", "bare.safetensors", "all.pth", "half.safetensors"]
    got = [features(SqueezeNet(weights=name, resolution=SIDE), images(4), tmp_path) for name in names]
    assert all(torch.equal(got[0], other) for other in got[1:4])
    assert torch.allclose(got[0], got[4], rtol=0.05, atol=0.02)
    prints = [SqueezeNet(weights=name, resolution=SIDE).fingerprint(tmp_path) for name in names]
    assert len(set(prints[:4])) == 1, "the head plays no part"
    assert SqueezeNet(weights=names[0], resolution=96).fingerprint(tmp_path) != prints[0] != prints[4]


def test_old_files_without_batch_counters(tmp_path: Path, nets: dict[str, nn.Module]) -> None:
    state = nets["resnet18"].state_dict()
    save_file(state, tmp_path / "new.safetensors")
    old = {key: value for key, value in state.items() if not key.endswith("num_batches_tracked")}
    save_file(old, tmp_path / "old.safetensors")
    new, old = (ResNet18(weights=f"{name}.safetensors", resolution=SIDE) for name in ("new", "old"))
    assert torch.equal(features(new, images(3), tmp_path), features(old, images(3), tmp_path))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda s: s.pop("layer1.0.conv1.weight"), r"lacks 'layer1\.0\.conv1\.weight' \(1 in all\)"),
        (lambda s: s.update({"layer5.weight": torch.ones(1)}), r"has unknown 'layer5\.weight'"),
        (lambda s: s.update({"conv1.weight": torch.ones(64, 3, 3, 3)}), r"'conv1.weight' is \[64, 3, 3, 3\]"),
        (lambda s: s.clear(), "lacks"),
    ],
)
def test_weights_that_do_not_fit(tmp_path: Path, nets: dict[str, nn.Module], spoil: Callable, message: str) -> None:
    state = dict(nets["resnet18"].state_dict())
    spoil(state)
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(UsageError, match=message):
        ResNet18(weights="w.pth").check(tmp_path)


def test_nothing_in_a_weight_file_is_run(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple:
            return (os.mkdir, (str(tmp_path / "sprung"),))

    torch.save({"conv1.weight": Trap()}, tmp_path / "trap.pth")
    torch.save({"state": {"conv1.weight": torch.ones(1)}}, tmp_path / "nested.pth")
    (tmp_path / "text.pth").write_text("hello")
    (tmp_path / "text.safetensors").write_text("hello")
    for name in ("trap.pth", "text.pth", "text.safetensors", "nested.pth"):
        with pytest.raises(UsageError, match=name) as caught:
            ResNet18(weights=name).check(tmp_path)
        assert "\n" not in str(caught.value)
    assert not (tmp_path / "sprung").exists()


def test_where_weights_are_looked_for(tmp_path: Path, nets: dict[str, nn.Module], empty_cache: Path) -> None:
    data = tmp_path / "data"
    (data / "references").mkdir(parents=True)
    with pytest.raises(UsageError) as caught:
        ResNet18().check(data)
    for place in (f"{data}/references/resnet18*", f"{empty_cache}/resnet18-f37072fd.pth", "option weights"):
        assert place in str(caught.value)
    with pytest.raises(UsageError, match=r"resnet50-0676ba61\.pth, .*resnet50-11ad3fa6\.pth"):
        ResNet50().check(None)
    with pytest.raises(UsageError, match=r"no file .*data/w\.pth nor w\.pth"):
        ResNet18(weights="w.pth").check(data)

    state = nets["resnet18"].state_dict()
    torch.save(state, empty_cache / "resnet18-f37072fd.pth")
    ResNet18().check(data)
    cached = ResNet18().fingerprint(data)
    other = {key: value + 1 if key == "conv1.weight" else value for key, value in state.items()}
    save_file(other, data / "references" / "resnet18_mine.safetensors")
    assert ResNet18().fingerprint(data) != cached, "the data folder comes before torchvision's cache"
    assert ResNet18().fingerprint(None) == cached
    torch.save(state, data / "references" / "resnet18.pth")
    with pytest.raises(UsageError, match="name one with the option weights"):
        ResNet18().check(data)


def test_untrained_is_torchvisions_initialisation_of_its_own_stream() -> None:
    before = torch.get_rng_state()
    pixels = images(4)
    one, same, two = (features(Untrained("resnet18", seed=s, resolution=SIDE), pixels) for s in (1, 1, 2))
    assert torch.equal(before, torch.get_rng_state())
    assert torch.equal(one, same) and not torch.allclose(one, two)
    prints = [Untrained("resnet18", seed=s, resolution=SIDE).fingerprint(None) for s in (1, 1, 2)]
    assert prints[0] == prints[1] != prints[2]
    assert Untrained("resnet18").external == "" and ResNet18().external == "ImageNet pre-training of resnet18"


def test_bad_options() -> None:
    with pytest.raises(UsageError, match="did you mean 'resnet18'"):
        Untrained("resnet19")
    with pytest.raises(UsageError, match="resolution = 8 of the reference"):
        ResNet50(resolution=8)


def test_flops(tmp_path: Path) -> None:
    """ResNet-18 at 224 px is 3.628 GFLOP with its head, which is 2 x 512 x 1000; by hand, not by the same counter."""
    assert flops_per_image(skeleton("resnet18"), 224) == pytest.approx(3.628e9 - 2 * 512 * 1000, rel=1e-3)
    spent = Untrained("squeezenet1_1", resolution=SIDE).extract(images(7), torch.zeros(7), data_dir=None, device=CPU)
    assert spent.flops == 7 * flops_per_image(skeleton("squeezenet1_1"), SIDE)
    conv1 = 2 * 31 * 31 * 64 * 3 * 9
    assert spent.flops / 7 > conv1


def test_real_squeezenet_separates_real_flowers(tmp_path: Path) -> None:
    data = Path(os.environ.get("SELBENCH_DATA_DIR", Path(__file__).parents[3] / ".data"))
    if not (data / "references").is_dir() or not (data / "flowers-102").is_dir():
        pytest.skip(f"no real weights and images at {data}: set SELBENCH_DATA_DIR")
    from selbench.harness.datasets.sets.flowers import Flowers
    from selbench.harness.references.probe import crossfit

    flowers = Flowers(resolution=64, classes=15, test_limit=10).load(data, tmp_path)
    trained, null = (
        crossfit(features(reference, flowers.train, data), flowers.train_labels, 15, seed=0).accuracy
        for reference in (SqueezeNet(resolution=96), Untrained("squeezenet1_1", resolution=96))
    )
    assert trained > 0.5 and trained > null + 0.2
    assert len(load_file(next((data / "references").glob("squeezenet1_1*")))) == 50
