"""Do data whose points lie farther apart train faster?"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..document.blocks import Chart, Series, Table
from ..document.numbers import NONE, correlation, plural, points
from ..effects.estimate import Quantity
from ..records.folder import Cell, Dataset, Results
from ..records.measured import Distance
from ..statistics import Array, Interval, mean_interval
from ..statistics.crossed import crossed_means, replica_interval
from ..statistics.rankcorrelation import spearman
from .answer import Answer, Names, Summary
from .measuredarms import FEWEST, Measured, answered, listed, quantity, times, unlogged
from .options import fraction, only

RULES = 8
"""Rules, below which no correlation is told."""
QUANTITY = "rank correlation of minimum distance with speed of training"


class Uniformity:
    """Distance between picks, over random picks' own, against speed of training, over that of random picks.

    Distance is the logarithm of the minimum distance of what is picked together over the mean of random picks' from
    the same candidates. Speed is the area under the curve of val accuracy over passes, in points, less that of the
    uniform twin of the same seed: what is gained on the way, whatever it cost. The correlation over rules is
    Spearman's of their means over seeds; its interval is of resampled rules and seeds, since both are samples. Rules
    that cut the pool once, as the source does, are apart from all rules.

    Parameters
    ----------
    options : mapping
        ``level``: share in (0, 1) of the twin's last val accuracy, whose passes are told too; 0.9 by default.
    names : Names
        What the matrix holds.

    Raises
    ------
    ValueError
        One line, for options that are wrong.
    """

    def __init__(self, options: Mapping[str, Any], names: Names) -> None:
        only(options, ("level",))
        self.level = fraction(options, "level", 0.9)

    def answer(self, results: Results, summary: Summary) -> Answer:
        """The correlation on each data set with measured cells."""
        return answered(
            results,
            lambda measures: measures.distance,
            lambda dataset, arms: _Part(self.level, results, dataset, arms).answer(),
            "No answer yet: no run says the distances between its picks.",
        )


@dataclass(frozen=True)
class _Row:
    """A rule by seed: log distance over random, area over the twin's (points), log passes to the level over its."""

    arm: Measured[Distance]
    seeds: tuple[int, ...]
    apart: Array
    gained: Array
    passes: Array

    @property
    def static(self) -> bool:
        return self.arm.arm.cadence == "run"


