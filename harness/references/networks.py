"""torchvision's ImageNet nets without their heads: images in, globally pooled features out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from ...strategies.errors import UsageError, did_you_mean
from ..streams import derive

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


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
    # Counters of batches, which old files lack, play no part in eval mode.
    wanted = {key for key in model.state_dict() if not key.endswith("num_batches_tracked")}
    for what, keys in (("lacks", wanted - found.keys()), ("has unknown", found.keys() - model.state_dict().keys())):
        if keys:
            raise UsageError(
                f"{origin} {what} {sorted(keys)[0]!r} ({len(keys)} in all): these are no weights of {name}"
            )
    for key, tensor in model.state_dict().items():
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


def prepare(images: Tensor, resolution: int) -> Tensor:
    """Images ``[B, 1 or 3, H, W]`` uint8 as the nets expect them: ``[B, 3, r, r]`` float32, normalised as ImageNet."""
    pixels = images.float() / 255
    if pixels.shape[2:] != (resolution, resolution):
        pixels = F.interpolate(pixels, size=(resolution, resolution), mode="bilinear", antialias=True)
    mean = torch.tensor(IMAGENET_MEAN, device=images.device)[:, None, None]
    std = torch.tensor(IMAGENET_STD, device=images.device)[:, None, None]
    return (pixels.expand(-1, 3, -1, -1) - mean) / std


@torch.no_grad()
def features(model: nn.Module, images: Tensor, resolution: int, device: torch.device) -> Iterator[Tensor]:
    """Pooled features ``[m, d]`` float32, on the device, of uint8 ``images`` ``[N, C, H, W]``: batches in order."""
    layout = torch.channels_last  # up to three times as fast for inference on a CPU as well
    model = model.to(device).to(memory_format=layout)
    batch = 256 if device.type == "cuda" else 16  # a small batch stays in a CPU's cache
    for chunk in images.split(batch):
        yield model(prepare(chunk.to(device), resolution).contiguous(memory_format=layout))


@torch.no_grad()
def flops_per_image(name: str, resolution: int) -> float:
    """Floating-point operations of one image's features; a multiply and an add are two."""
    counter = FlopCounterMode(display=False)
    with counter:
        skeleton(name).eval()(torch.empty(1, 3, resolution, resolution, device="meta"))
    return float(counter.get_total_flops())


def _headless(spec: Net) -> nn.Module:
    model = spec.build(weights=None)
    # A ResNet pools before its head; SqueezeNet's head did the pooling itself.
    setattr(model, spec.head, nn.AdaptiveAvgPool2d(1) if spec.body else nn.Identity())
    return model
