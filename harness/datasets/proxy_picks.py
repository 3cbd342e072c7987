"""The picks of a proxy, replayed step by step to a learner."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from ...strategies import UsageError
from ..steps.step import Step


def row(step: Step) -> list[int]:
    """What two runs must share of a step: epoch, start, B and k."""
    return [step.epoch, step.start, step.size, step.keep]


class ProxyPicks:
    """Recorded picks as a signal of the candidates, given out once, in order.

    Parameters
    ----------
    tensors : dict of Tensor
        As of :meth:`Noting.tensors`.
    steps : iterable of Step
        Those of the run that they are handed to.
    pool : int
        Images in its pool.

    Raises
    ------
    UsageError
        Where its steps are not the recorded ones.
    """

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
        """Pass over those of the next ``steps`` steps."""
        for _ in range(steps):
            next(self._left)

    def take(self, ids: Tensor, *, pin: bool = False) -> Tensor:
        """Which of the next step's candidates the proxy picked.

        Parameters
        ----------
        ids : Tensor ``[B]`` int64, on the CPU
            The candidates.
        pin : bool
            Give page-locked memory, from which a copy to a GPU need not wait.

        Returns
        -------
        Tensor ``[B]`` bool, on the CPU

        Raises
        ------
        UsageError
            Where a pick is not among the candidates.
        """
        picked = next(self._left)
        self._marked[picked] = True
        among = self._marked[ids]
        self._marked[picked] = False
        if int(among.sum()) != len(picked):
            raise UsageError("the proxy picked of other candidates than come now: its picks are of another order")
        return among.pin_memory() if pin else among
