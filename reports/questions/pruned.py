"""What a static rule did against a random subset of its size, at each keep ratio of one data set's entry."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from ..records.folder import Results
from ..statistics import Interval, mean_interval
from ..statistics.crossing import Crossing, crossing

FIXED = re.compile(r"fixed[ (](0?\.\d+)\)?")
CONFIDENCE = 0.95


def family(prefix: str, labels: Iterable[str]) -> tuple[str, ...]:
    """The labels that are ``prefix`` and a percentage kept: ``el2n-30``."""
    return tuple(label for label in labels if re.fullmatch(rf"{re.escape(prefix)}-\d+(\.\d+)?", label))


@dataclass(frozen=True)
class Place:
    """One percentage kept: accuracies in percent by seed, of the rule's runs and of the random subsets' beside them."""

    kept: float
    label: str
    rival: str
    ours: dict[int, float]
    random: dict[int, float]

    @property
    def seeds(self) -> set[int]:
        """Those of both."""
        return self.ours.keys() & self.random.keys()

    def differences(self, seeds: Iterable[int]) -> list[float]:
        """The rule's accuracy minus random's, in points."""
        return [self.ours[seed] - self.random[seed] for seed in seeds]

    def gap(self, confidence: float = CONFIDENCE) -> Interval | None:
        """Their mean over all pairs with its paired t interval, whose ends are nan with one pair; None without any."""
        found = self.differences(sorted(self.seeds))
        if len(found) > 1:
            return mean_interval(found, confidence)
        return Interval(found[0], math.nan, math.nan, math.nan) if found else None


@dataclass(frozen=True)
class Curve:
    """A rule in one entry, percentages kept ascending; ``crossing`` is None where there are too few pairs.

    ``seeds`` and ``read`` are the seeds and the percentages kept that the crossing is read from.
    """

    dataset: str
    rule: str
    prefix: str
    places: tuple[Place, ...]
    crossing: Crossing | None
    seeds: tuple[int, ...]
    read: tuple[float, ...]

    @property
    def pairs(self) -> int:
        """The most pairs at a keep ratio."""
        return max((len(place.seeds) for place in self.places), default=0)

    def means(self) -> dict[float, float]:
        """Percentage kept -> mean difference in points, of what the crossing is read from."""
        read = (place for place in self.places if place.kept in self.read)
        return {place.kept: float(np.mean(place.differences(self.seeds))) for place in read}


def curve(results: Results, dataset: str, rule: str, prefix: str) -> Curve:
    """Read a rule's runs; the crossing is over percentages kept with two pairs or more, by the seeds they all have."""
    found: dict[float, Place] = {}
    for arm in results.arms(dataset=dataset, role="strategy"):
        twin, ratio = results.matrix.arms.get(arm.twin), FIXED.fullmatch(arm.schedule)
        if family(prefix, [arm.label]) and twin is not None and ratio is not None:
            place = Place(
                kept=round(100 * float(ratio[1]), 9),
                label=arm.label,
                rival=twin.label,
                ours=_accuracies(results, arm.key),
                random=_accuracies(results, twin.key),
            )
            found.setdefault(place.kept, place)
    places = tuple(found[kept] for kept in sorted(found))
    usable = [place for place in places if len(place.seeds) > 1]
    seeds = sorted(set.intersection(*(place.seeds for place in usable))) if usable else []
    read = tuple(place.kept for place in usable)
    cross = None
    if len(usable) > 1 and len(seeds) > 1:
        cross = crossing(read, np.array([place.differences(seeds) for place in usable]).T, CONFIDENCE)
    return Curve(dataset, rule, prefix, places, cross, tuple(seeds), read)


def _accuracies(results: Results, key: str) -> dict[int, float]:
    return {seed: 100 * cell.accuracy for seed, cell in results.of(key).items() if math.isfinite(cell.accuracy)}
