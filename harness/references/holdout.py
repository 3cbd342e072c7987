"""A reference trained here, on images that the learner never sees."""

from __future__ import annotations

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

    Ours: it can be made a worse teacher, by fewer ``passes`` or by wrong labels. Those are of the holdout split alone;
    the pool's labels stay as they are. ``label_noise`` is the share that become any other one (symmetric noise), drawn
    anew for each seed. ``labels`` is a file that takes the place of the true ones, such as those that people gave
    CIFAR-10 (CIFAR-10-N, Wei et al. 2022, arXiv 2110.12088): as ``spoil.labels`` of a data set, one for each training
    image, ``column`` one of several. A relative path is looked up in the data folder, then in the working folder.
    ``files`` is its column of file names, where its lines are in another order than the data set's files: they are then
    taken in the order of these names, which is that of a folder of image files.
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
        self._given(data_dir)

    def fingerprint(self, data_dir: Path | None) -> str:
        """Hash of the labels given, empty without a file: for the rest it is what options and matrix make of it."""
        given = self._given(data_dir)
        return "" if given is None else digest({"labels": given})

    def training_images(
        self, loaded: LoadedData, seed: int, stream: int, data_dir: Path | None
    ) -> tuple[Tensor, Tensor]:
        """Images ``[h, C, H, W]`` uint8 and labels ``[h]``; ``stream`` names the draw of wrong labels."""
        ids, labels = loaded.labelled(seed, "holdout")
        images, given = loaded.images, self._given(data_dir)
        if given is not None:
            with _named():
                labels = aligned(given, images)[0][ids]
        elif self.label_noise:
            labels = corrupted(Corruption(label_noise=self.label_noise), ids, labels, len(images.classes), stream)[1]
        return images.train[ids], labels

    def _given(self, data_dir: Path | None) -> Tensor | None:
        """All labels of the file ``[N]`` int64; None without one."""
        if self.labels is None:
            return None
        with _named():
            return read_labels(locate(self.labels, data_dir, "labels"), self.column, self.files)


@contextmanager
def _named() -> Iterator[None]:
    """Rewords errors about labels for this reference."""
    try:
        yield
    except UsageError as error:
        raise UsageError(f"reference holdout: {str(error).replace('spoil.', '')}") from None
