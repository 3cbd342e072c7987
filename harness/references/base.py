"""What a frozen reference model is to the harness: images in, features out.

The references ``holdout`` and ``cross-holdout`` are trained here: runs of the training loop, which live beside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol

import torch
from torch import Tensor

from ...strategies.errors import UsageError


@dataclass(frozen=True)
class Extraction:
    """Features of every training image, and what computing them cost.

    Parameters
    ----------
    features : iterable of Tensor ``[m, d]``, on any device
        Rows in the order of the images, some at a time, so that they need never be in memory together; read
        once. float16, bfloat16 or float32, and stored as such; one type and one d throughout.
    losses : Tensor ``[N]`` float32 or None
        Where the reference brings its own losses; else a cross-fitted linear probe gives them.
    flops : float
        Floating-point operations spent here (0 where the features were read from a file).
    """

    features: Iterable[Tensor]
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


def checked(extraction: Extraction, count: int, what: str) -> Iterator[Tensor]:
    """The features as they come, each row looked at once.

    Parameters
    ----------
    extraction : Extraction
        Its losses are looked at first.
    count : int
        Number of images N.
    what : str
        The reference, for messages.

    Raises
    ------
    UsageError
        Where shapes or types are not as :class:`Extraction` has them, or a value is not finite.
    """
    if extraction.losses is not None:
        if extraction.losses.shape != (count,):
            raise UsageError(f"{what} gives losses {list(extraction.losses.shape)} for {count:,} images")
        _finite(extraction.losses[:, None], 0, f"{what}: row {{}} of its losses")
    seen, kind = 0, None
    for chunk in extraction.features:
        if chunk.ndim != 2 or chunk.dtype not in (torch.float16, torch.bfloat16, torch.float32):
            raise UsageError(f"{what} gives {chunk.dtype} {list(chunk.shape)}; features are half or float32 [m, d]")
        kind = kind or (chunk.dtype, chunk.shape[1])
        if kind != (chunk.dtype, chunk.shape[1]):
            raise UsageError(f"{what} gives {chunk.dtype} {list(chunk.shape)} after {kind[0]} [m, {kind[1]}]")
        _finite(chunk, seen, f"{what}: row {{}} of its features")
        seen += len(chunk)
        yield chunk
    if seen != count:
        raise UsageError(f"{what} gives {seen:,} rows for {count:,} images")


def _finite(rows: Tensor, start: int, which: str) -> None:
    good = torch.isfinite(rows)
    if not good.all():
        first = int(torch.argmax((~good.all(dim=1)).int()))
        raise UsageError(f"{which.format(start + first)} holds a value that is not finite")
