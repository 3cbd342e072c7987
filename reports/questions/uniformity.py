"""Do data whose points lie farther apart train faster?"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import numpy as np
from pydantic import Field

from ..document.blocks import Chart, Table
from ..document.numbers import plural
from ..effects.estimate import Estimate, Estimates, by_seed, interval_of, points_of
from ..records.folder import Cell, Dataset, Results
from ..records.measured import Distance
from ..statistics import Array
from ..statistics.crossed import crossed_means, replica_interval
from ..statistics.rankcorrelation import spearman
from .answer import Answer, Fraction, Study, Summary, about
from .measuredarms import FEWEST, PICKS, Measured, answered, ratio_of, references, shown

RULES = 8
"""Rules, below which no correlation is told."""
QUANTITY = "rank correlation of minimum distance with speed of training"
STATIC, ALL = "one subset for the run", "all rules"
APART, GAINED, PASSES = "minimum distance", "area under val accuracy", "passes to the level"

VERDICTS = {
    1: "picks that lie farther apart go with faster training",
    0: "whether farther apart goes with faster training cannot be told",
    -1: "picks that lie farther apart go with slower training",
}

NOTES = ("A correlation over rules is no effect of distance: rules differ in much else.",)


class Uniformity(Study):
    """Distance between picks, over random picks' own, against speed of training, over that of random picks.

    Distance is the logarithm of the minimum distance of what is picked together over the mean of random picks' from
    the same candidates. Speed is the area under the curve of val accuracy over passes, in points, less that of the
    uniform twin of the same seed: what is gained on the way, whatever it cost. The correlation over rules is
    Spearman's of their means over seeds; its interval is of resampled rules and seeds, since both are samples. Rules
    that cut the pool once, as the source does, are apart from all rules.

    Parameters
    ----------
    level : float
        Share in (0, 1) of the twin's last val accuracy, whose passes are told too.
    """

    level: Fraction = Field(0.9, description="a share between 0 and 1, such as 0.9")

    def answer(self, results: Results, summary: Summary) -> Answer:
        """The correlation over rules that cut the pool once, or else over all; both in the table's note."""
        lacking = "no run says the distances between its picks"
        pick = lambda measures: measures.distance  # noqa: E731
        return answered(results, pick, lambda dataset, arms: self._part(results, dataset, arms), lacking)

    def _part(self, results: Results, dataset: Dataset, arms: Mapping[str, Measured[Distance]]) -> Answer:
        rules = Estimates(e for arm in arms.values() if not arm.random for e in self._estimates(results, arm))
        found = Estimates(_correlation(dataset, rules, scope) for scope in (STATIC, ALL))
        told = next((e for e in found if e.value is not None), None)
        lacking = f"it takes {RULES} rules that cut the pool once, all with the same {FEWEST} seeds or more"
        sentence = None
        if told:
            sentence = (
                f"over {told.keys['basis']}, minimum distance of picks and speed of training have rank "
                f"correlation {told:full}: {VERDICTS[told.side()]}"
            )
        table = self._table(dataset, rules, found, references(arms)) if rules else None
        series = []
        for label, static in ((STATIC, True), ("picked again", False)):
            if here := Estimates(e for e in rules if (e.keys["Picks"] == PICKS["run"]) == static):
                x = [math.exp(_mean(e)) for e in here.where(APART)]
                series.append(points_of(label, here.where(GAINED), x))
        title = f"{dataset.title}: distance between picks against speed of training"
        ends = "minimum distance, times random's", "area under val accuracy less random's, points"
        chart = Chart(title, *ends, tuple(series), log_x=True, level=0.0) if rules else None
        return about(dataset.title, sentence, lacking, found, [table], [chart], NOTES)

    def _estimates(self, results: Results, arm: Measured[Distance]) -> Iterator[Estimate]:
        """Of a rule, by seed: distance over random's, area over the twin's, and passes to the level over its."""
        ours, twins = results.of(arm.arm), results.of(arm.arm.twin) if arm.arm.twin else {}
        apart, gained, passes = {}, {}, {}
        for seed, taken in arm.values.items():
            own, other = _curve(ours[seed]), _curve(twins[seed]) if seed in twins else None
            if own is None or other is None or not (taken.minimum > 0 and taken.random_minimum > 0):
                continue
            goal = self.level * other[1][-1]
            apart[seed] = math.log(taken.minimum / taken.random_minimum)
            gained[seed] = 100 * (_area(*own) - _area(*other))
            passes[seed] = math.log(_reached(*own, goal) / _reached(*other, goal))
        if apart:
            yield ratio_of(APART, arm.keys, apart)
            yield by_seed(GAINED, arm.keys, gained, "points")
            yield ratio_of(PASSES, arm.keys, passes)

    def _table(self, dataset: Dataset, rules: Estimates, found: Estimates, features: str) -> Table:
        correlations = [f"{e:full} over {e.keys['basis']}" for e in found if e.value is not None]
        note = (
            "Against random picks of the same number, seed by seed. Picks are those made together: the subset, or one "
            "batch of it where each batch is picked. A level that is not reached counts as reached at the end. "
            f"Euclidean distances of the features of {features}, as they are."
        )
        note += f" Rank correlation of distance and area: {', '.join(correlations)}." if correlations else ""
        seeds = {e.n for e in rules}
        note += f" Rules with fewer than {max(seeds)} seeds are in no correlation." if len(seeds) > 1 else ""
        order = sorted(rules.where(APART), key=lambda e: -_mean(e))
        return Estimates(e for first in order for e in rules.where(Rule=first.keys["Rule"])).table(
            f"{dataset.title}: distance between picks, and speed of training",
            ("Rule", "Picks"),
            {
                "Minimum distance, times random's [95 %]": shown(APART),
                "Area under val accuracy, points [95 %]": shown(GAINED),
                f"Passes to {100 * self.level:.3g} % of the twin's end, times its [95 %]": shown(PASSES),
                "Seeds": lambda row: row[0].n,
            },
            note,
        )


