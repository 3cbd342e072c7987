"""Learned schedules: the keep ratio follows the learner's loss on held-out images."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch

from ...strategies import UsageError
from ..streams import generator
from .schedules import check_ratio


class LearnedSchedule(ABC):
    """A keep ratio that is one of a few, chosen anew after each interval of training.

    After each interval the loop takes the learner's mean loss on a fixed random batch of ``val``, in evaluation mode,
    and hands it to :meth:`feedback`; the cost is the run's own (phase ``probe`` of the ledger). Where the ratio is
    held through an epoch, that is done at the first epoch's end after the interval's. The first interval is not
    judged: before it, batch normalisation has no statistics to evaluate with.

    Parameters
    ----------
    levels : sequence of float
        The ratios that it chooses from, each in (0, 1].
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
        """Raises: the mean is not known ahead.

        Raises
        ------
        UsageError
            Always.
        """
        raise UsageError(
            f"schedule {self}: its keep ratios are known only during training; cadence run, a budget in seconds, "
            "budget-matched and selbench scale need them ahead: name one such as fixed or sigmoid there"
        )

    def begin(self, seed: int) -> None:
        """Reset for a run; ``seed`` is that of its streams."""
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
        return {"seed": self.seed, "at": self.at, "probes": [list(row) for row in self.probes]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.seed, self.at = state["seed"], state["at"]
        self.probes = [list(row) for row in state["probes"]]

    def report(self) -> dict[str, Any]:
        """For the cell's record: what was seen, and what was learned."""
        return {"probes": self.probes}


class Adaptive(LearnedSchedule):
    """One rung up where the held-out loss has gone flat, one down where it falls fast.

    The rule is ours: while a few images teach a lot there is no need of more, and when they stop teaching, more are
    tried. The slope is the share of the loss that went in an interval, so that no unit of loss matters. It starts on
    the lowest rung; a loss that is not finite moves nothing.

    Parameters
    ----------
    low, high : float
        Fractions kept on the lowest and the highest rung, in (0, 1]; by default those of the sigmoid of GSTDS.
    rungs : int
        How many ratios there are, evenly spaced from ``low`` to ``high``.
    flat : float
        A loss that has fallen by less than this share of itself, or risen, goes a rung up.
    fast : float
        One that has fallen by more than this share goes a rung down.
    interval : float
        Share of the budget from one look to the next.
    images : int
        Held-out images looked at.
    """

    def __init__(
        self,
        low: float = 0.18,
        high: float = 0.88,
        rungs: int = 5,
        flat: float = 0.02,
        fast: float = 0.1,
        interval: float = 0.05,
        images: int = 512,
    ) -> None:
        check_ratio(low=low, high=high)
        if not isinstance(rungs, int) or rungs < 2 or not low < high:
            raise UsageError(
                f"schedule adaptive: low = {low:g}, high = {high:g} and rungs = {rungs!r} leave nothing to choose: "
                "low must be below high, with at least 2 rungs"
            )
        if not 0 <= flat < fast <= 1:
            raise UsageError(
                f"schedule adaptive: flat = {flat!r} and fast = {fast!r} must be shares of the loss, flat below fast"
            )
        self.low, self.high, self.flat, self.fast = low, high, flat, fast
        levels = [low + (high - low) * rung / (rungs - 1) for rung in range(rungs - 1)]
        super().__init__([*levels, high], interval, images)

    def forget(self) -> None:
        self.at = self._move = 0

    def learn(self) -> None:
        """Note which way the last interval's fall of the loss asks for."""
        (_, before, *_), (_, after, *_) = self.probes[-2:]
        self._move = 0
        if before is None or after is None:
            return
        fallen = (before - after) / max(before, 1e-12)
        self._move = 1 if fallen < self.flat else -1 if fallen > self.fast else 0

    def choose(self) -> int:
        """The rung, a move on, within the ladder."""
        at = min(len(self.levels) - 1, max(0, self.at + self._move))
        self._move = 0
        return at

    def __str__(self) -> str:
        return f"adaptive {self.low:g} to {self.high:g} by held-out loss"


class Bandit(LearnedSchedule):
    """Exp3 over a few keep ratios, rewarded by how much the held-out loss falls for each FLOP spent.

    Formula: of K ratios, i is drawn with p_i = (1 - γ) w_i / Σ w + γ / K, and held for an interval. What it earned is
    then r in [0, 1], and w_i grows by exp(γ r / (K p_i)); the other weights stay.
    Source: Exp3 of Auer, Cesa-Bianchi, Freund and Schapire, The nonstochastic multiarmed bandit problem, SIAM J.
    Comput. 32 (2002), figure 1. The reward is scaled as in Graves et al., Automated curriculum learning for neural
    networks (arXiv 1704.03003): the loss's fall per FLOP, scaled so that the 20th and the 80th percentile of all seen
    so far map to 0 and 1, and clipped there.
    Ours: the ratios, the interval and γ, near the authors' optimum for 50 draws of 4; a reward of one half where all
    seen so far are equal, and of 0 for a loss that is not finite.

    Parameters
    ----------
    ratios : sequence of float
        The K fractions kept, in (0, 1].
    exploration : float
        γ in (0, 1], the share of draws that are even.
    interval : float
        Share of the budget that a draw holds for.
    images : int
        Held-out images that the loss is taken on.
    """

    def __init__(
        self,
        ratios: Sequence[float] = (0.25, 0.5, 0.75, 1.0),
        exploration: float = 0.25,
        interval: float = 0.02,
        images: int = 512,
    ) -> None:
        if isinstance(ratios, str) or not isinstance(ratios, Sequence) or not ratios:
            raise UsageError(f"schedule bandit: ratios = {ratios!r} is no list of fractions, such as [0.25, 0.5, 1.0]")
        if len(set(ratios)) < len(ratios):
            raise UsageError(f"schedule bandit: ratios = {list(ratios)} names one twice: leave one of them out")
        if not isinstance(exploration, int | float) or not 0 < exploration <= 1:
            raise UsageError(f"schedule bandit: exploration = {exploration!r} must be in (0, 1], such as 0.25")
        self.exploration = exploration
        super().__init__(ratios, interval, images)

    def forget(self) -> None:
        self.log_weights = [0.0] * len(self.levels)

    def probabilities(self) -> list[float]:
        """Of each ratio at the next draw."""
        most, arms = max(self.log_weights), len(self.log_weights)
        weights = [math.exp(weight - most) for weight in self.log_weights]
        return [(1 - self.exploration) * weight / sum(weights) + self.exploration / arms for weight in weights]

    def reward(self) -> float:
        """What the last interval earned, in [0, 1]."""
        earned = [
            (before - after) / (spent - already)  # type: ignore[operator]
            for (_, before, already, _), (_, after, spent, _) in pairwise(self.probes)
            if before is not None and after is not None
        ]
        if None in (self.probes[-1][1], self.probes[-2][1]):
            return 0.0
        seen = torch.tensor(earned, dtype=torch.float64)
        low, high = seen.quantile(torch.tensor([0.2, 0.8], dtype=torch.float64)).tolist()
        return 0.5 if low == high else min(1.0, max(0.0, (earned[-1] - low) / (high - low)))

    def learn(self) -> None:
        """Add the last interval's reward to the ratio that was held."""
        chance = self.probabilities()[self.at]
        self.log_weights[self.at] += self.exploration * self.reward() / (len(self.levels) * chance)

    def choose(self) -> int:
        """Draw from a stream that is keyed by the number of the draw, so that no generator state is kept."""
        stream = generator(self.seed, "schedule", len(self.probes))
        point, passed = torch.rand((), generator=stream, dtype=torch.float64).item(), 0.0
        for place, chance in enumerate(self.probabilities()):
            passed += chance
            if point < passed:
                return place
        return len(self.levels) - 1

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "log_weights": list(self.log_weights)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self.log_weights = list(state["log_weights"])

    def report(self) -> dict[str, Any]:
        return {**super().report(), "ratios": self.levels, "probabilities": self.probabilities()}

    def __str__(self) -> str:
        return f"bandit over {', '.join(f'{level:g}' for level in self.levels)}"
