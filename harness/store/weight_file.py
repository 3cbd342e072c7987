"""Finding weights and feature files, and reading them without running anything that is in them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from ...strategies.errors import UsageError
from ..toml import expanded


def locate(path: str, data_dir: Path | None, what: str) -> Path:
    """The file that a user named: a relative path from the data folder, else from the working folder."""
    given = expanded(path)
    places = [given] if data_dir is None or given.is_absolute() else [data_dir / given, given]
    for place in places:
        if place.is_file():
            return place
    raise UsageError(f"{what}: there is no file {' nor '.join(map(str, places))}; correct the path")


def find_weights(net: str, published: Sequence[str], data_dir: Path | None) -> Path:
    """The weights of ``net`` where none were named: in the data folder, else of torchvision's ``published``."""
    cache = Path(torch.hub.get_dir()) / "checkpoints"
    places = [str(cache / name) for name in published]
    if data_dir is not None:
        folder = data_dir / "references"
        found = sorted(path for path in folder.glob(f"{net}*") if path.suffix in (".safetensors", ".pth"))
        if len(found) > 1:
            raise UsageError(f"{net}: both {found[0]} and {found[1].name} match; name one with the option weights")
        if found:
            return found[0]
        places.insert(0, str(folder / f"{net}*.safetensors or .pth"))
    for name in published:
        if (cache / name).is_file():
            return cache / name
    raise UsageError(
        f"{net}: no weights at {', '.join(places)}; put torchvision's {published[0]} at one of these places, "
        "or name a file with the option weights"
    )


def read_weights(path: Path) -> dict[str, Tensor]:
    """Named tensors from a ``.safetensors`` file, or from a ``.pth`` file by torch's loader of weights alone."""
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, SafetensorError) as error:
        raise UsageError(f"{path} cannot be read: {error}") from error
    except Exception as error:  # torch names no set of errors for a file that is not its own
        reason = str(error).split("\n")[0]
        raise UsageError(f"{path} is no file of weights alone (.pth or .safetensors): {reason}") from error
    if not isinstance(loaded, dict) or not all(isinstance(value, Tensor) for value in loaded.values()):
        raise UsageError(f"{path} holds more than named tensors; save the network's state_dict() alone")
    return dict(loaded)
