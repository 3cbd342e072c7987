"""A reference trained here, on images that the learner never sees."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from torch import Tensor

from ...strategies import UsageError
from ..datasets.corruption import corrupted
from ..datasets.label_file import aligned, read_labels
from ..datasets.spec import Corruption
from ..store.tensor_cache import digest
from ..store.weight_file import locate
from .base import TrainedReference

if TYPE_CHECKING:
    from ..datasets.loaded import LoadedData


class Holdout(TrainedReference):
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
    files : str, optional
        Its column of file names, where its lines are in another order than the data set's files: they are then taken
        in the order of these names, which is that of a folder of image files.
    """

    name = "holdout"
    needs_holdout: ClassVar[bool] = True

    def __init__(
        self,
        passes: float = 20.0,
        width: int | None = None,
        label_noise: float = 0.0,
        labels: str | None = None,
        column: str = "",
        files: str = "",
    ) -> None:
        super().__init__(passes, width)
        if not 0 <= label_noise < 1:
            raise UsageError(f"reference holdout: label_noise = {label_noise!r} must be a share in [0, 1)")
        if label_noise and labels is not None:
            raise UsageError("reference holdout: labels come from a file or are made wrong by label_noise: set one")
        if column and labels is None:
            raise UsageError(f"reference holdout: column = {column!r} is for labels: set it too, to a file")
        if files and not column:
            raise UsageError(
                f"reference holdout: files = {files!r} is for a table: set column too, to that of the labels"
            )
        self.label_noise, self.labels, self.column, self.files = label_noise, labels, column, files

    def check(self, data_dir: Path | None) -> None:
        """``UsageError`` where the file of labels is missing or damaged."""
        self._given(data_dir)

    def fingerprint(self, data_dir: Path | None) -> str:
        """Hash of the labels given, empty without a file: for the rest it is what options and matrix make of it."""
        given = self._given(data_dir)
        return "" if given is None else digest({"labels": given})

    def training_images(
        self, loaded: LoadedData, seed: int, stream: int, data_dir: Path | None
    ) -> tuple[Tensor, Tensor]:
        """What it is trained on.

        Parameters
        ----------
        loaded : LoadedData
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
            labels = corrupted(Corruption(label_noise=self.label_noise), ids, labels, classes, stream)[1]
        return images.train[ids], labels

    def _given(self, data_dir: Path | None) -> Tensor | None:
        """All labels of the file ``[N]`` int64; None without one."""
        if self.labels is None:
            return None
        with _named():
            path = locate(self.labels, data_dir, "labels")
            given = read_labels(path, self.column)
        return given[_by_name(path, self.files)] if self.files else given


def _by_name(path: Path, column: str) -> list[int]:
    """The lines of a table that has been read once, in the order of the file names in a column of it."""
    with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as file:
        head, *rows = (row for row in csv.reader(file) if row)
    if column not in head:
        raise UsageError(f"reference holdout: {path} has no column {column!r}: set files to one of {', '.join(head)}")
    names = [row[head.index(column)] for row in rows]
    return sorted(range(len(names)), key=names.__getitem__)


@contextmanager
def _named() -> Iterator[None]:
    """Rewords errors about labels for this reference."""
    try:
        yield
    except UsageError as error:
        raise UsageError(f"reference holdout: {str(error).replace('spoil.', '')}") from None
