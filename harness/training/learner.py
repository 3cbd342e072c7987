"""The net that is trained: ResNet-18, with the stem that fits the image size."""

from __future__ import annotations

import re
from pathlib import Path
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...strategies import UsageError
from ..store.tensor_cache import digest
from ..store.weight_file import locate, read_weights

STANDARD_WIDTH = 64
CIFAR_STEM_UP_TO = 64
"""Images up to this side (pixels) get the 3x3 stem without pooling."""


class Residual(nn.Module):
    def __init__(self, width_in: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width_in, width, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(width)
        self.shortcut = (
            nn.Identity()
            if stride == 1 and width_in == width
            else nn.Sequential(nn.Conv2d(width_in, width, 1, stride, bias=False), nn.BatchNorm2d(width))
        )

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.norm1(self.conv1(x)), inplace=True)
        return F.relu(self.norm2(self.conv2(y)) + self.shortcut(x), inplace=True)


class ResNet18Net(nn.Module):
    """The module that :class:`ResNet18` builds; logits from :meth:`forward`, and features on request."""

    def __init__(self, channels: int, resolution: int, classes: int, width: int) -> None:
        super().__init__()
        small = resolution <= CIFAR_STEM_UP_TO
        kernel = (3, 1, 1) if small else (7, 2, 3)
        stem = [nn.Conv2d(channels, width, *kernel, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
        stem += [] if small else [nn.MaxPool2d(3, 2, 1)]
        blocks: list[nn.Module] = []
        width_in = width
        for stage in range(4):
            for block in range(2):
                stride = 2 if stage and not block else 1
                blocks.append(Residual(width_in, width << stage, stride))
                width_in = width << stage
        self.stem = nn.Sequential(*stem)
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Linear(width_in, classes)

    def forward_features(self, x: Tensor) -> Tensor:
        """Penultimate layer ``[B, 8 * width]``: the global average pool."""
        return cast(Tensor, self.blocks(self.stem(x)).mean((2, 3)))

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.head(self.forward_features(x)))


class ResNet18:
    """ResNet-18 (He et al. 2016), CIFAR stem for images up to 64 px and the ImageNet stem above.

    Parameters
    ----------
    width : int
        Channels of the first stage; 64 is the standard net, and anything else is named as such.
    weights : str
        A file of weights to start from (``.pth`` or ``.safetensors``, torchvision's names or ours), looked up
        under the data folder. The head is drawn anew where the number of classes differs. Images are normalised
        by the pool's own statistics all the same, which is our choice.
    """

    def __init__(self, width: int = STANDARD_WIDTH, weights: str = "") -> None:
        if not isinstance(width, int) or width < 1:
            raise UsageError(f"learner width {width!r} must be a whole number of channels from 1 up; 64 is standard")
        self.width, self.weights = width, weights

    @property
    def title(self) -> str:
        note = "" if self.width == STANDARD_WIDTH else f", width {self.width} (not the standard {STANDARD_WIDTH})"
        return f"ResNet-18{note}" + (", pre-trained" if self.weights else "")

    def fingerprint(self, data_dir: Path | None) -> str:
        """Content hash of the weights that training starts from; empty where it starts from random ones."""
        return digest(self._start(data_dir)) if self.weights else ""

    def _start(self, data_dir: Path | None) -> dict[str, Tensor]:
        weights = read_weights(locate(self.weights, data_dir, "learner weights"))
        return {_our_name(name): value for name, value in weights.items()}

    def build(
        self,
        channels: int,
        resolution: int,
        classes: int,
        generator: torch.Generator | None,
        device: str = "cpu",
        data_dir: Path | None = None,
    ) -> ResNet18Net:
        """A net to train: He-normal convolutions drawn from ``generator``, or the weights it starts from.

        Without a generator the net is empty, on the meta device, for counting operations.
        """
        with torch.device("meta"):
            net = ResNet18Net(channels, resolution, classes, self.width)
        if generator is None:
            return net
        # Drawn on the CPU, so that every device starts from the same weights.
        net = net.to_empty(device="cpu")
        with torch.no_grad():
            for module in net.modules():
                if isinstance(module, nn.Conv2d):
                    nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu", generator=generator)
                elif isinstance(module, nn.BatchNorm2d):
                    module.reset_running_stats()
                    nn.init.ones_(module.weight)
                    nn.init.zeros_(module.bias)
                elif isinstance(module, nn.Linear):
                    bound = module.in_features**-0.5
                    module.weight.uniform_(-bound, bound, generator=generator)
                    nn.init.zeros_(module.bias)
        if self.weights:
            self._load(net, data_dir)
        return net.to(device)

    def _load(self, net: ResNet18Net, data_dir: Path | None) -> None:
        start, own = self._start(data_dir), net.state_dict()
        start = {k: v for k, v in start.items() if not (k.startswith("head.") and own[k].shape != v.shape)}
        wrong = [k for k in own if not k.startswith("head.") and (k not in start or start[k].shape != own[k].shape)]
        wrong += [k for k in start if k not in own]
        if wrong:
            raise UsageError(
                f"learner weights {self.weights}: {len(wrong)} tensors do not fit a ResNet-18 of width {self.width} "
                f"with this stem (the first is {wrong[0]}); ImageNet weights need width 64 and images above "
                f"{CIFAR_STEM_UP_TO} px"
            )
        net.load_state_dict(start, strict=False)


def _our_name(name: str) -> str:
    """torchvision's name of a ResNet-18 tensor as ours; our own pass through."""
    name = re.sub(r"^layer(\d)\.(\d)\.", lambda at: f"blocks.{2 * int(at[1]) - 2 + int(at[2])}.", name)
    name = re.sub(r"^conv1\.", "stem.0.", re.sub(r"^bn1\.", "stem.1.", re.sub(r"^fc\.", "head.", name)))
    return name.replace(".bn", ".norm").replace(".downsample.", ".shortcut.")
