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
from ..store.feature_file import TYPES, Rows
from ..store.weight_file import locate
from .base import Extraction


@dataclass(frozen=True)
class File:
    """Features, and perhaps losses, of the training images from a safetensors file (file:PATH).

    The file holds ``features`` ``[N, d]`` and optionally ``losses`` ``[N]``, of type F16, BF16, F32 or F64, one row
    for each training image in the data set's order (before the split into pool, holdout and val). Features keep
    their precision (F64 becomes F32) and are streamed: the file may be larger than memory.

    Parameters
    ----------
    path : str
        A relative path is looked up in the data folder, then in the working folder.
    """

    path: str
    needs_holdout: ClassVar[bool] = False

    @property
    def external(self) -> str:
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
                if file.get_slice(name).get_dtype() not in TYPES:
                    kinds = ", ".join(TYPES)
                    raise UsageError(f"{path}: {name!r} must be {kinds}, not {file.get_slice(name).get_dtype()}")

    def fingerprint(self, data_dir: Path | None) -> str:
        with locate(self.path, data_dir, "file reference").open("rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()

    def extract(self, images: Tensor, labels: Tensor, *, data_dir: Path | None, device: torch.device) -> Extraction:
        """As :meth:`selbench.harness.references.base.FrozenReference.extract`; only the number of images is used.

        Raises
        ------
        UsageError
            As :meth:`check`; also where the number of rows is not that of the images.
        """
        self.check(data_dir)
        with self._open(data_dir) as (path, file):
            losses = file.get_tensor("losses").float() if "losses" in file.keys() else None  # noqa: SIM118
        rows = Rows(path)
        if len(rows) != len(images):
            raise UsageError(f"{path} has {len(rows):,} rows, but the data set has {len(images):,} training images")
        stored = torch.float32 if rows.dtype == torch.float64 else rows.dtype
        return Extraction(rows.chunks(stored), losses, 0.0)

    @contextmanager
    def _open(self, data_dir: Path | None) -> Iterator[tuple[Path, Any]]:
        path = locate(self.path, data_dir, "file reference")
        try:
            with safe_open(path, framework="pt") as file:
                yield path, file
        except (OSError, SafetensorError) as error:
            raise UsageError(f"{path} is no safetensors file that can be read: {error}") from error
