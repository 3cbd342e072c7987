"""From a budget and a schedule to steps: how many candidates come, how many are kept, and where training stands."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from ...strategies import UsageError, keep_count
from .learned import LearnedSchedule
from .schedules import Fixed, Replay, Scaled, Schedule, Stepwise
from .step import MIN_IMAGES, Step

Batching = Literal["fixed-candidates", "fixed-trained"]

UNROUNDED = (Fixed, Stepwise, Replay, Scaled, LearnedSchedule)
"""Schedules of few ratios: they are not rounded to buckets."""


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
        The keep ratio. One that is budget-matched is fitted first: see
        :func:`selbench.harness.steps.budget_matched.paced`.
    passes, steps, cost : float or None, int or None, float or None
        The budget: exactly one of the three. A cost is in the unit of the meter of the run.
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
        if self.batching == "fixed-trained" and self.batch / self.lowest() > self.pool:
            raise UsageError(
                f"batch = {self.batch} at a keep ratio of {self.lowest():g} needs more candidates than the pool's "
                f"{self.pool} images: make batch smaller or the ratio larger"
            )
        if self.batching == "fixed-candidates" and keep_count(self.lowest(), self.batch) < MIN_IMAGES:
            raise UsageError(
                f"batch = {self.batch} at a keep ratio of {self.lowest():g} trains on one image a step, where batch "
                f"normalisation needs at least {MIN_IMAGES}: make batch or the ratio larger"
            )

    def lowest(self) -> float:
        return min(self._sampled())

    def _sampled(self) -> set[float]:
        """The ratios on a grid finer than any part of a schedule."""
        if isinstance(self.schedule, Replay):
            return {k / self.schedule.batch for k, _ in self.schedule.counts}
        if isinstance(self.schedule, LearnedSchedule):
            return set(self.schedule.levels)
        return {self.bucketed(self.schedule.ratio(i / 200)) for i in range(201)}

    def bucketed(self, ratio: float) -> float:
        """``ratio`` on the grid of 1/buckets; one of :data:`UNROUNDED` stays as it is."""
        if isinstance(self.schedule, UNROUNDED):
            return ratio
        return min(self.buckets, max(1, round(ratio * self.buckets))) / self.buckets

    def every_size(self) -> list[tuple[int, int]]:
        """All (B, k) that can occur in a run, ascending."""
        seen = self._sampled()
        if not isinstance(self.schedule, UNROUNDED):  # a steep schedule passes buckets between two points
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

    @property
    def candidates(self) -> float | None:
        """Total candidates of a budget in passes; None for other budgets."""
        if self.passes is None:
            return None
        if self.batching == "fixed-trained":
            return self.passes * self.pool
        return self.batch * max(1, round(self.passes * (self.pool // self.batch)))

    @property
    def learned(self) -> LearnedSchedule | None:
        """The schedule, where it is one that learns."""
        return self.schedule if isinstance(self.schedule, LearnedSchedule) else None


@dataclass(frozen=True)
class Recorded:
    """The steps of another run: same candidates, same sub-batch sizes, same progress, so the same learning rates.

    Parameters
    ----------
    pool : int
        Samples in the pool, as in that run.
    pace : sequence of [size, keep, steps, progress, stride, epoch]
        Runs of equal steps, as :class:`selbench.harness.training.pick_counts.PickCounts` writes them, with the epoch of
        the first.
    """

    pool: int
    pace: Sequence[Sequence[float]]

    @property
    def learned(self) -> None:
        """Nothing: what was decided is repeated."""

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
