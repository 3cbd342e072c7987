"""The estimate of an estimand, with its interval at any level.

An accuracy difference, also that of the worst classes, has the interval that the matrix declared for its contrasts
(paired t, or inverted sign flips);
a ratio of accuracies or costs Fieller's (1954), which inverts the paired t test of ours - ratio x theirs, a point where
nothing varies; a cost to the target of :mod:`selbench.reports.effects.targets` the order statistics' of the median
over seeds; a ratio of spreads Pitman's and Morgan's, paired. A study's number comes with its one interval: it stands
for lower confidence too, and says nothing at a higher one.

Seconds are those of the timing pass or none at all.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from .. import statistics
from ..records.folder import TIMED, Arm, Results
from ..statistics import (
    INTERVALS,
    Array,
    Interval,
    SpreadRatio,
    corrected_interval,
    mean_interval,
    median_interval,
    spread_ratio,
)
from .classes import NOT_BY_CLASS, ByClass
from .estimand import PRICED, Estimand, Studied
from .images import correctness
from .pairing import Pairs, common
from .targets import goals_of, speedup, spent_on

Bounds = Callable[[float], tuple[float, float]]
NEEDS_TIMING = "needs a timing pass"


@dataclass(frozen=True)
class Measure:
    """A number with its two-sided interval of confidence 1 - 2 x level, for any one-sided level."""

    estimate: float | None = None  # None where there is nothing to measure
    n: int = 0  # pairs: seeds, or blocks of the timing pass
    bounds: Bounds = lambda level: (-math.inf, math.inf)  # called only where there are two pairs or more
    sd: float | None = None  # of differences in points
    fixed: bool = False  # nothing varies: the interval is a point and no pairs are too few
    collapsed: int = 0  # runs on either side, where accuracies are read
    missing: str = ""  # why there is nothing
    confidence: float | None = None  # of the only interval there is, where it is the same at every level
    quantity: str = ""
    keys: Mapping[str, str] = field(default_factory=dict)


def measure(pairs: Pairs, asked: Estimand | Studied | str) -> Measure:
    if isinstance(asked, str):
        return Measure(missing=asked)
    if isinstance(asked, Studied):
        return _studied(asked.quantity)
    return replace(_measured(pairs, asked), quantity=asked.metric, keys=asked.keys)


def _measured(pairs: Pairs, asked: Estimand) -> Measure:
    if asked.metric in PRICED:
        return (_cost_ratio if asked.metric == "cost ratio" else _cost_to_target)(pairs, asked)
    sample = pairs.sample(asked)
    if asked.cost == "wall_clock" and sample.source != TIMED:
        return Measure(missing=NEEDS_TIMING)
    ours, theirs, collapsed, by = sample.ours, sample.theirs, sample.collapsed, sample.price
    if not ours.size:
        missing = "no seed that has the whole ladder" if asked.ladder else "; ".join(sample.notes)
        missing = missing or "no pair of finished runs"
        return Measure(missing=missing, collapsed=0 if asked.ladder else collapsed)
    if asked.metric == "worst class":
        sample = ByClass(pairs.results).worst(asked)
        if not sample.seeds:
            return Measure(missing=NOT_BY_CLASS, collapsed=collapsed)
    if asked.metric == "ratio of accuracies":
        if not theirs.all():
            return Measure(missing="a baseline of no accuracy at all")
        ratio = float(ours.mean() / theirs.mean())
        return Measure(ratio, ours.size, _ratio_bounds(ours, theirs), collapsed=collapsed)
    if asked.metric == "spread ratio":
        if ours.size < 3:
            return Measure(missing="fewer than three pairs have no spread to compare", collapsed=collapsed)
        spreads = spread_ratio(ours, theirs)
        if math.isnan(spreads.low):
            return Measure(missing="one side has no spread at all", collapsed=collapsed)
        bounds = _bounds(lambda confidence: spread_ratio(ours, theirs, confidence))
        return Measure(spreads.ratio, ours.size, bounds, collapsed=collapsed)
    if asked.ladder and (sample.above or sample.below):
        return Measure(missing="its cost lies outside the ladder, and nothing is extrapolated", collapsed=collapsed)
    differences, interval = sample.differences, INTERVALS[pairs.results.matrix.interval]
    sd = mean_interval(differences).sd if differences.size > 1 else None
    in_population = pairs.results.matrix.scope == "population" and asked.metric == "accuracy"
    bits = correctness(pairs.results, asked, sample.seeds) if in_population else None
    error = 0.0 if bits is None else statistics.image_error(*bits)

    def both(confidence: float) -> Interval:
        """As verdicts read it: the end that speaks for the arm has the test images' error too."""
        found = interval(differences, confidence) if by is None else corrected_interval(differences, by, confidence)
        return found._replace(low=statistics.widened(found, error, confidence).low)

    # A chord's bias favours the strategy: read off a ladder, only harm can be shown.
    bounds = _no_lower(_bounds(both)) if asked.ladder else _bounds(both)
    shift = 0.0 if by is None else by.shift
    return Measure(float(differences.mean()) - shift, differences.size, bounds, sd, collapsed=collapsed)


