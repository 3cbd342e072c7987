"""The pool of a user's own loop: a data set whose items carry their ids, and the order of each pass."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence, Sized
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler, Subset, TensorDataset, default_collate

from ...strategies import UsageError


class WithIds(Dataset[Any]):
    """A map-style ``data`` set of (image, label) whose items are (image, label, id)."""

    def __init__(self, data: Any) -> None:
        self.data = data

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, id: int) -> tuple[Any, ...]:
        image, label = self.data[id][:2]
        return image, label, id

    def __getitems__(self, ids: list[int]) -> list[tuple[Any, ...]]:
        """The items of a batch, for a DataLoader: one call in place of one for each."""
        fetch = getattr(self.data, "__getitems__", None)
        items = fetch(ids) if fetch is not None else map(self.data.__getitem__, ids)
        return [(item[0], item[1], id) for item, id in zip(items, ids, strict=True)]


def collated(items: Sequence[tuple[Any, Any, int]]) -> list[Any]:
    """A batch of (image, label, id) as ``default_collate`` makes it; ids go through an array, which is faster."""
    images, labels, ids = zip(*items, strict=True)
    return [default_collate([*images]), default_collate([*labels]), torch.from_numpy(np.array(ids, dtype=np.int64))]


class PassSampler(Sampler[int]):
    """The ids of one pass of a :class:`selbench.Selector`: all in an order of their own, or those that its rule keeps.

    Each ``iter`` begins the next pass, and with it the selection of a rule at cadence ``epoch`` or ``run``.
    """

    def __init__(self, begin: Callable[[], list[int]], count: Callable[[], int]) -> None:
        self._begin, self._count = begin, count

    def __iter__(self) -> Iterator[int]:
        return iter(self._begin())

    def __len__(self) -> int:
        return self._count()


def sized(data: Any) -> int:
    """How many samples a map-style data set has."""
    if not isinstance(data, Sized) or not hasattr(data, "__getitem__"):
        raise UsageError(f"data: {type(data).__name__} is no map-style data set: selection needs len(data) and data[i]")
    return len(data)


def labels_of(data: Any) -> Tensor:
    """The labels ``[n]`` int64: of its ``targets`` or ``labels``, or its tensors; else each sample is loaded once."""
    if isinstance(data, Subset):
        return labels_of(data.dataset)[torch.as_tensor(list(data.indices))]
    if isinstance(data, TensorDataset):
        found: Any = data.tensors[1]
    else:
        found = getattr(data, "targets", getattr(data, "labels", None))
    if found is None:
        found = torch.cat([torch.as_tensor(item[1]) for item in DataLoader(data, batch_size=256)])
    labels = torch.as_tensor(found).cpu()
    if labels.ndim != 1 or labels.is_floating_point() or len(labels) != len(data) or int(labels.min()) < 0:
        raise UsageError(
            f"data: its labels are {labels.dtype} {list(labels.shape)}, and must be whole numbers from 0 up, one for "
            "each sample: pass labels=TENSOR of shape [n]"
        )
    return labels.long()
