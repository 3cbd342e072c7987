"""Networks to price: registered learners, and those of torchvision by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torchvision

from ...strategies import UsageError
from ...strategies.errors import did_you_mean
from ...strategies.registry import registry
from ..toml import Named
from ..training.flops import image_flops
from ..training.learners import learner

Build = Callable[[bool], Any]  # a net with ``forward_features`` and ``head``: True on the meta device, False on the CPU


@dataclass(frozen=True)
class Network:
    """A net with its price: FLOPs of one image ``forward``, and forward and backward (``train``)."""

    title: str
    build: Build
    resolution: int
    channels: int
    classes: int
    width: int  # features of its penultimate layer
    forward: float
    train: float


def network(spec: Named, channels: int, resolution: int, classes: int) -> Network:
    """The net that ``spec`` names, with its FLOPs counted on the meta device."""
    title, build = _builder(spec, channels, resolution, classes)
    meta, shape = build(True), (channels, resolution, resolution)
    try:
        forward, train = image_flops(meta, shape)
    except (RuntimeError, ValueError, AssertionError) as error:
        reason = " ".join(str(error).split())[:120]
        raise UsageError(f"net {spec.name!r} takes no images of {channels} x {resolution} px: {reason}") from None
    return Network(title, build, resolution, channels, classes, meta.head.in_features, forward, train)


def _builder(spec: Named, channels: int, resolution: int, classes: int) -> tuple[str, Build]:
    if spec.name not in registry("learners").found() and ":" not in spec.name:
        spec = _theirs(spec, channels)
    made = learner(spec)

    def build(meta: bool) -> Any:
        return made.build(channels, resolution, classes, None if meta else torch.Generator().manual_seed(0))

    return getattr(made, "title", spec.name), build


def _theirs(spec: Named, channels: int) -> Named:
    """A net of torchvision by its bare name."""
    known = torchvision.models.list_models(module=torchvision.models)
    if spec.name not in known:
        hint = did_you_mean(spec.name, [*registry("learners").found(), *known])
        if "did you mean" not in hint:  # torchvision has some hundred nets: the list would be no help
            hint = "; torchvision.models.list_models() names them"
        raise UsageError(f"no net named {spec.name!r}, neither registered nor in torchvision{hint}")
    if spec.parameters():
        raise UsageError(f"net {spec.name!r} of torchvision takes no parameters here: leave {list(spec.parameters())}")
    if channels != 3:
        raise UsageError(f"net {spec.name!r} of torchvision sees 3 channels, not {channels}")
    return Named(name=f"torchvision:{spec.name}")
