"""The nets that are trained: what a learner is, and ResNet-18 and ResNet-8, with the stem that fits the image size."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...strategies import UsageError
from ..store.tensor_cache import digest
from ..store.weight_file import locate, read_weights

STANDARD_WIDTH = 64
CIFAR_STEM_UP_TO = 64
"""Images up to this side (pixels) get the 3x3 stem without pooling."""


class LearnerNet(nn.Module):
    """A net that can be trained: its logits ``[B, classes]`` are a linear layer, ``head``, of penultimate features.

    Rules read the features, and gradients of the last layer follow from them: that is why the net is cut there.
    """

    head: nn.Linear

    def forward_features(self, x: Tensor) -> Tensor:
        """Penultimate features ``[B, head.in_features]`` of normalised images ``[B, C, H, W]`` float32."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.head(self.forward_features(x)))


class Learner(Protocol):
    """What the group ``selbench.learners`` registers; the constructor takes the keys of the matrix's ``learner``.

    ``docs/learners.md`` shows one, and ``selbench check learner:NAME`` holds one against these words.
    """

    @property
    def title(self) -> str:
        """What reports call it, with all that sets it apart."""

    def fingerprint(self, data_dir: Path | None) -> str:
        """Content hash of the weights that training starts from; empty where it starts from random ones."""

    def build(
        self,
        channels: int,
        resolution: int,
        classes: int,
        generator: torch.Generator | None,
        device: str = "cpu",
        data_dir: Path | None = None,
    ) -> LearnerNet:
        """A net to train, its weights drawn on the CPU from ``generator`` alone; without one on the meta device.

        ``UsageError`` where it does not fit images of so many ``channels`` and pixels a side.
        """


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


class ResNet18Net(LearnerNet):
    """The module that :class:`ResNet18` builds; logits from :meth:`forward`, and features on request.

    ``blocks`` are how many stand in each stage; a stage halves the map and doubles the channels.
    """

    def __init__(
        self, channels: int, resolution: int, classes: int, width: int, blocks: Sequence[int] = (2, 2, 2, 2)
    ) -> None:
        super().__init__()
        small = resolution <= CIFAR_STEM_UP_TO
        kernel = (3, 1, 1) if small else (7, 2, 3)
        stem = [nn.Conv2d(channels, width, *kernel, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
        stem += [] if small else [nn.MaxPool2d(3, 2, 1)]
        residual: list[nn.Module] = []
        width_in = width
        for stage, count in enumerate(blocks):
            for block in range(count):
                stride = 2 if stage and not block else 1
                residual.append(Residual(width_in, width << stage, stride))
                width_in = width << stage
        self.stem = nn.Sequential(*stem)
        self.blocks = nn.Sequential(*residual)
        self.head = nn.Linear(width_in, classes)

    def forward_features(self, x: Tensor) -> Tensor:
        """Penultimate layer ``[B, h]``: the global average pool, 8 times as wide as the first stage in ResNet-18."""
        return cast(Tensor, self.blocks(self.stem(x)).mean((2, 3)))


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
    compile : bool
        Run stem and blocks through ``torch.compile``: faster steps, after minutes of compiling in each worker.
    """

    name, standard = "ResNet-18", STANDARD_WIDTH
    blocks: tuple[int, ...] = (2, 2, 2, 2)

    def __init__(self, width: int = STANDARD_WIDTH, weights: str = "", compile: bool = False) -> None:
        if not isinstance(width, int) or width < 1:
            raise UsageError(
                f"learner width {width!r} must be a whole number of channels from 1 up; {self.standard} is standard"
            )
        self.width, self.weights, self.compile = width, weights, compile

    @property
    def title(self) -> str:
        note = "" if self.width == self.standard else f", width {self.width} (not the standard {self.standard})"
        return f"{self.name}{note}" + (", pre-trained" if self.weights else "")

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
        # Drawn on the CPU, so that every device starts from the same weights; what PyTorch draws first is drawn over,
        # from a global stream that stays as it was. (Empty nets of the meta device cost the import of its compiler.)
        with torch.random.fork_rng(devices=[]), torch.device("cpu" if generator else "meta"):
            net = ResNet18Net(channels, resolution, classes, self.width, self.blocks)
        if generator is None:
            return net
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
        net = net.to(device)
        if self.compile:  # not the whole net, whose features are asked for beside its logits
            for part in (net.stem, net.blocks):
                part.compile(dynamic=True)  # sub-batches come in many sizes
        return net

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


class ResNet8(ResNet18):
    """ResNet-8, the smallest of the nets that He et al. (2016) train on CIFAR: three stages of one block.

    For images of a few pixels, where the steps of a deeper net are all overhead. Shortcuts between stages are
    projections, as in ResNet-18, which is our choice.

    Parameters
    ----------
    width : int
        Channels of the first stage; 16 is the standard net, and anything else is named as such.
    compile : bool
        As of ``resnet18``.
    """

    name, standard, blocks = "ResNet-8", 16, (1, 1, 1)

    def __init__(self, width: int = 16, compile: bool = False) -> None:
        super().__init__(width, compile=compile)


def _our_name(name: str) -> str:
    """torchvision's name of a ResNet-18 tensor as ours; our own pass through."""
    name = re.sub(r"^layer(\d)\.(\d)\.", lambda at: f"blocks.{2 * int(at[1]) - 2 + int(at[2])}.", name)
    name = re.sub(r"^conv1\.", "stem.0.", re.sub(r"^bn1\.", "stem.1.", re.sub(r"^fc\.", "head.", name)))
    return name.replace(".bn", ".norm").replace(".downsample.", ".shortcut.")
