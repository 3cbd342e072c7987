"""From a budget and a schedule to steps: how many candidates come, how many are kept, and where training stands."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from ..strategies import UsageError, keep_count
from .matching import Scaled, matched
from .schedules import BudgetMatched, Fixed, Replay, Schedule, Stepwise

Batching = Literal["fixed-candidates", "fixed-trained"]

AS_WRITTEN = (Fixed, Stepwise, Replay, Scaled)
"""Schedules of few ratios: they are not rounded to buckets."""


@dataclass(frozen=True)
class Step:
    """One optimizer step.

    Parameters
    ----------
    epoch : int
        Which pass over the pool.
    start : int
        Where the candidates begin in the epoch's order.
    size : int
        Candidates B.
    keep : int
        Sub-batch size k.
    progress : float
        Share of the budget spent before this step.
    """

    epoch: int
    start: int
    size: int
    keep: int
    progress: float


@dataclass(frozen=True)
class Pacer:
    """The deterministic sequence of steps of a run.

    Parameters
    ----------
    pool : int
        Samples n in the pool. A pass is ``n // B`` whole candidate batches; what is left over changes
        with the epoch's order.
    batch : int
        Candidates B (``fixed-candidates``) or sub-batch size k (``fixed-trained``).
    batching : {"fixed-candidates", "fixed-trained"}
        Which of B and k stays while the ratio moves: k = r B, or B = k / r.
    schedule : Schedule
        The keep ratio; a :class:`selbench.harness.schedules.BudgetMatched` is fitted to the steps.
    passes, steps, cost : float or None, int or None, float or None
        The budget: exactly one of the three. A cost is in the unit of the meter that :meth:`paced` is given.
    buckets : int
        A moving ratio is rounded to multiples of 1/buckets, so that few sub-batch sizes occur.
    hold : bool
        Hold the ratio through an epoch (cadence ``epoch``, where one selection serves it).
    """

    pool: int
    batch: int
    batching: Batching
    schedule: Schedule
    passes: float | None = None
    steps: int | None = None
    cost: float | None = None
    buckets: int = 8
    hold: bool = False

    def __post_init__(self) -> None:
        if [self.passes, self.steps, self.cost].count(None) != 2:
            raise UsageError("budget: give exactly one of passes, steps and a cost")
        if self.batch > self.pool:
            raise UsageError(f"batch = {self.batch} is larger than the pool of {self.pool} images: make it smaller")
        if isinstance(self.schedule, BudgetMatched):
            object.__setattr__(self, "schedule", matched(self, self.schedule))
        if self.batching == "fixed-trained" and self.batch / self.lowest() > self.pool:
            raise UsageError(
                f"batch = {self.batch} at a keep ratio of {self.lowest():g} needs more candidates than the pool's "
                f"{self.pool} images: make batch smaller or the ratio larger"
            )

        if self.batching == "fixed-candidates" and keep_count(self.lowest(), self.batch) < 2:
            raise UsageError(
                f"batch = {self.batch} at a keep ratio of {self.lowest():g} trains on one image a step, where batch "
                "normalisation needs at least 2: make batch or the ratio larger"
            )

    def lowest(self) -> float:
        """The lowest ratio that the schedule reaches."""
        return min(self._sampled())

    def _sampled(self) -> set[float]:
        """The ratios at points closer than any part of a schedule."""
        if isinstance(self.schedule, Replay):
            return {k / self.schedule.batch for k, _ in self.schedule.counts}
        return {self.bucketed(self.schedule.ratio(i / 200)) for i in range(201)}

    def bucketed(self, ratio: float) -> float:
        """``ratio`` on the grid of 1/buckets; one of :data:`AS_WRITTEN` stays as it is."""
        if isinstance(self.schedule, AS_WRITTEN):
            return ratio
        return min(self.buckets, max(1, round(ratio * self.buckets))) / self.buckets

    def every_size(self) -> list[tuple[int, int]]:
        """All (B, k) that a run may come to, ascending."""
        seen = self._sampled()
        if not isinstance(self.schedule, AS_WRITTEN):  # a steep schedule passes buckets between two points
            grid = [i / self.buckets for i in range(1, self.buckets + 1)]
            seen = {ratio for ratio in grid if min(seen) <= ratio <= max(seen)}
        return sorted({self._sizes(ratio) for ratio in seen})

    def sizes(self, progress: float) -> tuple[int, int]:
        """Candidates B and sub-batch size k at ``progress``."""
        return self._sizes(self.bucketed(self.schedule.ratio(progress)))

    def _sizes(self, ratio: float) -> tuple[int, int]:
        if self.batching == "fixed-candidates":
            return self.batch, keep_count(ratio, self.batch)
        return max(self.batch, round(self.batch / ratio)), self.batch

    def paced(self, spent: Callable[[], float]) -> Iterator[Step]:
        """The steps of a run; ``spent`` says what it has cost so far, and is asked where the budget is a cost."""
        return iter(self) if self.cost is None else self._by_cost(self.cost, spent)

    def __iter__(self) -> Iterator[Step]:
        assert self.cost is None, "a budget in cost needs a meter"
        if self.steps is None and self.batching == "fixed-candidates":
            assert self.passes is not None
            yield from self._by_steps(max(1, round(self.passes * (self.pool // self.batch))))
        elif self.steps is not None:
            yield from self._by_steps(self.steps)
        else:
            yield from self._by_candidates()

    def _by_steps(self, total: int) -> Iterator[Step]:
        epoch = start = 0
        size, keep = self.sizes(0.0)
        for step in range(total):
            if not self.hold or start == 0:
                size, keep = self.sizes(step / total)
            if start + size > self.pool:
                epoch, start = epoch + 1, 0
                size, keep = self.sizes(step / total)
            yield Step(epoch, start, size, keep, step / total)
            start += size

    def _by_candidates(self) -> Iterator[Step]:
        assert self.passes is not None
        total = self.passes * self.pool
        spent = epoch = start = 0
        size, keep = self.sizes(0.0)
        while True:
            if not self.hold or start == 0:
                size, keep = self.sizes(spent / total)
            if start + size > self.pool:
                epoch, start = epoch + 1, 0
                size, keep = self.sizes(spent / total)
            if spent and spent + size > total:
                return
            yield Step(epoch, start, size, keep, spent / total)
            start += size
            spent += size

    def _by_cost(self, total: float, spent: Callable[[], float]) -> Iterator[Step]:
        """Steps while the budget lasts: one that would overrun it, at the price of its like, is not begun."""
        prices: dict[tuple[int, int], float] = {}
        epoch = start = 0
        size, keep = self.sizes(0.0)
        while True:
            before = spent()
            progress = before / total
            if not self.hold or start == 0:
                size, keep = self.sizes(min(progress, 1.0))
            if start + size > self.pool:
                epoch, start = epoch + 1, 0
                size, keep = self.sizes(min(progress, 1.0))
            # A size not seen yet is cheaper than nothing known: it may overrun by one step.
            if progress >= 1 or (prices and before + prices.get((size, keep), 0.0) > total):
                return
            yield Step(epoch, start, size, keep, progress)
            start += size
            price = spent() - before
            # A step that began an epoch may have paid for a selection of the whole pool: the least is its own price.
            prices[size, keep] = min(price, prices.get((size, keep), price))


@dataclass(frozen=True)
class Recorded:
    """The steps of another run: same candidates, same sub-batch sizes, same progress, so the same learning rates.

    Parameters
    ----------
    pool : int
        Samples in the pool, as in that run.
    pace : sequence of [size, keep, steps, progress, stride, epoch]
        Runs of equal steps, as :class:`selbench.harness.tally.Tally` writes them, with the epoch of the first.
    """

    pool: int
    pace: Sequence[Sequence[float]]

    def paced(self, spent: Callable[[], float]) -> Iterator[Step]:
        """The recorded steps, whatever they cost here."""
        return iter(self)

    def __iter__(self) -> Iterator[Step]:
        epoch = start = 0
        for size, keep, steps, progress, stride, first in self.pace:
            if first > epoch:  # the pass ended early: a step of the size before would still have fitted
                epoch, start = int(first), 0
            for i in range(int(steps)):
                if start + size > self.pool:
                    epoch, start = epoch + 1, 0
                yield Step(epoch, start, int(size), int(keep), progress + i * stride)
                start += int(size)
