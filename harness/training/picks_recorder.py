"""Records what a proxy picks while it trains."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from ...strategies import UsageError
from ...strategies.interface import BatchLosses, State
from ...strategies.rules.wrapper import Wrapper
from ..datasets.proxy_picks import row
from ..steps.step import Step
from ..streams import permutation


class PicksRecorder(Wrapper):
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
        noted = torch.cat(self.noted) if self.noted else None
        return {**super().state_dict(), "noted": noted, "sizes": [len(picks) for picks in self.noted]}

    def load_state_dict(self, state: State) -> None:
        super().load_state_dict(state)
        self.noted = [] if state["noted"] is None else list(state["noted"].split(state["sizes"]))

    def flops(self, n: int, d: int, k: int) -> float:
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
