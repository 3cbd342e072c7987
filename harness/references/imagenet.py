"""Frozen nets as references: torchvision's ImageNet nets without their heads, and the same nets untrained as a null."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from ...strategies.errors import UsageError, did_you_mean
from ..store.tensor_cache import digest
from ..store.weight_file import find_weights, locate, read_weights
from ..streams import derive
from .base import Extraction

_VERSION = 1  # raise it when the same weights and options give other features
Scaling = tuple[tuple[float, ...], tuple[float, ...]]
"""Mean and standard deviation of each channel, which a net's inputs are normalised by."""
IMAGENET: Scaling = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
COUNTER = "num_batches_tracked"  # which old files lack: it plays no part in eval mode


@dataclass(frozen=True)
class Net:
    """How one of torchvision's nets becomes a feature extractor."""

    build: Callable[..., nn.Module]
    head: str  # the module behind the features, and the start of its weights' names
    body: str  # start of the names of all other weights, where they share one; a file may leave it out
    # Names of torchvision's ImageNet weight files. The first training recipe comes first: the second one's features
    # are made for its own head, and serve other images less well.
    published: tuple[str, ...]


def _net(name: str, head: str, body: str = "") -> Net:
    files = tuple(weights.url.rpartition("/")[2] for weights in torchvision.models.get_model_weights(name))
    return Net(torchvision.models.get_model_builder(name), head, body, files)


NETS: Mapping[str, Net] = {
    "resnet18": _net("resnet18", "fc"),
    "resnet50": _net("resnet50", "fc"),
    "squeezenet1_1": _net("squeezenet1_1", "classifier", "features."),
}


def net(name: str) -> Net:
    if name not in NETS:
        raise UsageError(f"no reference net named {name!r}{did_you_mean(name, NETS)}")
    return NETS[name]


def skeleton(name: str) -> nn.Module:
    """The headless net on the meta device: no memory, no random numbers."""
    with torch.device("meta"):
        return _headless(net(name))


def pretrained(name: str, weights: Mapping[str, Tensor], origin: object) -> nn.Module:
    """The headless net in eval mode; weights of the head may be there or not, everything else must match exactly."""
    spec, model = net(name), skeleton(name)
    found = {key: tensor for key, tensor in weights.items() if not key.startswith(f"{spec.head}.")}
    if spec.body and not any(key.startswith(spec.body) for key in found):
        found = {spec.body + key: tensor for key, tensor in found.items()}
    return filled(model, found, name, origin)


def filled(model: nn.Module, weights: Mapping[str, Tensor], name: str, origin: object) -> nn.Module:
    """``model`` in eval mode with ``weights``, which must be its own, by name and shape."""
    own, found = model.state_dict(), dict(weights)
    wanted = {key for key in own if not key.endswith(COUNTER)}
    for what, keys in (("lacks", wanted - found.keys()), ("has unknown", found.keys() - own.keys())):
        if keys:
            raise UsageError(
                f"{origin} {what} {sorted(keys)[0]!r} ({len(keys)} in all): these are no weights of {name}"
            )
    for key, tensor in own.items():
        given = found.setdefault(key, torch.zeros((), dtype=torch.int64))
        if given.shape != tensor.shape:
            raise UsageError(f"{origin}: {key!r} is {list(given.shape)}, but {name} has {list(tensor.shape)}")
        found[key] = given.to(tensor.dtype)
    model.load_state_dict(found, assign=True)
    return model.eval()


def untrained(name: str, seed: int) -> nn.Module:
    """The headless net as torchvision initialises it, from the stream (seed, ``untrained``, name); in eval mode."""
    # torchvision's constructors offer no generator, so the global one is set and put back.
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(derive(seed, "untrained", name))
        return _headless(net(name)).eval()


def prepare(images: Tensor, resolution: int, scaling: Scaling = IMAGENET) -> Tensor:
    """Images ``[B, 1 or 3, H, W]`` uint8 as the nets expect them: ``[B, 3, r, r]`` float32, normalised."""
    pixels = images.float() / 255
    if pixels.shape[2:] != (resolution, resolution):
        pixels = F.interpolate(pixels, size=(resolution, resolution), mode="bilinear", antialias=True)
    mean, std = (torch.tensor(values, device=images.device)[:, None, None] for values in scaling)
    return (pixels.expand(-1, 3, -1, -1) - mean) / std


@torch.no_grad()
def features(
    model: nn.Module, images: Tensor, resolution: int, device: torch.device, scaling: Scaling = IMAGENET
) -> Iterator[Tensor]:
    """Pooled features ``[m, d]`` float32, on the device, of uint8 ``images`` ``[N, C, H, W]``: batches in order."""
    layout = torch.channels_last  # up to three times as fast for inference on a CPU as well
    model = model.to(device).to(memory_format=layout)
    batch = 256 if device.type == "cuda" else 16  # a small batch stays in a CPU's cache
    for chunk in images.split(batch):
        yield model(prepare(chunk.to(device), resolution, scaling).contiguous(memory_format=layout))


