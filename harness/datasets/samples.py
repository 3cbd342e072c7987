"""Training images on the device, with their cached signals; among these a proxy's picks, replayed step by step."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ...strategies import UsageError
from ..steps.pacer import Step
from ..store.feature_file import Rows


def row(step: Step) -> list[int]:
    """What two runs must share of a step: epoch, start, B and k."""
    return [step.epoch, step.start, step.size, step.keep]


class ProxyPicks:
    """Recorded picks as a signal of the candidates, given out once, in order."""

    def __init__(self, tensors: dict[str, Tensor], steps: Iterable[Step], pool: int) -> None:
        recorded = tensors["steps"].tolist()
        if recorded != [row(step) for step in steps]:
            raise UsageError(
                "the steps of the proxy are not those of this run: another version made its picks; remove the folder "
                "artefacts and run again"
            )
        self._left = iter(tensors["picks"].long().split([keep for *_, keep in recorded]))
        self._marked = torch.zeros(pool, dtype=torch.bool)

    def skip(self, steps: int) -> None:
        for _ in range(steps):
            next(self._left)

    def take(self, ids: Tensor, *, pin: bool = False) -> Tensor:
        """Which of the next step's candidates ``ids`` ``[B]`` the proxy picked: bool ``[B]``, both on the CPU.

        Page-locked with ``pin``, so that a copy to a GPU need not wait.
        """
        picked = next(self._left)
        self._marked[picked] = True
        among = self._marked[ids]
        self._marked[picked] = False
        if int(among.sum()) != len(picked):
            raise UsageError("the proxy picked of other candidates than come now: its picks are of another order")
        return among.pin_memory() if pin else among


@dataclass
class Samples:
    """Training images on the run's device, with what is cached of each.

    Signals are ``features``, ``reference``, ``trace``, and at cadence ``run`` the proxy's. Features that do not fit on
    the device stay in their file, and a proxy's ``picks`` are read step by step (both at cadence ``batch`` only).
    """

    images: Tensor  # [n, C, H, W] uint8
    labels: Tensor  # [n] int64
    classes: int
    signals: dict[str, Tensor | Rows | ProxyPicks] = field(default_factory=dict)  # [n, ...] each

    def __len__(self) -> int:
        return len(self.labels)
