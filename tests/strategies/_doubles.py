"""Rules for the tests of rules made of rules, registered for one test under names of their own."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from selbench.strategies import BatchLosses, Selection, Strategy
from selbench.strategies.registry import Registry


class Weighing(Strategy):
    """The highest losses, each weighted by its loss."""

    needs = frozenset({"learner"})

    def pick(self, feats: Tensor | None, losses: BatchLosses, k: int) -> Selection:
        found = torch.topk(losses.learner, k)
        return Selection(found.indices, found.values)

    def flops(self, n: int, d: int, k: int) -> float:
        return float(n)


class WeighingRaw(Weighing):
    """The same, in its own scale."""

    weights_mode = "raw"


class Deciding(Strategy):
    """Every loss above 1, whatever is asked for."""

    cadence = "epoch"
    needs = frozenset({"learner"})
    exact_count = False

    def pick(self, feats: Tensor | None, losses: BatchLosses, k: int) -> Tensor:
        return (losses.learner > 1).nonzero()[:, 0]

    def flops(self, n: int, d: int, k: int) -> float:
        return float(n)


class Listening:
    """A plugin without the base class that remembers what it was told and shown; it states no cost."""

    needs = frozenset({"learner", "features"})

    def __init__(self) -> None:
        self.told: list[int] = []
        self.shown: list[tuple[Tensor | None, BatchLosses, float]] = []
        self.pool: Any = None

    def begin(self, pool: Any) -> None:
        self.pool = pool

    def observe(self, index: Tensor, losses: Tensor) -> None:
        self.told += index.tolist()

    def diagnostics(self) -> dict[str, Tensor]:
        return {"told": torch.tensor(float(len(self.told)))}

    def state_dict(self) -> dict[str, Any]:
        return {"told": self.told}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.told = list(state["told"])

    def select(self, feats: Tensor | None, losses: BatchLosses, ratio: float) -> Tensor:
        self.shown.append((feats, losses, ratio))
        return torch.arange(max(1, round(ratio * losses.size)))


DOUBLES = {"weighing": Weighing, "weighing-raw": WeighingRaw, "deciding": Deciding, "listening": Listening}


def register(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make :data:`DOUBLES` loadable by name for the length of a test."""
    registered = Registry.target
    monkeypatch.setattr(Registry, "target", lambda self, name: DOUBLES.get(name) or registered(self, name))
