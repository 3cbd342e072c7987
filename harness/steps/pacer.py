"""From a budget and a schedule to steps: how many candidates come, how many are kept, and where training stands."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from ...strategies import UsageError, keep_count
from .learned import LearnedSchedule
from .schedules import Fixed, Replay, Scaled, Schedule, Stepwise

Batching = Literal["fixed-candidates", "fixed-trained"]

MIN_IMAGES = 2
"""Images in a batch: batch normalisation has no variance of one."""

UNROUNDED = (Fixed, Stepwise, Replay, Scaled, LearnedSchedule)
"""Schedules of few ratios: they are not rounded to buckets."""


@dataclass(frozen=True)
class Step:
    epoch: int
    start: int  # where the candidates begin in the epoch's order
    size: int  # candidates B
    keep: int  # sub-batch size k
    progress: float  # share of the budget spent before it


@dataclass(frozen=True)
class Pacer:
    """The deterministic sequence of steps of a run, for a budget that is one of passes, steps and cost.

    A pass over the ``pool`` is ``n // B`` whole candidate batches; what is left over changes with the epoch's order.
    ``batch`` is B or k, whichever ``batching`` fixes while the ratio r moves: k = r B, or B = k / r.
    """

    pool: int
    batch: int
    batching: Batching
    schedule: Schedule  # one that is budget-matched is fitted first: budget_matched.paced
    passes: float | None = None
    steps: int | None = None
    cost: float | None = None  # in the unit of the run's meter
    buckets: int = 8  # a moving ratio is rounded to multiples of 1/buckets, so that few sub-batch sizes occur
    hold: bool = False  # the ratio through an epoch (cadence epoch, where one selection serves it)

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
        if self.grid:  # a steep schedule passes buckets between two points
            seen = {ratio for ratio in self.grid if min(seen) <= ratio <= max(seen)}
        return sorted({self.sized(ratio) for ratio in seen})

    @property
    def grid(self) -> list[float]:
        """The ratios that a moving one is rounded to; none where it is not rounded."""
        return [] if isinstance(self.schedule, UNROUNDED) else [i / self.buckets for i in range(1, self.buckets + 1)]

    def sizes(self, progress: float) -> tuple[int, int]:
        return self.sized(self.bucketed(self.schedule.ratio(progress)))

    def sized(self, ratio: float) -> tuple[int, int]:
        if self.batching == "fixed-candidates":
            return self.batch, keep_count(ratio, self.batch)
        return max(self.batch, round(self.batch / ratio)), self.batch

    @cached_property  # asked four times a step
    def candidates(self) -> float | None:
        """Total candidates of a budget in passes; None for other budgets."""
        if self.passes is None:
            return None
        if self.batching == "fixed-trained":
            return self.passes * self.pool
        return self.batch * max(1, round(self.passes * (self.pool // self.batch)))

    @property
    def learned(self) -> LearnedSchedule | None:
        return self.schedule if isinstance(self.schedule, LearnedSchedule) else None


@dataclass(frozen=True)
class Recorded:
    """The steps of another run: same candidates, same sub-batch sizes, same progress, so the same learning rates."""

    pool: int
    pace: Sequence[Sequence[float]]  # rows of pick_counts.PickCounts: size, keep, steps, progress, stride, first epoch
    learned: None = None  # what was decided is repeated

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
