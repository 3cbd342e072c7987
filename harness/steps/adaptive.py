"""A keep ratio that follows the slope of the learner's held-out loss."""

from __future__ import annotations

from ...strategies import UsageError
from .learned import Learning
from .schedules import check_ratio


class Adaptive(Learning):
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
        """Back to the lowest rung."""
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
