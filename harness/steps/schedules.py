"""Keep ratios over training progress in [0, 1]."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Protocol

from ...strategies import UsageError
from ...strategies.registry import registry


class Schedule(Protocol):
    """A keep ratio as a function of progress; an instance holds plain parameters."""

    def ratio(self, progress: float) -> float:
        """Fraction kept at ``progress`` in [0, 1]."""
        ...

    def mean(self) -> float:
        """Mean over progress: the ratio that a rule at cadence ``run`` gets."""
        ...


def known_ahead(schedule: Schedule) -> Schedule:
    """``schedule``, checked to be known before training begins.

    Raises
    ------
    UsageError
        Where it is learned: :class:`selbench.harness.steps.learned.LearnedSchedule` has no mean.
    """
    schedule.mean()
    return schedule


def check_ratio(**ratios: float) -> None:
    """Raise a :class:`UsageError` for the first of ``ratios`` that is no fraction kept."""
    for name, value in ratios.items():
        if not isinstance(value, int | float) or not 0.0 < value <= 1.0:
            raise UsageError(f"schedule: {name} = {value!r} is outside (0, 1]; it is the fraction kept, such as 0.25")


class Fixed:
    """The same ratio throughout.

    Parameters
    ----------
    ratio : float
        Fraction kept, in (0, 1].
    """

    def __init__(self, ratio: float = 0.5) -> None:
        check_ratio(ratio=ratio)
        self.value = ratio

    def ratio(self, progress: float) -> float:
        return self.value

    def mean(self) -> float:
        return self.value

    def __str__(self) -> str:
        return f"fixed {self.value:g}"


def sampled_mean(ratio: Callable[[float], float]) -> float:
    """Mean of a ratio over progress, by the midpoint rule on 1,000 points."""
    return sum(ratio((i + 0.5) / 1000) for i in range(1000)) / 1000


class Linear:
    """A straight line from ``start`` to ``end``.

    Parameters
    ----------
    start, end : float
        Fractions kept at progress 0 and 1, in (0, 1]. The defaults are those of :class:`Sigmoid`.
    """

    name = "linear"

    def __init__(self, start: float = 0.18, end: float = 0.88) -> None:
        check_ratio(start=start, end=end)
        self.start, self.end = start, end

    def share(self, progress: float) -> float:
        """How much of the way from ``start`` to ``end`` is covered at ``progress``, in [0, 1]."""
        return progress

    def ratio(self, progress: float) -> float:
        return self.start + (self.end - self.start) * self.share(progress)

    def mean(self) -> float:
        return (self.start + self.end) / 2

    def __str__(self) -> str:
        return f"{self.name} {self.start:g} to {self.end:g}"


class Cosine(Linear):
    """Half a cosine wave from ``start`` to ``end``: flat at both ends, steepest in the middle.

    Parameters
    ----------
    start, end : float
        Fractions kept at progress 0 and 1, in (0, 1]. The defaults are those of :class:`Sigmoid`.
    """

    name = "cosine"

    def share(self, progress: float) -> float:
        """``(1 - cos(pi * progress)) / 2``."""
        return (1.0 - math.cos(math.pi * progress)) / 2.0


class Sigmoid(Linear):
    """A logistic curve from ``start`` to ``end``, rescaled to reach both exactly.

    Source: GSTDS (arXiv 2507.04269) keeps from about 18 % to about 88 % on a sigmoid over training. Its
    midpoint and steepness are not published: both are parameters here, with our defaults.

    Parameters
    ----------
    start, end : float
        Fractions kept at progress 0 and 1, in (0, 1].
    steepness : float
        Slope of the logistic in units of progress; ours.
    midpoint : float
        Progress at which the curve is half way, before rescaling; ours.
    """

    name = "sigmoid"

    def __init__(self, start: float = 0.18, end: float = 0.88, steepness: float = 10.0, midpoint: float = 0.5) -> None:
        super().__init__(start, end)
        if not steepness > 0 or not 0 <= midpoint <= 1:
            raise UsageError("schedule sigmoid: steepness must be above 0 and midpoint within [0, 1]")
        self.steepness, self.midpoint = steepness, midpoint

    def _logistic(self, progress: float) -> float:
        return 1.0 / (1.0 + math.exp(-self.steepness * (progress - self.midpoint)))

    def ratio(self, progress: float) -> float:
        low, high = self._logistic(0.0), self._logistic(1.0)
        return self.start + (self.end - self.start) * (self._logistic(progress) - low) / (high - low)

    def mean(self) -> float:
        """By the midpoint rule (exactly the midway at midpoint 0.5)."""
        return sampled_mean(self.ratio)

    def __str__(self) -> str:
        return f"{super().__str__()} (steepness {self.steepness:g}, midpoint {self.midpoint:g})"


class Stepwise:
    """One ratio after another, each held for a part of training.

    The ratios are taken as they are written, like a fixed one: they are few, so they need no rounding to buckets.

    Parameters
    ----------
    ratios : sequence of float
        Fractions kept, in (0, 1], in order.
    at : sequence of float, optional
        Progress at which each ratio but the first begins, rising, in (0, 1); parts of equal length by default.
        Every part lasts :attr:`SHORTEST` of training or longer.
    """

    SHORTEST = 0.01

    def __init__(self, ratios: Sequence[float] = (0.18, 0.53, 0.88), at: Sequence[float] | None = None) -> None:
        if isinstance(ratios, str) or not isinstance(ratios, Sequence) or not ratios:
            raise UsageError(f"schedule step: ratios = {ratios!r} is no list of fractions, such as [0.25, 0.5, 1.0]")
        for place, value in enumerate(ratios):
            check_ratio(**{f"ratios.{place}": value})
        if at is None:
            at = [i / len(ratios) for i in range(1, len(ratios))]
        if not isinstance(at, Sequence) or len(at) != len(ratios) - 1:
            raise UsageError(
                f"schedule step: at must hold {len(ratios) - 1} numbers, one less than ratios; it is {at!r}"
            )
        if not all(isinstance(value, int | float) for value in at):
            raise UsageError(f"schedule step: at = {list(at)} must hold numbers, such as [0.5, 0.75]")
        self.ratios, self.at = [float(value) for value in ratios], [float(value) for value in at]
        if not all(end - begin >= self.SHORTEST - 1e-9 for begin, end in self._parts()):
            raise UsageError(
                f"schedule step: at = {list(at)} must rise within (0, 1) by {self.SHORTEST:g} of training or more"
            )

    def _parts(self) -> list[tuple[float, float]]:
        return list(zip([0.0, *self.at], [*self.at, 1.0], strict=True))

    def ratio(self, progress: float) -> float:
        """The ratio of the part that ``progress`` falls in; a part begins where the one before it ends."""
        return self.ratios[bisect_right(self.at, progress)]

    def mean(self) -> float:
        """Each ratio times its part's length."""
        return math.fsum(r * (end - begin) for r, (begin, end) in zip(self.ratios, self._parts(), strict=True))

    def __str__(self) -> str:
        return f"step {self.ratios[0]:g}" + "".join(
            f", {r:g} from {at:.4g}" for r, at in zip(self.ratios[1:], self.at, strict=True)
        )


