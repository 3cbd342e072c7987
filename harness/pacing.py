"""From a budget and a schedule to steps: how many candidates come, how many are kept, and where training stands."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from ..strategies import UsageError, keep_count
from .schedules import Fixed, Replay, Schedule

Batching = Literal["fixed-candidates", "fixed-trained"]


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
        The keep ratio.
    passes, steps : float or None, int or None
        The budget: exactly one of the two.
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
    buckets: int = 8
    hold: bool = False

    def __post_init__(self) -> None:
        if (self.passes is None) == (self.steps is None):
            raise UsageError("budget: give exactly one of passes and steps")
        if self.batch > self.pool:
            raise UsageError(f"batch = {self.batch} is larger than the pool of {self.pool} images: make it smaller")
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
        return min(self.bucketed(self.schedule.ratio(i / 200)) for i in range(201))

    def bucketed(self, ratio: float) -> float:
        """``ratio`` on the grid of 1/buckets; a fixed or replayed one stays as it is."""
        if isinstance(self.schedule, Fixed | Replay):
            return ratio
        return min(self.buckets, max(1, round(ratio * self.buckets))) / self.buckets

    def sizes(self, progress: float) -> tuple[int, int]:
        """Candidates B and sub-batch size k at ``progress``."""
        ratio = self.bucketed(self.schedule.ratio(progress))
        if self.batching == "fixed-candidates":
            return self.batch, keep_count(ratio, self.batch)
        return max(self.batch, round(self.batch / ratio)), self.batch

    def __iter__(self) -> Iterator[Step]:
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
