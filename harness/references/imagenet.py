"""Frozen nets as references: torchvision's ImageNet nets, and the same nets untrained as a null."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor, nn

from ...strategies.errors import UsageError
from ..store.tensor_cache import digest
from ..store.weight_file import find_weights, locate, read_weights
from .base import Extraction
from .networks import features, flops_per_image, net, pretrained, untrained

_VERSION = 1
"""Raise it when the same weights and options give other features."""


@dataclass(frozen=True, kw_only=True)
class Frozen:
    """Base of the frozen nets; subclasses name the net and the source of its weights.

    Parameters
    ----------
    resolution : int
        Side to which images are resized for extraction, in pixels (32 to 1,024).
    half : bool
        Store features in half precision (float16): half the disk and the reading. float32 by default.
    """

    resolution: int = 224
    half: bool = False
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

    def _model(self, data_dir: Path | None) -> nn.Module:
        raise NotImplementedError

    def check(self, data_dir: Path | None) -> None:
        """Read the weights once; ``UsageError`` where they are missing or do not fit."""
        self._model(data_dir)

    def fingerprint(self, data_dir: Path | None) -> str:
        """Hash of the weights themselves, of the resolution and of the precision."""
        weights = digest(self._model(data_dir).state_dict())
        text = f"{_VERSION} {self._net()} {self.resolution} {weights}" + " half" * self.half
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()

    def extract(self, images: Tensor, labels: Tensor, *, data_dir: Path | None, device: torch.device) -> Extraction:
        """As :meth:`selbench.harness.references.base.FrozenReference.extract`; labels are not read."""
        if images.shape[1] not in (1, 3):
            raise UsageError(f"images have {images.shape[1]} channels; a reference net takes 1 (grey) or 3 (RGB)")
        found = features(self._model(data_dir), images, self.resolution, device)
        found = (chunk.half() for chunk in found) if self.half else found
        return Extraction(found, None, flops_per_image(self._net(), self.resolution) * len(images))


@dataclass(frozen=True, kw_only=True)
class ImageNet(Frozen):
    """A net with ImageNet weights from a file; nothing is ever downloaded.

    Parameters
    ----------
    weights : str, optional
        A ``.pth`` or ``.safetensors`` file; a relative path is looked up in the data folder, then in the working
        folder. Without it: ``references/<net>*`` in the data folder, then torchvision's cache.
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
    """A reference net at its random initialisation (untrained:NET): the null that any trained one must beat.

    Parameters
    ----------
    net : str
        ``resnet50``, ``resnet18`` or ``squeezenet1_1``.
    seed : int
        Of the initial weights.
    """

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
