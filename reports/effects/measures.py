"""What a test measures, with its interval at any level.

An accuracy difference has the interval that the matrix declared for its contrasts (paired t, or inverted sign flips);
a ratio of accuracies or costs Fieller's (1954), which inverts the paired t test of ours - ratio x theirs, a point where
nothing varies; a cost to the target of :mod:`selbench.reports.effects.targets` the order statistics' of the median
over seeds;
a ratio of spreads Pitman's and Morgan's, paired. A study's number comes with its one interval: it stands for lower
confidence too, and says nothing at a higher one.

Seconds are those of the timing pass or none at all.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..questions.claims.schema import LADDERS, Test
from ..records.folder import TIMED, Arm, Results
from ..statistics import (
    Array,
    fieller_interval,
    mean_interval,
    median_interval,
    ratio_interval,
    sign_flip_interval,
    spread_ratio,
)
from .costs import Accounts
from .ladder import Ladders
from .seconds import Clock
from .select_arms import Pair, Studied
from .targets import goals_of

Bounds = Callable[[float], tuple[float, float]]
NEEDS_TIMING = "needs a timing pass"
INTERVALS = {"t": mean_interval, "sign-flip": sign_flip_interval}


@dataclass(frozen=True)
class Measure:
    """A number with its two-sided interval of confidence 1 - 2 x level, for any one-sided level.

    Parameters
    ----------
    estimate : float or None
        None where there is nothing to measure, and ``missing`` then says why.
    n : int
        Pairs: seeds, or blocks of the timing pass.
    bounds : callable
        Of the one-sided level; called only where there are two pairs or more.
    sd : float or None
        Of the differences, in points; None where the measure is none.
    fixed : bool
        Nothing varies: the interval is a point and no pairs are too few.
    collapsed : int
        Collapsed runs on either side, where accuracies are read.
    missing : str
    confidence : float or None
        Of the only interval there is, where it is the same at every level.
    """

    estimate: float | None = None
    n: int = 0
    bounds: Bounds = lambda level: (-math.inf, math.inf)
    sd: float | None = None
    fixed: bool = False
    collapsed: int = 0
    missing: str = ""
    confidence: float | None = None


class Measurer:
    """Measures tests on one results folder."""

    def __init__(self, results: Results, accounts: Accounts, clock: Clock) -> None:
        self._results = results
        self._accounts = accounts
        self._clock = clock
        self._ladders = Ladders(results, accounts, clock)

    def measure(self, test: Test, sides: Pair | Studied) -> Measure:
        """The quantity of ``test`` between two sides that are in the results, or as a study measured it."""
        if isinstance(sides, Studied):
            return _studied(sides.quantity)
        if test.metric == "cost ratio":
            return self._cost_ratio(test, sides)
        if test.metric == "cost to target":
            return self._cost_to_target(test, sides)
        if test.baseline in LADDERS:
            return self._at_equal_cost(test, sides)
        ours, theirs = self._points([sides.arm, sides.against])
        collapsed = self._collapsed([sides.arm, sides.against])
        if not ours.size:
            return Measure(missing="no pair of finished runs", collapsed=collapsed)
        if test.metric == "ratio of accuracies":
            return _relative(ours, theirs, collapsed)
        if test.metric == "spread ratio":
            return _spread(ours, theirs, collapsed)
        return self._difference(ours - theirs, collapsed)

    def full_accuracy(self, dataset: str) -> float | None:
        """Mean test accuracy that full training reached, in percent."""
        ladder = self._results.ladder(dataset, "full")
        points = self._points(ladder[-1:])[0] if ladder else np.array([])
        return float(points.mean()) if points.size else None

    def _points(self, arms: Sequence[Arm]) -> list[Array]:
        """Test accuracies in percent at the seeds that every arm has, ``[n]`` each."""
        cells = [self._results.of(arm) for arm in arms]
        seeds = [seed for seed in cells[0] if all(seed in of for of in cells)]
        return [100.0 * np.array([of[seed].accuracy for seed in seeds], dtype=np.float64) for of in cells]

    def _collapsed(self, arms: Sequence[Arm]) -> int:
        return len(frozenset().union(*map(self._fallen, arms)))

    def _fallen(self, arm: Arm) -> frozenset[int]:
        """Seeds at which an arm's run lies below its data set's threshold."""
        least = self._results.matrix.datasets[arm.dataset].collapse
        return frozenset(seed for seed, cell in self._results.of(arm).items() if cell.accuracy < least)

    def _difference(self, differences: Array, collapsed: int) -> Measure:
        interval = INTERVALS[self._results.matrix.interval]

        def bounds(level: float) -> tuple[float, float]:
            found = interval(differences, 1 - 2 * level)
            return found.low, found.high

        sd = mean_interval(differences).sd if differences.size > 1 else None
        return Measure(float(differences.mean()), differences.size, bounds, sd, collapsed=collapsed)

    def _at_equal_cost(self, test: Test, sides: Pair) -> Measure:
        assert test.account is not None and test.cost is not None
        reading = self._ladders.read(sides.arm, sides.baseline, test.account, test.cost)
        if test.cost == "wall_clock" and reading.source != TIMED:
            return Measure(missing=NEEDS_TIMING)
        cells = self._results.of(sides.arm)
        points = {seed: point for seed, point in reading.points.items() if seed in cells}
        if not points:
            return Measure(missing="no seed that has the whole ladder")
        ours = [cells[seed].accuracy for seed in points]
        differences = 100.0 * (np.array(ours) - [point.accuracy for point in points.values()])
        below = [self._fallen(rung) for rung in sides.baseline]
        collapsed = {seed for seed, point in points.items() if any(seed in below[rung] for rung in point.rungs)}
        return self._difference(differences, len(collapsed | self._fallen(sides.arm)))

    def _cost_ratio(self, test: Test, sides: Pair) -> Measure:
        assert test.account is not None and test.cost is not None
        arms = [sides.arm, sides.against]
        if test.cost == "wall_clock":
            found = self._clock.seconds(arms, test.account)
            if found is None or not found.timed:
                return Measure(missing=NEEDS_TIMING)
            ours, theirs = found.values
        else:
            prices = [self._accounts.of(arm, test.account, test.cost) for arm in arms]
            seeds = [seed for seed in prices[0] if seed in prices[1]]
            ours, theirs = (np.array([of[seed] for seed in seeds]) for of in prices)
        return _ratio(theirs, ours)

    def _cost_to_target(self, test: Test, sides: Pair) -> Measure:
        """Baseline's cost over the strategy's, seed by seed: 0 where the strategy misses, anything where both do."""
        assert test.account is not None and test.cost is not None
        ours, theirs = (
            self._results.own_ladder(arm) or self._baseline_ladder(arm) for arm in (sides.arm, sides.against)
        )
        curves = [self._ladders.own_costs(rungs, test.account, test.cost) for rungs in (ours, theirs)]
        if test.cost == "wall_clock":
            found = self._clock.seconds([*ours, *theirs], test.account)
            if found is None or not found.timed:
                return Measure(missing=NEEDS_TIMING)
            prices = found.values.mean(axis=1).tolist()
            cut = len(ours)
            curves = [self._ladders.priced(ours, prices[:cut]), self._ladders.priced(theirs, prices[cut:])]
        goals = goals_of(self._results, test.dataset)
        spent = {
            seed: tuple(of[seed].reach(goal) for of in curves)
            for seed, goal in goals.items()
            if all(seed in of for of in curves)
        }
        if not spent:
            return Measure(missing="no seed with both ladders and a target")
        ratios = np.array([0.0 if math.isinf(own) else other / own for own, other in spent.values()])
        # A side whose cheapest run was good enough might have got there for less: its cost is an upper bound.
        cheaper = np.array([[of[seed].lowest >= goals[seed] for of in curves] for seed in spent])
        either = [min(both) == math.inf for both in spent.values()]
        least, most = np.where(cheaper[:, 1], 0.0, ratios), np.where(cheaper[:, 0] | either, math.inf, ratios)

        def bounds(level: float) -> tuple[float, float]:
            return median_interval(least, 1 - 2 * level).low, median_interval(most, 1 - 2 * level).high

        return Measure(median_interval(ratios).estimate, len(spent), bounds)

    def _baseline_ladder(self, arm: Arm) -> tuple[Arm, ...]:
        """The ladder that a baseline is the top of; the arm alone where it has none."""
        ladder = self._results.ladder(arm.dataset, "full" if arm.role == "full" else "uniform")
        return ladder if arm in ladder[-1:] else (arm,)


def _studied(quantity: Mapping[str, Any]) -> Measure:
    estimate, low, high = (quantity[key] for key in ("estimate", "low", "high"))
    if estimate is None:
        return Measure(missing="the study has too few runs to measure it", n=quantity["n"])
    least = (1 - quantity["confidence"]) / 2

    def bounds(level: float) -> tuple[float, float]:
        if level < least - 1e-9:
            return -math.inf, math.inf
        return -math.inf if low is None else low, math.inf if high is None else high

    return Measure(estimate, quantity["n"], bounds, confidence=quantity["confidence"])


def _ratio(ours: Array, theirs: Array) -> Measure:
    if not ours.size:
        return Measure(missing="no pair of finished runs")
    found = ratio_interval(ours, theirs) if np.isfinite([ours, theirs]).all() else None
    if found is None:
        return Measure(missing="a cost is not known")

    return Measure(found.estimate, ours.size, _ratio_bounds(ours, theirs), fixed=found.low == found.high)


def _relative(ours: Array, theirs: Array, collapsed: int) -> Measure:
    if not theirs.all():
        return Measure(missing="a baseline of no accuracy at all")
    return Measure(
        float(ours.mean() / theirs.mean()),
        ours.size,
        _ratio_bounds(ours, theirs),
        collapsed=collapsed,
    )


def _spread(ours: Array, theirs: Array, collapsed: int) -> Measure:
    if ours.size < 3:
        return Measure(missing="fewer than three pairs have no spread to compare", collapsed=collapsed)
    ratio = spread_ratio(ours, theirs)
    if math.isnan(ratio.low):
        return Measure(missing="one side has no spread at all", collapsed=collapsed)

    def bounds(level: float) -> tuple[float, float]:
        found = spread_ratio(ours, theirs, 1 - 2 * level)
        return found.low, found.high

    return Measure(ratio.ratio, ours.size, bounds, collapsed=collapsed)


def _ratio_bounds(ours: Array, theirs: Array) -> Callable[[float], tuple[float, float]]:
    """The ends of the interval of a ratio of paired means, by level; none where theirs may be nothing at all."""

    def bounds(level: float) -> tuple[float, float]:
        found = fieller_interval(ours, theirs, 1 - 2 * level) if ours.size > 1 else None
        return (-math.inf, math.inf) if found is None else (found.low, found.high)

    return bounds
