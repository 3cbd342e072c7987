"""Features that somebody computed elsewhere."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from ...strategies.errors import UsageError
from .base import Extraction
from .weights import locate

_ROWS = 65_536
"""Rows converted at once: bounds what is held beside the result."""


@dataclass(frozen=True)
class File:
    """Features, and perhaps losses, of the training images from a safetensors file (file:PATH).

    The file holds ``features`` ``[N, d]`` and optionally ``losses`` ``[N]``, of any floating-point type, one row
    for each training image in the data set's order (before the split into pool, holdout and val).

    Parameters
    ----------
    path : str
        A relative path is looked up in the data folder, then in the working folder.
    """

    path: str
    needs_holdout: ClassVar[bool] = False

    @property
    def external(self) -> str:
        """What was spent elsewhere."""
        return f"whatever made {Path(self.path).name}"

    def check(self, data_dir: Path | None) -> None:
        """``UsageError`` where the file is missing, is no safetensors file, or its tensors are of a wrong shape."""
        with self._open(data_dir) as (path, file):
            shapes = {name: file.get_slice(name).get_shape() for name in file.keys()}  # noqa: SIM118 (no mapping)
            if len(shapes.get("features", ())) != 2 or shapes["features"][1] < 1:
                raise UsageError(f"{path} must hold a tensor 'features' of shape [images, features]; it has {shapes}")
            if "losses" in shapes and shapes["losses"] != shapes["features"][:1]:
                raise UsageError(f"{path}: 'losses' is {shapes['losses']}, but must be {shapes['features'][:1]}")
            for name in shapes.keys() & {"features", "losses"}:
                if not file.get_slice(name).get_dtype().startswith(("F", "BF")):
                    raise UsageError(f"{path}: {name!r} must be floating-point, not {file.get_slice(name).get_dtype()}")

    def fingerprint(self, data_dir: Path | None) -> str:
        """Hash of the file."""
        with locate(self.path, data_dir, "file reference").open("rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()

    def extract(self, images: Tensor, labels: Tensor, *, data_dir: Path | None, device: torch.device) -> Extraction:
        """As :meth:`selbench.harness.references.base.FrozenReference.extract`; only the number of images is used.

        Raises
        ------
        UsageError
            As :meth:`check`; also where the number of rows is not that of the images, or a value is not finite.
        """
        self.check(data_dir)
        with self._open(data_dir) as (path, file):
            rows = file.get_slice("features").get_shape()[0]
            if rows != len(images):
                raise UsageError(f"{path} has {rows:,} rows, but the data set has {len(images):,} training images")
            losses = _rows(path, file, "losses") if "losses" in file.keys() else None  # noqa: SIM118
            return Extraction(_rows(path, file, "features"), losses, 0.0)

    @contextmanager
    def _open(self, data_dir: Path | None) -> Iterator[tuple[Path, Any]]:
        """The file, mapped into memory rather than read."""
        path = locate(self.path, data_dir, "file reference")
        try:
            with safe_open(path, framework="pt") as file:
                yield path, file
        except (OSError, SafetensorError) as error:
            raise UsageError(f"{path} is no safetensors file that can be read: {error}") from error


def _rows(path: Path, file: Any, name: str) -> Tensor:
    """The whole tensor as float32, converted and checked a few rows at a time."""
    source = file.get_slice(name)
    out = torch.empty(source.get_shape())
    for start in range(0, len(out), _ROWS):
        part = out[start : start + _ROWS]
        part.copy_(source[start : start + _ROWS])
        bad = torch.nonzero(~torch.isfinite(part.reshape(len(part), -1)).all(dim=1)).flatten().tolist()
        if bad:
            raise UsageError(f"{path}: row {start + bad[0]} of {name!r} holds a value that is not finite (as float32)")
    return out
