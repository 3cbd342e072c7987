"""One rule under several schedules, held against one of them seed by seed: means, spreads, amounts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..records.folder import Arm, Results
from ..statistics import (
    Interval,
    SpreadRatio,
    correlation,
    equivalence_test,
    holm,
    mean_interval,
    sign_flip_interval,
    sign_flip_test,
    spread_ratio,
    t_test,
)
from ..statistics.samples import Array

MATCHED = 0.01
"""Amounts apart by no more than this share count as equal."""

Points = Mapping[int, float]
"""Accuracy in per cent, or a difference in points, by seed."""


@dataclass(frozen=True)
class Runs:
    """The runs of one arm by seed: ``points`` in per cent, ``trained`` images, ``ratio`` of trained to candidates."""

    points: Points
    trained: Points
    ratio: float
    """Mean over seeds; nan without runs."""

    @classmethod
    def of(cls, results: Results, arm: Arm | None) -> Runs:
        """What the records of ``arm`` say; nothing where there is no such arm."""
        cells = {} if arm is None else results.of(arm)
        sound = {seed: cell for seed, cell in cells.items() if math.isfinite(cell.accuracy)}
        return cls(
            {seed: 100.0 * cell.accuracy for seed, cell in sound.items()},
            {seed: float(cell.picks.trained_samples) for seed, cell in sound.items()},
            float(np.mean([cell.picks.mean_ratio for cell in sound.values()])) if sound else math.nan,
        )


@dataclass(frozen=True)
class Mean:
    """Mean of differences in points by seed; ``interval`` and two-sided ``p`` are None below two seeds."""

    n: int
    estimate: float | None
    interval: Interval | None
    p: float | None
    adjusted: float | None = None
    """``p`` by Holm, over the family that it was tested in."""

    @classmethod
    def of(cls, differences: Points, kind: str = "t") -> Mean:
        """Of ``differences``, with the paired ``t`` interval or that of inverted ``sign-flip`` tests."""
        values = np.array(list(differences.values()), dtype=np.float64)
        if values.size < 2:
            return cls(values.size, float(values[0]) if values.size else None, None, None)
        interval, test = (sign_flip_interval, sign_flip_test) if kind == "sign-flip" else (mean_interval, t_test)
        p = min(1.0, 2 * min(test(values), test(-values)))
        return cls(values.size, float(values.mean()), interval(values), p)


@dataclass(frozen=True)
class Pair:
    """One schedule against another, at the seeds that both have.

    Parameters
    ----------
    label : str
        Of the schedule.
    ours, theirs : Runs
    difference : Mean
        In points.
    spread : SpreadRatio or None
        SD of ours over SD of theirs; None below three seeds or where one side has no spread.
    sds : tuple of float, or None
        In points, below two seeds None.
    correlation : float or None
        Of the pairs.
    spread_adjusted : float or None
        Two-sided p of equal spreads, by Holm.
    """

    label: str
    ours: Runs
    theirs: Runs
    differences: Points
    difference: Mean
    spread: SpreadRatio | None
    sds: tuple[float, float] | None
    correlation: float | None
    spread_adjusted: float | None = None

    @classmethod
    def of(cls, label: str, ours: Runs, theirs: Runs, kind: str) -> Pair:
        """The pairs of two arms."""
        seeds = [seed for seed in ours.points if seed in theirs.points]
        differences = {seed: ours.points[seed] - theirs.points[seed] for seed in seeds}
        x, y = (np.array([side.points[seed] for seed in seeds], dtype=np.float64) for side in (ours, theirs))
        spread = spread_ratio(x, y) if len(seeds) > 2 else None
        return cls(
            label,
            ours,
            theirs,
            differences,
            Mean.of(differences, kind),
            spread if spread is not None and math.isfinite(spread.low) else None,
            (float(x.std(ddof=1)), float(y.std(ddof=1))) if len(seeds) > 1 else None,
            correlation(x, y) if seeds else None,
        )

    @property
    def amount(self) -> float | None:
        """Images trained on as a multiple of the other's, mean over shared seeds; None without any."""
        if not self.differences:
            return None
        own, other = (sum(side.trained[seed] for seed in self.differences) for side in (self.ours, self.theirs))
        return own / other if other else None

    @property
    def matched(self) -> bool:
        """Whether both train on as many images, at every seed, within :data:`MATCHED`."""
        return all(
            abs(self.ours.trained[seed] - self.theirs.trained[seed]) <= MATCHED * self.theirs.trained[seed]
            for seed in self.differences
        )

    def within(self, margin: float, alpha: float) -> bool:
        """Whether the means are shown to be apart by less than ``margin`` points."""
        values = list(self.differences.values())
        return len(values) > 1 and equivalence_test(values, margin) < alpha


def adjust(pairs: Sequence[Pair]) -> list[Pair]:
    """The pairs with their p-values adjusted as one family, means and spreads apart."""
    means = _adjusted([pair.difference.p for pair in pairs])
    spreads = _adjusted([None if pair.spread is None else _two_sided(pair.spread) for pair in pairs])
    return [
        replace(pair, difference=replace(pair.difference, adjusted=mean), spread_adjusted=spread)
        for pair, mean, spread in zip(pairs, means, spreads, strict=True)
    ]


def _two_sided(spread: SpreadRatio) -> float:
    return min(1.0, 2 * min(spread.p_steadier, 1 - spread.p_steadier))


def _adjusted(p: Sequence[float | None]) -> list[float | None]:
    known = [value for value in p if value is not None]
    left = iter(holm(known).tolist() if known else [])
    return [None if value is None else next(left) for value in p]


def apart(ours: Points, theirs: Points) -> dict[int, float]:
    """Difference of two differences, at the seeds that both have."""
    return {seed: value - theirs[seed] for seed, value in ours.items() if seed in theirs}


def per_doubling(knots: Sequence[Runs]) -> dict[int, float]:
    """Points for each doubling of the images trained on: at each seed the slope over ``knots``, by least squares."""
    slopes = {}
    for seed in _shared(knots):
        amounts, points = _knots(knots, seed)
        if np.ptp(amounts) > MATCHED:
            slopes[seed] = float(np.polyfit(amounts, points, 1)[0])
    return slopes


def at_own_amount(ours: Runs, knots: Sequence[Runs]) -> dict[int, float]:
    """Ours less a fixed schedule of its own amount, by seed.

    The latter is read between ``knots``, straight over the logarithm of the images trained on; seeds at which ours
    trained on fewer or more than any of them are left out.
    """
    differences = {}
    for seed in _shared([ours, *knots]):
        amounts, points = _knots(knots, seed)
        own = math.log2(ours.trained[seed])
        if amounts[0] - MATCHED <= own <= amounts[-1] + MATCHED:
            differences[seed] = ours.points[seed] - float(np.interp(own, amounts, points))
    return differences


def _shared(runs: Sequence[Runs]) -> list[int]:
    return [
        seed for seed in runs[0].points if all(of.points.get(seed) is not None and of.trained[seed] > 0 for of in runs)
    ]


def _knots(runs: Sequence[Runs], seed: int) -> tuple[Array, Array]:
    """Binary logarithm of the amounts, rising, and accuracy at each."""
    known = sorted((math.log2(of.trained[seed]), of.points[seed]) for of in runs)
    amounts, points = (np.array(column) for column in zip(*known, strict=True))
    return amounts, points
