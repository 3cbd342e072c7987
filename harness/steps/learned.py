"""Schedules that learn: they look at the learner's loss on held-out images, and decide the keep ratio by it."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from ...strategies import UsageError
from .schedules import check_ratio


class Learning(ABC):
    """A keep ratio that is one of a few, decided anew after each part of training.

    After each interval the loop takes the learner's mean loss on a fixed random batch of ``val``, in evaluation mode,
    and hands it to :meth:`feedback`; the cost is the run's own (phase ``probe`` of the ledger). Where the ratio is
    held through an epoch, that is done at the first epoch's end after the interval's. The first interval is not
    judged: before it, batch normalisation has no statistics to evaluate with.

    Parameters
    ----------
    levels : sequence of float
        The ratios that it may come to, each in (0, 1].
    interval : float
        Share of the budget from one look to the next, in (0, 0.5].
    images : int
        Held-out images looked at; all of ``val`` where it has no more.

    Attributes
    ----------
    at : int
        Which of the levels holds now.
    probes : list of [progress, loss, flops, ratio]
        What was seen at each look: the loss (None where it was not finite), the run's FLOPs so far, and the ratio that
        led there.
    """

    def __init__(self, levels: Sequence[float], interval: float, images: int) -> None:
        for place, level in enumerate(levels):
            check_ratio(**{f"ratio {place + 1}": level})
        if not isinstance(interval, int | float) or not 0 < interval <= 0.5:
            raise UsageError(f"schedule: interval = {interval!r} must be a share of training in (0, 0.5], such as 0.05")
        if not isinstance(images, int) or images < 1:
            raise UsageError(f"schedule: images = {images!r} must be a number of held-out images, such as 512")
        self.levels, self.interval, self.images = [float(level) for level in levels], interval, images
        self.begin(0)

    def ratio(self, progress: float) -> float:
        """The ratio that holds now, whatever the progress."""
        return self.levels[self.at]

    def mean(self) -> float:
        """Refused: nobody knows it ahead.

        Raises
        ------
        UsageError
            Always.
        """
        raise UsageError(
            f"schedule {self}: its keep ratios are known only as training goes; cadence run, a budget in seconds, "
            "budget-matched and selbench scale want them ahead: name one such as fixed or sigmoid there"
        )

    def begin(self, seed: int) -> None:
        """Forget everything; ``seed`` is that of the run's streams."""
        self.seed = seed
        self.probes: list[list[float | None]] = []
        self.forget()
        self.at = self.choose()

    def feedback(self, progress: float, loss: float, flops: float) -> None:
        """Learn from a look at the learner, and choose the next ratio.

        Parameters
        ----------
        progress : float
            Where training stands.
        loss : float
            Mean loss on the held-out images.
        flops : float
            What the run has cost so far, this look included.
        """
        before = self.probes[-1] if self.probes else None
        self.probes.append([progress, loss if math.isfinite(loss) else None, flops, self.levels[self.at]])
        if before is not None:
            self.learn()
        self.at = self.choose()

    @abstractmethod
    def forget(self) -> None:
        """Set the policy's own state to that of a run that begins."""

    @abstractmethod
    def learn(self) -> None:
        """Take in the last of two or more :attr:`probes`."""

    @abstractmethod
    def choose(self) -> int:
        """The level to come."""

    def state_dict(self) -> dict[str, Any]:
        """Everything that changes during a run, as JSON holds it."""
        return {"seed": self.seed, "at": self.at, "probes": [list(row) for row in self.probes]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what :meth:`state_dict` gave."""
        self.seed, self.at = state["seed"], state["at"]
        self.probes = [list(row) for row in state["probes"]]

    def report(self) -> dict[str, Any]:
        """For the cell's record: what was seen, and what was learned."""
        return {"probes": self.probes}
