"""A reference of another domain: a net trained here on another data set."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from ...strategies.errors import UsageError
from ..datasets.base import Images
from ..datasets.fingerprint import fingerprint
from ..datasets.sets.decode import resize
from ..datasets.spec import dataset
from .base import TrainedReference


class Foreign(TrainedReference):
    """The learner's own architecture, trained on the training images of another data set, once for each seed.

    Then it is frozen: its features of the pool come with losses of a cross-fitted linear probe, as those of a net
    from elsewhere do. Its training and the probe are on the ledger. No image of its own set's test is used, and no
    label of the matrix's data set but the pool's, by the probe.

    Source: none; the control is ours.
    The images are resized to those of the matrix's data set (grey ones become RGB where those are), views are
    augmented and the net is optimised as the learner is, pixels are normalised by its own set's statistics.

    Parameters
    ----------
    dataset : str
        What it is trained on, such as ``flowers`` or ``imagefolder:PATH``; not the data set that it is a reference for.
    options : dict, optional
        The data set's own options. ``resolution`` is that at which files are decoded.
    passes : float
        Passes over its images.
    width : int, optional
        Width of its ResNet-18; the learner's own by default.
    """

    name = training = "foreign"

    def __init__(
        self,
        *,
        dataset: str = "",
        options: Mapping[str, Any] | None = None,
        passes: float = 20.0,
        width: int | None = None,
    ) -> None:
        if not dataset:
            raise UsageError('reference foreign needs the data set that it is trained on: set dataset = "flowers"')
        super().__init__(passes, width)
        self.dataset, self.options = dataset, dict(options or {})
        self._instance = _loader(dataset, self.options)

    def fingerprint(self, data_dir: Path | None) -> str:
        """Content hash of its data set, which is decoded for it; ``UsageError`` where files are missing or damaged."""
        with tempfile.TemporaryDirectory() as folder:
            return fingerprint(self.load(data_dir, Path(folder)))

    def load(self, data_dir: Path | None, cache_dir: Path) -> Images:
        images: Images = self._instance.load(data_dir, cache_dir)
        return images

    def training_images(self, own: Images, like: Tensor) -> Tensor:
        """The training images of ``own`` in the form of the images ``like`` ``[n, C, H, W]``: ``[m, C, H, W]`` uint8.

        Raises
        ------
        UsageError
            Where they are in colour and the others grey.
        """
        channels = like.shape[1]
        if own.train.shape[1] not in (1, channels):
            raise UsageError(
                f"reference foreign: the images of {self.dataset!r} are in colour, and those that it is to judge are "
                "grey: name a data set of grey images"
            )
        return resize(own.train, like.shape[2]).expand(-1, channels, -1, -1).contiguous()


def _loader(spec: str, options: Mapping[str, Any]) -> Any:
    try:
        return dataset(spec, options)
    except UsageError as error:
        raise UsageError(f"reference foreign: {error}") from None
