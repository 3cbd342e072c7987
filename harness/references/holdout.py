"""A reference trained here, on images that the learner never sees."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from torch import Tensor

from ...strategies import UsageError
from ..cachefiles import digest
from ..givenlabels import aligned, read_labels
from ..spoil import Spoil, spoiled
from .weights import locate

if TYPE_CHECKING:
    from ..bank import Loaded


class Holdout:
    """The learner's own architecture, trained on the ``holdout`` split, once for each seed.

    Its features and losses on the pool are taken once, in evaluation mode, on the clean view (as RHO-LOSS,
    arXiv 2206.07137, does); all of it stands on the ledger. The last epoch's net is used: nothing is chosen.

    Ours: it can be made a worse teacher, by fewer passes or by wrong labels. Those are of the holdout split alone;
    the pool's labels stay as they are.

    Parameters
    ----------
    passes : float
        Passes over the holdout split; ours.
    width : int, optional
        Width of its ResNet-18; the learner's own by default.
    label_noise : float
        Share of the holdout's labels that become any other one (symmetric noise), in [0, 1); drawn anew for each seed.
    labels : str, optional
        A file of labels that take the place of the true ones, such as those that people gave CIFAR-10 (CIFAR-10-N,
        Wei et al. 2022, arXiv 2110.12088): as ``spoil.labels`` of a data set, one for each training image. A relative
        path is looked up in the data folder, then in the working folder.
    column : str, optional
        Its column, where it has several.
    """

    needs_holdout: ClassVar[bool] = True
    external = ""

    def __init__(
        self,
        passes: float = 20.0,
        width: int | None = None,
        label_noise: float = 0.0,
        labels: str | None = None,
        column: str = "",
    ) -> None:
        if not passes > 0:
            raise UsageError(f"reference holdout: passes = {passes!r} must be above 0")
        if not 0 <= label_noise < 1:
            raise UsageError(f"reference holdout: label_noise = {label_noise!r} must be a share in [0, 1)")
        if label_noise and labels is not None:
            raise UsageError("reference holdout: labels come from a file or are made wrong by label_noise: set one")
        if column and labels is None:
            raise UsageError(f"reference holdout: column = {column!r} is for labels: set it too, to a file")
        self.passes, self.width = passes, width
        self.label_noise, self.labels, self.column = label_noise, labels, column

    def check(self, data_dir: Path | None) -> None:
        """``UsageError`` where the file of labels is missing or damaged."""
        self._given(data_dir)

    def fingerprint(self, data_dir: Path | None) -> str:
        """Hash of the labels given, empty without a file: for the rest it is what options and matrix make of it."""
        given = self._given(data_dir)
        return "" if given is None else digest({"labels": given})

    def lesson(self, loaded: Loaded, seed: int, stream: int, data_dir: Path | None) -> tuple[Tensor, Tensor]:
        """What it is trained on.

        Parameters
        ----------
        loaded : Loaded
        seed : int
            Of the split.
        stream : int
            Names the draw of wrong labels.
        data_dir : Path or None

        Returns
        -------
        images : Tensor ``[h, C, H, W]`` uint8
        labels : Tensor ``[h]`` int64

        Raises
        ------
        UsageError
            As :meth:`check`; also where the file's labels are not those of the data set.
        """
        ids, labels = loaded.labelled(seed, "holdout")
        images, classes, given = loaded.images, len(loaded.images.classes), self._given(data_dir)
        if given is not None:
            with _named():
                total = images.train_total or len(images.train_labels)
                labels = aligned(given, images.train_labels, images.train_ids, total, classes)[ids]
        elif self.label_noise:
            labels = spoiled(Spoil(label_noise=self.label_noise), ids, labels, classes, stream)[1]
        return images.train[ids], labels

    def _given(self, data_dir: Path | None) -> Tensor | None:
        """All labels of the file ``[N]`` int64; None without one."""
        if self.labels is None:
            return None
        with _named():
            return read_labels(locate(self.labels, data_dir, "labels"), self.column)


@contextmanager
def _named() -> Iterator[None]:
    """Errors over labels, said of this reference: they are worded for those of the pool."""
    try:
        yield
    except UsageError as error:
        raise UsageError(f"reference holdout: {str(error).replace('spoil.', '')}") from None