@torch.no_grad()
def flops_per_image(net: nn.Module, resolution: int) -> float:
    """Floating-point operations of one image's features by a net on the meta device; a multiply and an add are two."""
    counter = FlopCounterMode(display=False)
    with counter:
        net.eval()(torch.empty(1, 3, resolution, resolution, device="meta"))
    return float(counter.get_total_flops())


def _headless(spec: Net) -> nn.Module:
    model = spec.build(weights=None)
    # A ResNet pools before its head; SqueezeNet's head did the pooling itself.
    setattr(model, spec.head, nn.AdaptiveAvgPool2d(1) if spec.body else nn.Identity())
    return model


@dataclass(frozen=True, kw_only=True)
class Frozen:
    """Base of the frozen nets; subclasses name the net and the source of its weights."""

    resolution: int = 224  # side to which images are resized, in pixels
    half: bool = False  # store features in float16: half the disk and the reading
    needs_holdout: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if type(self.resolution) is not int or not 32 <= self.resolution <= 1024:
            raise UsageError(
                f"resolution = {self.resolution!r} of the reference must be a whole number from 32 to 1024"
            )
        if type(self.half) is not bool:
            raise UsageError(f"half = {self.half!r} of the reference must be true or false")

    def _net(self) -> str:
        raise NotImplementedError

    def _skeleton(self) -> nn.Module:
        return skeleton(self._net())

    def _scaling(self) -> Scaling:
        return IMAGENET

    def _model(self, data_dir: Path | None) -> nn.Module:
        raise NotImplementedError

    def check(self, data_dir: Path | None) -> None:
        self._model(data_dir)

    def fingerprint(self, data_dir: Path | None) -> str:
        """Hash of the weights themselves, of the resolution and of the precision."""
        weights = digest(self._model(data_dir).state_dict())
        text = f"{_VERSION} {self._net()} {self.resolution} {weights}" + " half" * self.half
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()

    def extract(self, images: Tensor, labels: Tensor, *, data_dir: Path | None, device: torch.device) -> Extraction:
        if images.shape[1] not in (1, 3):
            raise UsageError(f"images have {images.shape[1]} channels; a reference net takes 1 (grey) or 3 (RGB)")
        found = features(self._model(data_dir), images, self.resolution, device, self._scaling())
        found = (chunk.half() for chunk in found) if self.half else found
        return Extraction(found, None, flops_per_image(self._skeleton(), self.resolution) * len(images))


@dataclass(frozen=True, kw_only=True)
class ImageNet(Frozen):
    """A net with ImageNet weights from a file; nothing is ever downloaded.

    ``weights`` is a ``.pth`` or ``.safetensors`` file; a relative path is looked up in the data folder, then in the
    working folder. Without it: ``references/<net>*`` in the data folder, then torchvision's cache.
    """

    weights: str | None = None
    name: ClassVar[str]

    @property
    def external(self) -> str:
        return f"ImageNet pre-training of {self.name}"

    def _net(self) -> str:
        return self.name

    def _model(self, data_dir: Path | None) -> nn.Module:
        if self.weights is None:
            path = find_weights(self.name, net(self.name).published, data_dir)
        else:
            path = locate(self.weights, data_dir, f"weights of {self.name}")
        return pretrained(self.name, read_weights(path), path)


@dataclass(frozen=True, kw_only=True)
class ResNet50(ImageNet):
    """torchvision's ResNet-50 trained on ImageNet: 2,048 features, 8.2 GFLOP an image at 224 px."""

    name: ClassVar[str] = "resnet50"


@dataclass(frozen=True, kw_only=True)
class ResNet18(ImageNet):
    """torchvision's ResNet-18 trained on ImageNet: 512 features, 3.6 GFLOP an image at 224 px."""

    name: ClassVar[str] = "resnet18"


@dataclass(frozen=True, kw_only=True)
class SqueezeNet(ImageNet):
    """torchvision's SqueezeNet 1.1 trained on ImageNet: 512 features, 0.5 GFLOP an image at 224 px."""

    name: ClassVar[str] = "squeezenet1_1"


@dataclass(frozen=True, kw_only=True)
class Untrained(Frozen):
    """A reference net at its random initialisation (untrained:NET): the null that any trained one must beat."""

    net: str = field(default="resnet18", kw_only=False)
    seed: int = 0
    external: ClassVar[str] = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        net(self.net)

    def _net(self) -> str:
        return self.net

    def _model(self, data_dir: Path | None) -> nn.Module:
        return untrained(self.net, self.seed)
