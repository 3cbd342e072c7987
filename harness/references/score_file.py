"""Scores that somebody computed elsewhere, for the rule ``scores``."""

from __future__ import annotations

import csv
import hashlib
import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from ...strategies.errors import UsageError
from ..store.weight_file import locate, read_weights
from ..toml import decoded
from .base import Extraction


@dataclass(frozen=True)
class ScoreFile:
    """One score for each training image, from a ``.csv``, ``.npy`` or ``.safetensors`` file (scores:PATH).

    In the data set's order, before the split into pool, holdout and val. A ``.csv`` has a header; ``column`` names the
    scores, and where there is a column ``index`` it says which image a line is of. A ``.npy`` holds one array; of a
    ``.safetensors``, ``column`` names the tensor. Rules read the scores as the reference's losses (its features are
    the same column). A relative path is looked up in the data folder, then in the working folder.
    """

    path: str
    column: str = field(default="score", kw_only=True)
    needs_holdout: ClassVar[bool] = False

    @property
    def external(self) -> str:
        return f"whatever made {Path(self.path).name}"

    def check(self, data_dir: Path | None) -> None:
        self.scores(data_dir)

    def fingerprint(self, data_dir: Path | None) -> str:
        with self._find(data_dir).open("rb") as file:
            content = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
        return content if self.column == "score" else f"{content} {self.column}"

    def extract(self, images: Tensor, labels: Tensor, *, data_dir: Path | None, device: torch.device) -> Extraction:
        scores = self.scores(data_dir)
        if len(scores) != len(images):
            raise UsageError(
                f"{self._find(data_dir)} has {len(scores):,} scores, but the data set has {len(images):,} training "
                "images"
            )
        return Extraction([scores[:, None]], scores, 0.0)

    def scores(self, data_dir: Path | None) -> Tensor:
        """The scores ``[N]`` float32."""
        path = self._find(data_dir)
        kinds = {".csv": self._from_csv, ".npy": _from_npy, ".safetensors": self._from_safetensors}
        if path.suffix not in kinds:
            raise UsageError(f"{path} is no score file: write {', '.join(kinds)}")
        scores = kinds[path.suffix](path)
        if scores.ndim != 1 or not len(scores):
            raise UsageError(f"{path} holds scores of shape {list(scores.shape)}: there must be one for each image")
        if missing := int((~torch.isfinite(scores)).sum()):
            first = int((~torch.isfinite(scores)).to(torch.int8).argmax())
            raise UsageError(f"{path}: {missing:,} images have no finite score, the first is image {first}")
        return scores

    def _find(self, data_dir: Path | None) -> Path:
        return locate(self.path, data_dir, "score file")

    def _from_csv(self, path: Path) -> Tensor:
        try:
            table = csv.DictReader(io.StringIO(decoded(path.read_bytes())))
        except UnicodeDecodeError as error:
            raise UsageError(f"{path} is no text in UTF-8 or UTF-16 ({error}): save it as one of these") from error
        if self.column not in (table.fieldnames or []):
            found = ", ".join(table.fieldnames or []) or "nothing"
            raise UsageError(f"{path} has no column {self.column!r}; its header names {found}: set column")
        try:
            lines = [(int(line.get("index") or at), float(line[self.column])) for at, line in enumerate(table)]
        except (TypeError, ValueError) as error:
            raise UsageError(f"{path}: a line holds no number: {error}") from error
        places, scores = torch.tensor([at for at, _ in lines]), torch.tensor([score for _, score in lines])
        if sorted(places.tolist()) != list(range(len(lines))):
            raise UsageError(f"{path}: its column index must hold 0 to {len(lines) - 1}, each once")
        return torch.empty_like(scores).index_copy_(0, places.long(), scores)

    def _from_safetensors(self, path: Path) -> Tensor:
        tensors = read_weights(path)
        if self.column not in tensors:
            raise UsageError(f"{path} has no tensor {self.column!r}; it holds {', '.join(tensors)}: set column")
        return tensors[self.column].float()


def _from_npy(path: Path) -> Tensor:
    try:
        return torch.from_numpy(np.load(path, allow_pickle=False).astype(np.float32))
    except (OSError, ValueError, TypeError) as error:
        raise UsageError(f"{path} is no array of numbers that can be read: {error}") from error
