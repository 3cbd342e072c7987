"""A keep ratio chosen by a bandit that is paid in held-out loss per FLOP."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch

from ...strategies import UsageError
from ..streams import generator
from .learned import Learning


class Bandit(Learning):
    """Exp3 over a few keep ratios, rewarded by how much the held-out loss falls for each FLOP spent.

    Formula: of K ratios, i is drawn with p_i = (1 - γ) w_i / Σ w + γ / K, and held for an interval. What it earned is
    then r in [0, 1], and w_i grows by exp(γ r / (K p_i)); the other weights stay.
    Source: Exp3 of Auer, Cesa-Bianchi, Freund and Schapire, The nonstochastic multiarmed bandit problem, SIAM J.
    Comput. 32 (2002), figure 1. The reward is scaled as in Graves et al., Automated curriculum learning for neural
    networks (arXiv 1704.03003): the loss's fall per FLOP, scaled so that the 20th and the 80th percentile of all seen
    so far come to 0 and 1, and cut there.
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
        """All ratios weigh the same."""
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
        """Draw from a stream of this draw's own, so that nothing but its number need be remembered."""
        stream = generator(self.seed, "schedule", len(self.probes))
        point, passed = torch.rand((), generator=stream, dtype=torch.float64).item(), 0.0
        for place, chance in enumerate(self.probabilities()):
            passed += chance
            if point < passed:
                return place
        return len(self.levels) - 1

    def state_dict(self) -> dict[str, Any]:
        """With the weights' logarithms."""
        return {**super().state_dict(), "log_weights": list(self.log_weights)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """With the weights' logarithms."""
        super().load_state_dict(state)
        self.log_weights = list(state["log_weights"])

    def report(self) -> dict[str, Any]:
        """With each ratio's probability at the end."""
        return {**super().report(), "ratios": self.levels, "probabilities": self.probabilities()}

    def __str__(self) -> str:
        return f"bandit over {', '.join(f'{level:g}' for level in self.levels)}"