class Replay:
    """The numbers kept at each step of another cell, step by step.

    Parameters
    ----------
    counts : sequence of [k, steps]
        Run-length code of the sub-batch sizes.
    batch : int
        Candidate batch size that the counts were taken from.
    """

    def __init__(self, counts: Sequence[Sequence[int]], batch: int) -> None:
        if not counts or batch < 1:
            raise UsageError("schedule replay: counts must hold at least one [k, steps] pair and batch be positive")
        self.counts = [(int(k), int(steps)) for k, steps in counts]
        self.batch = batch
        self.total = sum(steps for _, steps in self.counts)

    def ratio(self, progress: float) -> float:
        """The ratio kept at the step that stands at ``progress``."""
        # Progress is step/total in floating point: half a step of slack keeps it in its own step.
        step, seen = int(progress * self.total + 0.5), 0
        for k, steps in self.counts:
            seen += steps
            if step < seen:
                return k / self.batch
        return self.counts[-1][0] / self.batch

    def mean(self) -> float:
        return sum(k * steps for k, steps in self.counts) / (self.total * self.batch)

    def __str__(self) -> str:
        return "replayed counts"


class BudgetMatched:
    """Any shape, scaled to keep a given share of all candidates: so that shapes are compared, and not amounts.

    What is matched is the number of samples trained on, and with it the learner's FLOPs. In budgets of passes or
    steps all shapes of one share also see as many candidates, so that scoring costs them the same; only what a
    rule's own arithmetic costs may still depend on the sub-batch sizes. A budget in FLOPs or seconds needs none of
    this, since it ends every run at one total, scoring included: there this schedule is refused.

    The match holds for the steps as they are run, after rounding to buckets and to whole samples: see
    :func:`selbench.harness.steps.budget_matched.matched`. A rule whose count depends on the data keeps what it keeps.

    Parameters
    ----------
    share : float
        Samples trained on for each candidate of the whole run, in (0, 1].
    shape : mapping
        Name and parameters of the schedule to be scaled. What comes out above 1 is cut to 1, and the rest scaled
        the more.
    """

    def __init__(self, share: float = 0.53, shape: Mapping[str, object] | None = None) -> None:
        check_ratio(share=share)
        table = {"name": "sigmoid"} if shape is None else shape
        name = table.get("name") if isinstance(table, Mapping) else None
        if not isinstance(name, str):
            raise UsageError(
                f'schedule budget-matched: shape = {table!r} names no schedule: write shape = {{ name = "sigmoid" }}'
            )
        if name in ("budget-matched", "replay"):
            raise UsageError(f"schedule budget-matched: shape {name!r} has its amount already: name another")
        parameters = {str(key): value for key, value in table.items() if key != "name"}
        self.share, self.shape = share, known_ahead(load_schedule(name, **parameters))

    @cached_property
    def _factor(self) -> float:
        """What brings the mean of the scaled and cut ratios to the share."""
        ratios = [self.shape.ratio((i + 0.5) / 1000) for i in range(1000)]
        low, high = 0.0, 1.0 / min(ratios)
        for _ in range(60):
            middle = (low + high) / 2
            mean = math.fsum(min(1.0, middle * ratio) for ratio in ratios) / len(ratios)
            low, high = (middle, high) if mean <= self.share else (low, middle)
        return low

    def ratio(self, progress: float) -> float:
        """The scaled ratio, before any rounding."""
        return min(1.0, self._factor * self.shape.ratio(progress))

    def mean(self) -> float:
        return self.share

    def __str__(self) -> str:
        return f"{self.shape}, scaled to keep {self.share:g} in all"


def load_schedule(name: str, **parameters: object) -> Schedule:
    schedule: Schedule = registry("schedules").load(name, **parameters)
    return schedule


class Scaled:
    """The rounded ratios of a shape, times a factor.

    Parameters
    ----------
    levels : callable
        Rounded ratio at a progress.
    factor : float
        What it is multiplied by; never to more than 1.
    """

    def __init__(self, levels: Callable[[float], float], factor: float) -> None:
        self.levels, self.factor = levels, factor

    def ratio(self, progress: float) -> float:
        return min(1.0, self.factor * self.levels(progress))

    def mean(self) -> float:
        return sampled_mean(self.ratio)
