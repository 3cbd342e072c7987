"""What a rule reads of the learner in a user's own loop, with the parts of the suite's own loop."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ...strategies.rules.wrapper import others
from ..training.evaluate import learner_signals
from ..training.held_out import HeldOut
from ..training.loss_memory import LossMemory
from ..training.selector import Selector as Caller
from .given import PlainPool
from .watched_net import WatchedNet

WIDE = {"learner_features", "val_features", "val_gradient"}
"""Signals that are made of the penultimate layer."""


def net_of(model: nn.Module, head: nn.Module | None, caller: Caller) -> WatchedNet:
    """``model``, watched for what the rule of ``caller`` needs."""
    wide = caller.traits.cadence != "run" and bool(caller.traits.needs & WIDE)
    return WatchedNet(model, head, features=wide, records=caller.watches)


class Signals:
    """The learner's signals that the rule of ``caller`` needs, each booked in its ledger: of batch, pool and val."""

    def __init__(self, net: WatchedNet, caller: Caller, plain: PlainPool, val: HeldOut | None, mode: str) -> None:
        self.net, self.caller, self.plain, self.val, self.mode = net, caller, plain, val, mode
        self.needs = caller.traits.needs
        size, width, watches = len(plain.labels), getattr(net.head, "in_features", 0), caller.watches
        self.memory = LossMemory(size, self.needs, plain.classes, width, net.device) if watches else None

    def of_batch(self, images: Any, labels: Tensor) -> dict[str, Tensor]:
        """Of the candidates ``[B, ...]``, as they stand."""
        if not self.caller.scores_learner:
            return {}
        with self.caller.clock.phase("score"), torch.no_grad():
            features, logits = self.net.outputs(images, train=self.mode == "train")
            signals = learner_signals(self.needs, features, logits, labels)
        self.caller.ledger.add("score", samples=len(labels))
        return signals

    def of_pool(self, subset: Tensor | None, count: int) -> dict[str, Tensor]:
        """Of the whole pool ``[n, ...]`` before step ``count``, where ``subset`` was trained on last."""
        memory, hidden, labels = self.memory, None, self.plain.labels
        if memory is not None:
            hidden = None if subset is None else others(subset, len(labels))
            if not self.caller.scores_pool or hidden is None or not len(hidden):
                return memory.signals(count)
            labels = labels[hidden]
        if not self.caller.scores_pool:
            return {}
        with self.caller.clock.phase("score"), torch.no_grad():
            features, logits = self.net.over(self.plain.data, hidden, **self.plain.loading)
            if memory is not None and hidden is not None:
                memory.note(hidden, count, logits, logits if features is None else features, labels)
                signals = memory.signals(count)
            else:
                signals = learner_signals(self.needs, features, logits, labels)
                signals["age"] = torch.zeros_like(labels)
        self.caller.ledger.add("score", samples=len(labels))
        return signals

    def held_out(self) -> dict[str, Tensor]:
        """Of ``val``, looked at anew where that is due."""
        if (val := self.val) is None:
            return {}
        if val.due():
            with self.caller.clock.phase("probe"), torch.no_grad():
                features, logits = self.net.outputs(val.samples.images)
                more = val.take(logits if features is None else features, logits)
            self.caller.ledger.add("probe", samples=len(val.samples))
            self.caller.ledger.add("select", flops=more)
        return val.known

    def trained(self, ids: Tensor, labels: Tensor, count: int) -> None:
        """After step ``count`` on ``ids`` ``[k]``: what a rule that watches is told and remembers."""
        memory = self.memory
        assert memory is not None
        features, logits = self.net.taken(len(ids))
        wide = logits if features is None else features
        self.caller.watch(lambda: memory.note(ids, count, logits, wide, labels), ids)
