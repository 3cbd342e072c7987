"""A proxy's picks: noted while it trains, and handed out again, step by step, to a learner."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from ...strategies import UsageError
from ...strategies.interface import BatchLosses, State
from ...strategies.rules.wrapper import Wrapper
from ..steps.step_iterator import Step
from ..streams import permutation


class Noting(Wrapper):
    """A rule whose picks are noted; in all else the rule itself.

    Parameters
    ----------
    rule : object
        At cadence ``batch``.
    name : str
        What it is called, for messages.

    Attributes
    ----------
    noted : list of Tensor ``[k]`` int64
        Positions among the candidates, one for each call, on the device.
    """

    def __init__(self, rule: Any, name: str) -> None:
        self.name, self.noted = name, list[Tensor]()
        self.wrap(rule)

    def pick(self, feats: Tensor | None, losses: BatchLosses, k: int) -> Tensor:
        """The rule's picks.

        Raises
        ------
        UsageError
            Where it weights them.
        """
        chosen = self.ask(self._rules[0], feats, losses, k)
        if chosen.weights is not None:
            raise UsageError(
                f"proxy-replay: {self.name!r} weights its picks, and the picks alone are replayed: name a rule without "
                "weights, such as loss"
            )
        self.noted.append(chosen.indices)
        return chosen.indices

    def state_dict(self) -> State:
        """With what was noted."""
        noted = torch.cat(self.noted) if self.noted else None
        return {**super().state_dict(), "noted": noted, "sizes": [len(picks) for picks in self.noted]}

    def load_state_dict(self, state: State) -> None:
        """With what was noted."""
        super().load_state_dict(state)
        self.noted = [] if state["noted"] is None else list(state["noted"].split(state["sizes"]))

    def flops(self, n: int, d: int, k: int) -> float:
        """The rule's own."""
        return float(self._rules[0].flops(n, d, k))

    def tensors(self, steps: Iterable[Step], pool: int, seed: int) -> dict[str, Tensor]:
        """What was picked of a pool of ``pool`` images in the ``steps`` of the run of ``seed``.

        Returns
        -------
        dict of Tensor
            ``steps`` ``[T, 4]``: epoch, start, B and k; ``picks`` ``[sum of k]``: pool ids in the order of the steps;
            both int32.
        """
        table, ids, order, epoch = [], [], torch.empty(0), -1
        for step, positions in zip(steps, self.noted, strict=True):
            if step.epoch != epoch:
                epoch, order = step.epoch, permutation(pool, seed, "order", step.epoch)
            ids.append(order[step.start : step.start + step.size][positions.cpu()].int())
            table.append(row(step))
        return {"steps": torch.tensor(table, dtype=torch.int32), "picks": torch.cat(ids)}


def row(step: Step) -> list[int]:
    """What two runs must share of a step: epoch, start, B and k."""
    return [step.epoch, step.start, step.size, step.keep]


class Picks:
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