class _Part:
    """What one data set says."""

    def __init__(
        self, level: float, results: Results, dataset: Dataset, arms: Mapping[str, Measured[Distance]]
    ) -> None:
        self.level, self.results, self.dataset, self.arms = level, results, dataset, arms
        rows = (self._row(arm) for arm in arms.values() if not arm.random)
        self.rows = [row for row in rows if row is not None]

    def answer(self) -> Answer:
        """Sentence, quantities, table and chart of this data set."""
        found = [(scope, *self._correlation(rows)) for scope, rows in self._scopes()]
        told = [self._told(scope, each, rows, seeds) for scope, each, rows, seeds in found if each is not None]
        lacking = f"it takes {RULES} rules that cut the pool once, all with the same {FEWEST} seeds or more"
        return Answer(
            sentence=f"{self.dataset.title}: {'; '.join(told) if told else f'no answer yet, since {lacking}'}.",
            enough=bool(told),
            quantities=tuple(self._quantity(*each) for each in found),
            tables=(self._table(),) if self.rows else (),
            charts=(self._chart(),) if self.rows else (),
            notes=self._notes(),
        )

    def _scopes(self) -> tuple[tuple[str, list[_Row]], ...]:
        return (("one subset for the run", [row for row in self.rows if row.static]), ("all rules", self.rows))

    def _row(self, arm: Measured[Distance]) -> _Row | None:
        ours, twins = self.results.of(arm.arm), self.results.of(arm.arm.twin) if arm.arm.twin else {}
        seeds, apart, gained, passes = [], [], [], []
        for seed, taken in arm.values.items():
            own, other = _curve(ours[seed]), _curve(twins[seed]) if seed in twins else None
            if own is None or other is None or not (taken.minimum > 0 and taken.random_minimum > 0):
                continue
            goal = self.level * other[1][-1]
            seeds.append(seed)
            apart.append(math.log(taken.minimum / taken.random_minimum))
            gained.append(100 * (_area(*own) - _area(*other)))
            passes.append(math.log(_reached(*own, goal) / _reached(*other, goal)))
        return _Row(arm, tuple(seeds), *map(np.array, (apart, gained, passes))) if seeds else None

    def _correlation(self, rows: Sequence[_Row]) -> tuple[Interval | None, list[_Row], int]:
        """Spearman's correlation over rules with its interval, the rules and the seeds that they share."""
        most = max((len(row.seeds) for row in rows), default=0)
        rows = [row for row in rows if len(row.seeds) == most]
        shared = {row.seeds for row in rows}
        if len(rows) < RULES or most < FEWEST or len(shared) != 1:
            return None, rows, most
        tables = [np.array([row.apart for row in rows]), np.array([row.gained for row in rows])]
        estimate = float(spearman(*(table.mean(1) for table in tables)))
        found = replica_interval(estimate, spearman(*crossed_means(tables)))
        return (found if math.isfinite(found.low) else None), rows, most

    def _told(self, scope: str, found: Interval, rows: list[_Row], seeds: int) -> str:
        way = "faster" if found.low > 0 else "slower" if found.high < 0 else ""
        says = f"picks that lie farther apart go with {way} training over {scope}"
        if not way:
            says = f"over {scope} it cannot be told whether picks that lie farther apart go with faster training"
        ends = sorted(rows, key=lambda row: float(row.apart.mean()))
        closest, farthest = (
            f"{row.arm.name} ({math.exp(row.apart.mean()):.2f} times random's minimum distance, "
            f"{points(float(row.gained.mean()))} points of area)"
            for row in (ends[0], ends[-1])
        )
        ranks = f"{correlation(found.estimate)} [{correlation(found.low)}, {correlation(found.high)}]"
        size = f"{plural(len(rows), 'rule')}, {plural(seeds, 'seed')}"
        return f"{says}: rank correlation {ranks} ({size}), from {closest} to {farthest}"

    def _quantity(self, scope: str, found: Interval | None, rows: list[_Row], seeds: int) -> Quantity:
        return quantity(f"{QUANTITY}, {scope}", self.dataset.name, found, len(rows) * seeds)

    def _table(self) -> Table:
        return Table(
            title=f"{self.dataset.title}: distance between picks, and speed of training",
            columns=(
                "Rule", "Picks", "Minimum distance, times random's [95 %]", "Area under val accuracy, points [95 %]",
                f"Passes to {100 * self.level:.3g} % of the twin's end, times its [95 %]", "Seeds",
            ),
            rows=tuple(
                (
                    row.arm.name,
                    {"run": "once", "epoch": "each epoch", "batch": "each batch"}.get(row.arm.arm.cadence, NONE),
                    _times(row.apart),
                    _points(row.gained),
                    _times(row.passes),
                    str(len(row.seeds)),
                )
                for row in sorted(self.rows, key=lambda row: -float(row.apart.mean()))
            ),
            note="Against random picks of the same number, seed by seed. Picks are those made together: the subset, or "
            "one batch of it where each batch is picked. A level that is not reached counts as reached at the end.",
        )  # fmt: skip

    def _chart(self) -> Chart:
        series = []
        for label, static in (("one subset for the run", True), ("picked again", False)):
            rows = [row for row in self.rows if row.static == static]
            found = [mean_interval(row.gained) if len(row.seeds) >= FEWEST else None for row in rows]
            if rows:
                series.append(
                    Series(
                        label,
                        x=tuple(math.exp(float(row.apart.mean())) for row in rows),
                        y=tuple(float(row.gained.mean()) for row in rows),
                        low=tuple(None if each is None else each.low for each in found),
                        high=tuple(None if each is None else each.high for each in found),
                        joined=False,
                    )
                )
        return Chart(
            title=f"{self.dataset.title}: distance between picks against speed of training",
            x_label="minimum distance, times random's",
            y_label="area under val accuracy less random's, points",
            series=tuple(series),
            log_x=True,
            level=0.0,
        )

    def _notes(self) -> tuple[str, ...]:
        references = sorted({taken.reference for arm in self.arms.values() for taken in arm.values.values()})
        notes = [
            f"{self.dataset.title}: Euclidean distances of the features of {listed(references)}, as they are.",
            "A correlation over rules is no effect of distance: rules differ in much else.",
        ]
        partial = {len(row.seeds) for row in self.rows}
        if len(partial) > 1:
            notes.append(f"{self.dataset.title}: rules with fewer than {max(partial)} seeds are in no correlation.")
        return tuple(notes)


def _curve(cell: Cell) -> tuple[Array, Array] | None:
    """Progress and val accuracy ``[points]``; None where val was not looked at."""
    known = [(point.progress, point.val_accuracy) for point in cell.curve if point.val_accuracy is not None]
    if len(known) < 2 or not np.isfinite(known).all():
        return None
    progress, accuracy = np.array(known, dtype=np.float64).T
    return progress, accuracy


def _area(progress: Array, accuracy: Array) -> float:
    """Mean accuracy from the first point to the end; before the first it counts as at the first."""
    steps = np.diff(progress)
    inside = float((steps * (accuracy[1:] + accuracy[:-1]) / 2).sum())
    return inside + float(progress[0] * accuracy[0])


def _reached(progress: Array, accuracy: Array, goal: float) -> float:
    """Progress at which ``goal`` is first reached, between points as a straight line; the end where it never is."""
    above = np.flatnonzero(accuracy >= goal)
    if not above.size:
        return float(progress[-1])
    after = int(above[0])
    if not after:
        return float(progress[0])
    before = after - 1
    share = (goal - accuracy[before]) / (accuracy[after] - accuracy[before])
    return float(progress[before] + share * (progress[after] - progress[before]))


def _times(logs: Array) -> str:
    return times(unlogged(mean_interval(logs))) if len(logs) >= FEWEST else NONE


def _points(values: Array) -> str:
    if len(values) < FEWEST:
        return NONE
    found = mean_interval(values)
    return f"{points(found.estimate)} [{points(found.low)}, {points(found.high)}]"
