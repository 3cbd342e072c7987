"""A recorded training run: what rules at cadence ``run`` read of a proxy."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from ...strategies import UsageError
from ..training.evaluate import learner_signals
from .pool_data import labels_of, sized
from .watched_net import WatchedNet


class Trace:
    """Records a plain training run of ``model`` in a loop of your own, for ``Selector(..., proxy=trace)``.

    Parameters
    ----------
    model : nn.Module
        The classifier that is trained: a proxy, whose run is over before the selection.
    data : map-style data set
        The n samples ``(image, label)`` of the pool, without augmentation.
    labels, head
        As of :class:`selbench.Selector`.
    batch_size, workers : int
        Of the pass over the pool at each record.
    """

    def __init__(
        self,
        model: nn.Module,
        data: Any,
        *,
        labels: Tensor | None = None,
        head: nn.Module | None = None,
        batch_size: int = 256,
        workers: int = 0,
    ) -> None:
        self.data, self.size = data, sized(data)
        self._net = WatchedNet(model, head, features=True, records=False, what="proxy")
        self.labels = (labels_of(data) if labels is None else torch.as_tensor(labels).long()).to(self._net.device)
        self._loading = {"batch_size": batch_size, "num_workers": workers}
        self._probs: list[Tensor] = []
        self._trained: list[Tensor] = []
        self._now: Tensor | None = None
        self._last: dict[str, Tensor] = {}

    def note(self, ids: Tensor, logits: Tensor) -> None:
        """After a training step, for rules that read ``trained_trace``: the logits ``[k, C]`` of ``ids``."""
        probs = logits.detach().float().softmax(1)
        if self._now is None:
            self._now = probs.new_full((self.size, probs.shape[1]), 1 / probs.shape[1])
        self._now[ids.to(probs.device)] = probs

    @torch.no_grad()
    def record(self) -> None:
        """At the end of an epoch: one pass over the pool in evaluation mode."""
        features, logits = self._net.over(self.data, None, **self._loading)
        wanted = {"learner_probs", "learner_features"}
        self._last = learner_signals(wanted, features, logits, self.labels)
        self._probs.append(self._last["learner_probs"])
        if self._now is not None:
            self._trained.append(self._now.clone())

    def signals(self, wanted: Iterable[str], size: int) -> dict[str, Tensor]:
        """Those of the ``wanted`` signals ``[n, ...]`` by name."""
        if not self._probs or self.size != size:
            raise UsageError(
                f"proxy: {len(self._probs)} epochs of {self.size} samples are recorded, for a pool of {size}: call "
                "trace.record() at the end of each epoch, on the same samples"
            )
        known = {"trace": torch.stack(self._probs, 1), **self._last}
        if len(self._trained) == len(self._probs):
            known["trained_trace"] = torch.stack(self._trained, 1)
        if lacking := sorted(set(wanted) - set(known)):
            raise UsageError(
                f"proxy: {' and '.join(lacking)} not recorded: call trace.note(ids, logits) after each training step"
            )
        return {name: known[name] for name in wanted}
