"""What each reference is worth to a strategy: its quality, what is gained with it, and whether that fits a line."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from ..effects.costs import closure
from ..records.folder import Arm, Cell, Results
from ..statistics import Interval, mean_interval
from ..statistics.samples import Array
from ..statistics.slopes import Ahead, blocked_slope, off_the_line, predicted, range_of_items, spread_of_items

LEAK = "LEAK"
"""How the description of a reference begins that was trained on the test images."""

FEWEST = 3
"""References on a line, of unlike accuracy: two always lie on one."""

APART = 0.1
"""Points of accuracy between the worst and the best of them, at least."""

Kind = Literal["line", "none", "anomaly"]


@dataclass(frozen=True)
class Worth:
    """A strategy with one reference.

    Parameters
    ----------
    reference : str
    kind : {"line", "none", "anomaly"}
        On the line, known to hold no information, or known to be what no reference may be.
    quality : mapping of seed to float
        Share of the pool that the reference, or a probe on its features, classifies rightly, in percent.
    benefit, beside_full : mapping of seed to float
        Accuracy less that of the uniform twin, and less that of full training, in points.
    mark : str
        What its record says of it; may be empty.
    """

    reference: str
    kind: Kind
    quality: Mapping[int, float]
    benefit: Mapping[int, float]
    beside_full: Mapping[int, float]
    mark: str = ""

    @property
    def accuracy(self) -> float | None:
        """Mean quality over seeds."""
        return float(np.mean(list(self.quality.values()))) if self.quality else None

    @property
    def gain(self) -> Interval | None:
        """Mean benefit; without ends where there is one seed."""
        return estimated(self.benefit)


def estimated(values: Mapping[int, float]) -> Interval | None:
    """Mean over seeds with its t interval; ends are nan with one seed, and there is nothing without any."""
    if not values:
        return None
    if len(values) == 1:
        return Interval(next(iter(values.values())), math.nan, math.nan, math.nan)
    return mean_interval(list(values.values()))


@dataclass(frozen=True)
class Line:
    """A strategy's benefit over the quality of its references, on the seeds that have all of them.

    Parameters
    ----------
    on : tuple of Worth
        The references that the line is fitted to.
    seeds : tuple of int
    """

    on: tuple[Worth, ...]
    seeds: tuple[int, ...]

    @cached_property
    def x(self) -> Array:
        """Quality ``[references]``, in percent."""
        return np.array([np.mean([worth.quality[seed] for seed in self.seeds]) for worth in self.on])

    @cached_property
    def y(self) -> Array:
        """Benefit ``[seeds, references]``, in points."""
        return np.array([[worth.benefit[seed] for worth in self.on] for seed in self.seeds])

    @cached_property
    def slope(self) -> Interval:
        """Points for each 10 points of quality."""
        return blocked_slope(self.x / 10, self.y)

    @cached_property
    def spread(self) -> Interval:
        """SD of the benefit over these references, noise taken off."""
        return spread_of_items(self.y)

    @cached_property
    def width(self) -> Interval:
        """Largest less smallest benefit."""
        return range_of_items(self.y)

    def extremes(self) -> tuple[str, str]:
        """The references of the smallest and of the largest benefit."""
        means = self.y.mean(axis=0)
        return self.on[int(means.argmin())].reference, self.on[int(means.argmax())].reference

    def at(self, quality: float) -> float:
        """What the line says."""
        return self.predicted(quality).estimate

    def predicted(self, quality: float) -> Ahead:
        """Where a further reference of this quality would lie."""
        return predicted(self.x, self.y.mean(axis=0), quality)

    def strays(self) -> dict[str, Interval]:
        """References whose benefit is out of line with their accuracy: points above the line of the others.

        They lie outside its prediction interval, at 95 % for all of them together (Bonferroni).
        """
        found = {}
        for worth in self.on:
            others = tuple(one for one in self.on if one is not worth)
            rest = Line(others, self.seeds)
            if len(others) < FEWEST or float(np.ptp(rest.x)) < APART:
                continue
            off = rest.distance(worth, confidence=1 - 0.05 / len(self.on))
            if off is not None and off[1]:
                found[worth.reference] = off[0]
        return found

    def distance(self, worth: Worth, confidence: float = 0.95) -> tuple[Interval, bool, int] | None:
        """Points above the line, whether outside its prediction interval, and seeds; None with fewer than two."""
        seeds = [seed for seed in self.seeds if seed in worth.benefit and seed in worth.quality]
        if len(seeds) < 2:
            return None
        at = float(np.mean([worth.quality[seed] for seed in seeds]))
        kept = self.y[[self.seeds.index(seed) for seed in seeds]]
        theirs = np.array([worth.benefit[seed] for seed in seeds])
        where = predicted(self.x, kept.mean(axis=0), at, confidence)
        outside = not where.low <= float(theirs.mean()) <= where.high
        return mean_interval(off_the_line(self.x, kept, at, theirs)), outside, len(seeds)


def line_through(worths: tuple[Worth, ...]) -> Line | str:
    """The line through the references that belong on it; why there is none, where there is none."""
    on = tuple(worth for worth in worths if worth.kind == "line" and worth.quality and worth.benefit)
    if len(on) < FEWEST:
        have = "none has" if not on else "one has" if len(on) == 1 else f"{len(on)} have"
        return f"a line needs {FEWEST} references with an accuracy and runs, and {have}"
    seeds = sorted(set.intersection(*({*worth.benefit} & {*worth.quality} for worth in on)))
    if len(seeds) < 2:
        return f"an interval needs 2 seeds that have every reference, and there {_are(len(seeds))}"
    line = Line(on, tuple(seeds))
    if float(np.ptp(line.x)) < APART:
        return "the references are all of one accuracy"
    return line


def _are(number: int) -> str:
    return "is none" if number == 0 else "is one"


def worths(
    results: Results, dataset: str, label: str, none: tuple[str, ...], anomalies: tuple[str, ...]
) -> tuple[Worth, ...]:
    """A strategy with each of its references on a data set, in the matrix's order.

    A reference whose record says that it is a leak is an anomaly, whatever it is called.
    """
    full = next((arm for arm in results.ladder(dataset, "full") if arm.rung == 1.0), None)
    found = []
    for arm in results.arms(dataset=dataset, role="strategy"):
        if arm.label != label or not arm.reference:
            continue
        cells = results.of(arm)
        marks = {mark for cell in cells.values() if (mark := _mark(results, cell)).startswith(LEAK)}
        anomaly = arm.reference in anomalies or bool(marks)
        kind: Kind = "anomaly" if anomaly else "none" if arm.reference in none else "line"
        known = {seed: _quality(results, cell) for seed, cell in cells.items()}
        quality = {seed: 100 * share for seed, share in known.items() if share is not None}
        twin = results.of(arm.twin) if arm.twin else {}
        beside = _less(cells, results.of(full) if full else {})
        found.append(Worth(arm.reference, kind, quality, _less(cells, twin), beside, "".join(sorted(marks)[:1])))
    return tuple(found)


def _less(ours: Mapping[int, Cell], theirs: Mapping[int, Cell]) -> dict[int, float]:
    return {seed: 100 * (cell.accuracy - theirs[seed].accuracy) for seed, cell in ours.items() if seed in theirs}


def _quality(results: Results, cell: Cell) -> float | None:
    """Accuracy of the reference that a cell read, in [0, 1]; None where its record has none."""
    for id in sorted(closure(cell.artefacts, results.artefacts) or ()):
        made = results.artefacts[id]
        share = made.quality.get("accuracy")
        if (made.kind, made.name) == ("reference", cell.reference) and share is not None and math.isfinite(share):
            return share
    return None


def _mark(results: Results, cell: Cell) -> str:
    """What the record of a cell's reference says of where it is from."""
    made = (results.artefacts[id] for id in cell.artefacts if id in results.artefacts)
    return next((one.external for one in made if one.kind == "reference"), "")


def referring(arms: tuple[Arm, ...]) -> tuple[str, ...]:
    """Labels of the strategies that read a reference, each once."""
    return tuple(dict.fromkeys(arm.label for arm in arms if arm.reference))
