"""The interface of frozen reference models: images in, features out.

References that the harness trains derive from :class:`TrainedReference`.
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
        """A note on cost spent elsewhere and not charged (for example "ImageNet pre-training"); may be empty."""
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


class TrainedReference:
    """A reference that the harness trains, once for each seed, with the learner's architecture.

    Parameters
    ----------
    passes : float
        Passes over its training images.
    width : int, optional
        Width of its ResNet-18; the learner's own by default.

    Attributes
    ----------
    training : str
        How it is trained: ``holdout``, ``cross-holdout`` or ``foreign``.
    """

    name: ClassVar[str]
    training: ClassVar[str] = "holdout"
    needs_holdout: ClassVar[bool] = False
    external = ""

    def __init__(self, passes: float, width: int | None) -> None:
        if not passes > 0:
            raise UsageError(f"reference {self.name}: passes = {passes!r} must be above 0")
        self.passes, self.width = passes, width

    def check(self, data_dir: Path | None) -> None:
        """Raise ``UsageError`` where a file that it reads is missing or damaged."""

    def fingerprint(self, data_dir: Path | None) -> str:
        """Content hash of the files that it reads; empty where its options and the matrix determine it."""
        return ""


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
