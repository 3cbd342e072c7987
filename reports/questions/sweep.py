"""How does a rule depend on one of its parameters? Its accuracy over the values, and what sets it apart at each."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Annotated, Any, Self

from pydantic import Field, ValidationInfo, model_validator

from ..document.blocks import Chart, Series, Table
from ..document.numbers import plural
from ..effects.estimate import Column, Estimate, Estimates, by_seed, points_of
from ..effects.pairing import accuracies, apart
from ..records.folder import Arm, Results
from .answer import Answer, Study, Summary, about, joined, known
from .crossover import GAP

ACCURACY = "test accuracy in percent"
BEHIND = "accuracy minus full's in points"
CHANGE = "accuracy at the last value minus the first's in points"
TENFOLD = 10  # values that span as much are shown on a logarithmic axis
NOTE = (
    "Means over seeds with 95 % paired t intervals, each read by itself: none is corrected for the number of values, "
    "so the best of them looks better than it is. A value chosen here needs seeds of its own."
)

Value = bool | int | float | str
Values = Annotated[dict[str, Value], Field(min_length=2)]


class Sweep(Study):
    """Accuracy over the values of a parameter, beside full training and random picks of the same number.

    A matrix asks it by itself for each list among the parameters of a strategy.

    Parameters
    ----------
    over : str
        What the values are of, such as ``ratio``.
    curves : mapping
        Name to show -> the labels of its arms, each with its value: ``{ ccs = { "ccs-10" = 0.1, "ccs-50" = 0.5 } }``.
    """

    over: str = Field(description='the name of a parameter, such as over = "ratio"')
    curves: dict[str, Values] = Field(
        min_length=1, description='two labels or more a curve, each with its value: { ccs = { "ccs-10" = 0.1, ... } }'
    )

    @model_validator(mode="after")
    def _is_in_the_matrix(self, info: ValidationInfo) -> Self:
        names: Any = info.context
        for labels in self.curves.values():
            for label in labels:
                known(label, names.strategies)
        return self

    def answer(self, results: Results, summary: Summary) -> Answer:
        """How far the first curve goes from its first value to its last on the first data set; tables have the rest."""
        parts = [self._on(results, dataset) for dataset in results.matrix.datasets]
        return joined([part for part in parts if part], "no arm of this sweep has a run")

    def _on(self, results: Results, dataset: str) -> Answer | None:
        found = Estimates(self._estimates(results, dataset))
        if not found:
            return None
        change, title = found.one(CHANGE), results.matrix.datasets[dataset].title
        sentence = None
        if change and change.low is not None:
            keys, seeds = change.keys, plural(change.n, "seed")
            ends = f"from {self.over} {keys['first']} to {keys['last']}"
            sentence = f"the accuracy of {keys['curve']} changes by {change} points {ends} ({seeds})"
        tables = self._tables(title, found)
        return about(title, sentence, "no two seeds have both ends", found, tables, self._charts(title, found), [NOTE])

    def _estimates(self, results: Results, dataset: str) -> Iterator[Estimate]:
        """Of each value that has runs, numbers ascending, and of the ends of each curve."""
        full = next((accuracies(results, a) for a in results.ladder(dataset, "full") if a.rung == 1), {})
        for curve, labels in self.curves.items():
            arms = [arm for arm in results.arms(dataset=dataset, role="strategy") if arm.label in labels]
            references = dict.fromkeys(arm.reference for arm in arms)
            for reference in references:
                name = f"{curve} ({reference})" if len(references) > 1 else curve
                own = {arm.label: arm for arm in arms if arm.reference == reference}
                order = sorted(labels, key=labels.__getitem__) if self._numbers else labels
                rows = [(labels[of], own[of], accuracies(results, own[of])) for of in order if of in own]
                rows = [row for row in rows if row[2]]
                for value, arm, ours in rows:
                    keys = self._keys(arm, name, value)
                    random = accuracies(results, results.matrix.arms.get(arm.twin))
                    yield by_seed(ACCURACY, keys, ours, "percent")
                    yield by_seed(BEHIND, {**keys, "rival": "full"}, apart(ours, full), "points")
                    yield by_seed(GAP, {**keys, "rival": "twin"}, apart(ours, random), "points")
                if len(rows) > 1:
                    (first, _, begin), (last, arm, end) = rows[0], rows[-1]
                    ends = {"first": _text(first), "last": _text(last)}
                    yield by_seed(CHANGE, self._keys(arm, name, last) | ends, apart(end, begin), "points")

    def _keys(self, arm: Arm, curve: str, value: Value) -> dict[str, str]:
        return {"dataset": arm.dataset, "strategy": arm.label, "curve": curve, self.over: _text(value)}

    @property
    def _numbers(self) -> bool:
        every = (value for labels in self.curves.values() for value in labels.values())
        return all(isinstance(value, int | float) and not isinstance(value, bool) for value in every)

    def _tables(self, title: str, found: Estimates) -> Iterator[Table]:
        columns: dict[str, Column] = {
            "accuracy, %": ACCURACY,
            "less full": BEHIND,
            "less random picks": GAP,
            "seeds": lambda row: row[0].n,
        }
        rows = Estimates(e for e in found if e.quantity != CHANGE)
        yield rows.table(f"{title}: accuracy over {self.over}", ("curve", self.over), columns)
        if len(ends := found.where(CHANGE)) > 1:
            columns = {
                "from": lambda row: row[0].keys["first"],
                "to": lambda row: row[0].keys["last"],
                "points": CHANGE,
            }
            yield ends.table(f"{title}: from end to end of {self.over}", ("curve",), columns)

    def _charts(self, title: str, found: Estimates) -> Iterator[Chart]:
        shown = Estimates(e for e in found if e.quantity != CHANGE)
        ticks = tuple(dict.fromkeys(e.keys[self.over] for e in shown))
        ticks = tuple(sorted(ticks, key=float)) if self._numbers else ticks
        numbers = [float(tick) for tick in ticks] if self._numbers else []
        wide = bool(numbers) and 0 < min(numbers) * TENFOLD <= max(numbers)
        draw = partial(Chart, x_label=self.over, ticks=() if numbers else ticks, log_x=wide)
        curves = dict.fromkeys(e.keys["curve"] for e in shown)

        def series(label: str, curve: str, quantity: str) -> Series:
            line = [shown.one(quantity, curve=curve, **{self.over: tick}) for tick in ticks]
            there = [
                (e, x) for e, x in zip(line, numbers or range(len(ticks)), strict=True) if e and e.value is not None
            ]
            return points_of(label, [e for e, _ in there], [x for _, x in there], joined=bool(numbers))

        lines = [series(curve, curve, ACCURACY) for curve in curves]
        yield draw(f"{title}: accuracy over {self.over}", y_label="Test accuracy (%)", series=tuple(lines))
        apart = [
            series(f"less {rival}" if len(curves) == 1 else f"{curve} less {rival}", curve, quantity)
            for curve in curves
            for rival, quantity in (("full training", BEHIND), ("random picks", GAP))
        ]
        words = f"{title}: beside full training and random picks, over {self.over}"
        yield draw(words, y_label="Difference (points)", series=tuple(apart), level=0.0)


def _text(value: Value) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