def _correlation(dataset: Dataset, rules: Estimates, scope: str) -> Estimate:
    """Spearman's over the rules of a scope, of those with the most seeds; without a value where there are too few."""
    inside = rules if scope == ALL else rules.where(Picks=PICKS["run"])
    most = max((e.n for e in inside), default=0)
    sides = [[e.record for e in inside.where(name) if e.n == most] for name in (APART, GAINED)]
    count = len(sides[0])
    rules_of = plural(count, "rule") + (" that pick once" if scope == STATIC else "")
    keys = {"dataset": dataset.name, "basis": f"{rules_of} ({plural(most, 'seed')})"}
    found = None
    if count >= RULES and most >= FEWEST and len({tuple(of) for of in sides[0]}) == 1:
        tables = [np.array([[*of.values()] for of in side]) for side in sides]
        estimate = float(spearman(*(table.mean(1) for table in tables)))
        found = replica_interval(estimate, spearman(*crossed_means(tables)))
        found = found if math.isfinite(found.low) else None
    return interval_of(f"{QUANTITY}, {scope}", keys, found, count * most, "correlation")


def _mean(e: Estimate) -> float:
    return float(np.mean([*e.record.values()]))


def _curve(cell: Cell) -> tuple[Array, Array] | None:
    """Progress and val accuracy ``[points]``; None where val was not looked at."""
    known = [(point.progress, point.val_accuracy) for point in cell.curve if point.val_accuracy is not None]
    if len(known) < 2 or not np.isfinite(known).all():
        return None
    progress, accuracy = np.array(known, dtype=np.float64).T
    return progress, accuracy


def _area(progress: Array, accuracy: Array) -> float:
    """Mean accuracy from the first point to the end; before the first it counts as at the first."""
    return float(np.trapezoid(accuracy, progress) + progress[0] * accuracy[0])


def _reached(progress: Array, accuracy: Array, goal: float) -> float:
    """Progress at which ``goal`` is first reached, between points as a straight line; the end where it never is."""
    above = np.flatnonzero(accuracy >= goal)
    after = int(above[0]) if above.size else len(progress) - 1
    if not above.size or not after:
        return float(progress[after])
    at = slice(after - 1, after + 1)
    return float(np.interp(goal, accuracy[at], progress[at]))
