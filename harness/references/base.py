"""What a frozen reference model is to the harness: images in, features out.

The ``holdout`` reference is trained here, so it is a run of the training loop and lives beside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol

import torch
from torch import Tensor


@dataclass(frozen=True)
class Extraction:
    """Features of every training image, and what computing them cost.

    Parameters
    ----------
    features : Tensor ``[N, d]`` float32, on the CPU
    losses : Tensor ``[N]`` float32 or None
        Where the reference brings its own losses; else a cross-fitted linear probe gives them.
    flops : float
        Floating-point operations spent here (0 where the features were read from a file).
    """

    features: Tensor
    losses: Tensor | None
    flops: float


class FrozenReference(Protocol):
    """A reference that is not trained here: an instance holds plain options."""

    needs_holdout: ClassVar[bool]
    """Whether labels must be withheld from the pool for it: False for every frozen reference."""

    @property
    def external(self) -> str:
        """What was spent elsewhere and is not charged, in words (for example "ImageNet pre-training"); may be empty."""
        ...

    def check(self, data_dir: Path | None) -> None:
        """Raise ``UsageError`` before any training where the weights or files are missing."""
        ...

    def fingerprint(self, data_dir: Path | None) -> str:
        """A content hash of weights and options, for the cache key."""
        ...

    def extract(self, images: Tensor, labels: Tensor, *, data_dir: Path | None, device: torch.device) -> Extraction:
        """Features of uint8 ``images`` ``[N, C, H, W]`` in order; labels ``[N]`` are for references that score."""
        ...