def _bounds(interval: Callable[[float], Interval | SpreadRatio | None]) -> Bounds:
    """The ends of an interval, given by its confidence, as a function of the one-sided level; none where it is None."""

    def bounds(level: float) -> tuple[float, float]:
        found = interval(1 - 2 * level)
        return (-math.inf, math.inf) if found is None else (found.low, found.high)

    return bounds


def _no_lower(bounds: Bounds) -> Bounds:
    return lambda level: (-math.inf, bounds(level)[1])


def _ratio_bounds(ours: Array, theirs: Array) -> Bounds:
    """Of a ratio of paired means; no ends where theirs may be nothing at all."""
    return _bounds(lambda confidence: statistics.fieller_interval(ours, theirs, confidence) if ours.size > 1 else None)


def _cost_ratio(pairs: Pairs, asked: Estimand) -> Measure:
    paid = pairs.prices([asked.arm, asked.rival], str(asked.account), str(asked.cost))
    if asked.cost == "wall_clock" and (paid is None or paid.source != TIMED):
        return Measure(missing=NEEDS_TIMING)
    assert paid is not None
    ours, theirs = paid.values
    if not ours.size:
        return Measure(missing="no pair of finished runs")
    found = statistics.ratio_interval(theirs, ours) if paid.known else None
    if found is None:
        return Measure(missing="a cost is not known")
    return Measure(found.estimate, ours.size, _ratio_bounds(theirs, ours), fixed=found.low == found.high)


def _cost_to_target(pairs: Pairs, asked: Estimand) -> Measure:
    """The rival's cost over the arm's, seed by seed: 0 where the arm misses, anything where both do."""
    results = pairs.results
    ours, theirs = (results.own_ladder(arm) or _baseline_ladder(results, arm) for arm in (asked.arm, asked.rival))
    found = pairs.to_target(ours, theirs, str(asked.account), str(asked.cost))
    if found is None:
        return Measure(missing=NEEDS_TIMING)
    curves, goals = found[:2], goals_of(results, asked.arm.dataset)
    spent = common(*(spent_on(of, goals) for of in curves))
    if not spent:
        return Measure(missing="no seed with both ladders and a target")
    ratios = np.array([speedup(*both) for both in spent.values()])
    # A side whose cheapest run was good enough might have got there for less: its cost is an upper bound.
    cheaper = np.array([[of[seed].lowest >= goals[seed] for of in curves] for seed in spent])
    either = [min(both) == math.inf for both in spent.values()]
    least, most = np.where(cheaper[:, 1], 0.0, ratios), np.where(cheaper[:, 0] | either, math.inf, ratios)

    def bounds(level: float) -> tuple[float, float]:
        return median_interval(least, 1 - 2 * level).low, median_interval(most, 1 - 2 * level).high

    return Measure(median_interval(ratios).estimate, len(spent), bounds)


def _baseline_ladder(results: Results, arm: Arm) -> tuple[Arm, ...]:
    """The ladder that a baseline is the top of; the arm alone where it has none."""
    ladder = results.ladder(arm.dataset, "full" if arm.role == "full" else "uniform")
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

    keys = {name: quantity[name] for name in ("dataset", "strategy", "rival")}
    named = {"quantity": quantity["name"], "keys": keys}
    return Measure(estimate, quantity["n"], bounds, confidence=quantity["confidence"], **named)
