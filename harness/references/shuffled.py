"""A control: a frozen reference whose features belong to other images."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from ...strategies.errors import UsageError
from ..streams import permutation
from .base import Extraction
from .spec import reference, trained_here


class Shuffled:
    """The features of a frozen reference, rows permuted (shuffled:REF): their geometry, and no information.

    Image i gets the features of image π(i), π a permutation of all training images that is the same for every seed;
    the losses are those of a probe that is fitted to the permuted features (where REF brings its own, they are left
    out). A gain with it is not due to the reference's knowledge of an image.

    Source: a control of ours, the permutation test's idea. The features are computed anew, and held in memory once.

    Parameters
    ----------
    of : str
        REF: a frozen reference, such as ``squeezenet1_1`` or ``file:PATH``.
    options : dict, optional
        REF's options.
    seed : int
        Of the permutation.
    """

    needs_holdout: ClassVar[bool] = False

    def __init__(self, of: str, *, options: Mapping[str, Any] | None = None, seed: int = 0) -> None:
        self.of, self.seed, self.inner = of, seed, reference(of, options)
        if trained_here(self.inner):
            raise UsageError(
                f"reference shuffled: {of!r} is trained here, on each seed's own split, and only features that all "
                "seeds share are permuted: name a frozen reference, such as squeezenet1_1"
            )

    @property
    def external(self) -> str:
        return str(self.inner.external)

    def check(self, data_dir: Path | None) -> None:
        self.inner.check(data_dir)

    def fingerprint(self, data_dir: Path | None) -> str:
        """Of REF's content and the permutation."""
        text = f"shuffled {self.seed} {self.inner.fingerprint(data_dir)}"
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()

    def extract(self, images: Tensor, labels: Tensor, *, data_dir: Path | None, device: torch.device) -> Extraction:
        found = self.inner.extract(images, labels, data_dir=data_dir, device=device)
        return Extraction(self._permuted(found, len(images)), None, found.flops)

    def _permuted(self, found: Extraction, count: int) -> Iterator[Tensor]:
        features = torch.cat(list(found.features))
        yield features[permutation(count, self.seed, "shuffled").to(features.device)]
