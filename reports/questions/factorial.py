"""Which part of a rule does the work? Its parts crossed, each against its absence, with controls beside the whole."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Annotated, Any, Self

import numpy as np
from pydantic import Field, ValidationInfo, model_validator

from ..document.blocks import Table
from ..document.numbers import NONE, percent, plural
from ..effects.estimate import Column, Estimate, Estimates, by_seed, interval_of, listed
from ..records.folder import Arm, Dataset, Results
from ..statistics.factorial import Term, blocked_effects, effects_within, terms
from ..statistics.samples import Array
from .answer import Answer, Several, StrategyName, Study, Summary, about, joined, known, meant, remarks
from .pairing import accuracies, apart, common

FEWEST = 2
"""Blocks, that is seeds with every arm: with one there is no telling an effect from noise."""
TWIN = "twin of "
"""Before a strategy's label: its uniform twin, random picks under the same schedule."""
PICKS = " on what the picks bring"
"""After an effect's name: its effect on accuracy less that of each arm's uniform twin."""
CONTROL = "difference in accuracy"
COLUMNS: dict[str, Column] = {
    "Accuracy": lambda row: row.one(of=""),
    "Accuracy less its twin's": lambda row: row.one(of=PICKS),
}

Columns = Sequence[Mapping[int, float]]
Pair = Annotated[Several[str], Field(min_length=2, max_length=2)]
Row = Annotated[tuple[str, ...], Field(strict=False)]


class Factorial(Study):
    """A blocked two-level factorial over strategies, full or fractional.

    Accuracy in points is taken for the sum of a seed's effect, main effects, two-way interactions and noise; an effect
    is the mean at the high level less the mean at the low one, with a 95 % t interval on the residual degrees of
    freedom. Only seeds that have every arm of the design count. The same effects on an arm's accuracy less that of its
    own uniform twin tell what is due to the picks from what the schedule does to any picks. Arms of one schedule share
    a twin, so these differences are not independent: their intervals are those of the effects found seed by seed.

    Parameters
    ----------
    centre : str
        Label of the whole rule, whose parts the factors are.
    factors : mapping of name to (low, high)
    levels : mapping of label to tuple of level
        Of each arm, in the order of the factors; ``"twin of LABEL"`` stands for random picks under that strategy's
        schedule. A main effect may not be confounded with another effect.
    controls, diagnostics : tuple of str
        Labels shown against the centre; names of what strategies record about their picks.
    """

    centre: StrategyName = Field(description="the strategy that is taken apart")
    factors: dict[str, Pair] = Field(
        min_length=2, description="two factors or more, each with two unlike levels, low and high"
    )
    levels: dict[str, Row] = Field(min_length=1, description="each arm's label the levels of its factors")
    controls: Several[StrategyName] = ()
    diagnostics: Several[str] = ()

    @model_validator(mode="after")
    def _is_a_design(self, info: ValidationInfo) -> Self:
        taken: dict[tuple[str, ...], str] = {}
        for label, row in self.levels.items():
            if len(row) != len(self.factors):
                raise ValueError(f"levels of {label!r} must be one for each of {', '.join(self.factors)}, not {row!r}")
            for level, (name, pair) in zip(row, self.factors.items(), strict=True):
                if level not in pair:
                    raise ValueError(f"levels of {label!r}, {name}: {level!r} is unknown{meant(level, pair)}")
            if (first := taken.setdefault(row, label)) != label:
                raise ValueError(f"{first!r} and {label!r} have the same levels: each combination is one arm")
        names: Any = info.context
        for label in self.levels:
            known(label.removeprefix(TWIN), names.strategies)
        _ = self.terms  # It raises where effects are confounded.
        return self

    @cached_property
    def terms(self) -> tuple[Term, ...]:
        """The effects that can be told apart; signs in the order of ``levels``."""
        pairs = self.factors.values()
        signs = [
            [1 if own == pair[1] else -1 for own, pair in zip(row, pairs, strict=True)] for row in self.levels.values()
        ]
        return terms(signs, tuple(self.factors))

    def answer(self, results: Results, summary: Summary) -> Answer:
        """The largest main effect on the first data set that has one; the tables hold every effect."""
        parts = [_Part(self, results, dataset) for dataset in results.matrix.datasets.values()]
        there = [part.answer() for part in parts if any(part.arms[label] for label in self.levels)]
        return joined(there, "no data set has an arm of this design")


class _Part:
    def __init__(self, asked: Factorial, results: Results, dataset: Dataset) -> None:
        self.asked, self.results, self.dataset = asked, results, dataset
        # With several references a label is the arm of the first.
        arms = {arm.label: arm for arm in reversed(results.arms(dataset=dataset.name, role="strategy"))}
        twins = {TWIN + label: results.matrix.arms.get(arm.twin) for label, arm in arms.items()}
        labels = (*asked.levels, *asked.controls, asked.centre)
        self.arms: dict[str, Arm | None] = {label: {**arms, **twins}.get(label) for label in labels}
        self.points = {label: accuracies(results, arm) for label, arm in self.arms.items()}
        self.twins = {
            label: accuracies(results, arm.twin) if arm and arm.twin else self.points[label]
            for label, arm in self.arms.items()
        }

    def answer(self) -> Answer:
        asked, title = self.asked, self.dataset.title
        crossed, twins = ([side[label] for label in asked.levels] for side in (self.points, self.twins))
        absent = [label for label in asked.levels if self.arms[label] is None]
        seeds = common(crossed)
        effects = Estimates() if absent or len(seeds) < FEWEST else Estimates(self._effects(crossed, twins, seeds))
        less = Estimates(self._less(label, self.points[asked.centre], asked.centre) for label in asked.controls)
        lacking = f"it takes {FEWEST} seeds with all {len(crossed)} arms of the design, and there "
        lacking += "is 1" if seeds else "is none"
        if absent:
            lacking = f"{listed(absent)} {'is' if len(absent) == 1 else 'are'} not among its arms"
        sentence = ""
        if effects:
            most = max(effects.where(of="", main="main"), key=lambda e: abs(e.value or 0.0))
            sentence = (
                f"of {asked.centre}'s parts, {most.keys['Effect']} moves accuracy most, by {most} points "
                f"({plural(most.n, 'seed')})"
            )
        notes = (
            "Intervals have 95 % each and are not widened for their number. Effects of three or more factors together "
            "count as noise.",
            *remarks(title, self._said(effects, len(set().union(*crossed)))),
        )
        series: dict[str, Column] = {name.lower(): column for name, column in COLUMNS.items()}
        how: dict[str, Any] = {"y_label": "high less low, points", "level": 0.0}
        chart = effects.chart(f"{title}: what each part moves", "term", series, **how) if effects else None
        found, tables = Estimates([*less, *effects]), self._tables(effects, less)
        return about(title, sentence, lacking, found, tables, [chart], notes, known=False)

    def _effects(self, crossed: Columns, twins: Columns, seeds: Sequence[int]) -> Iterator[Estimate]:
        """Each term's effect on accuracy, then on accuracy less the twin's where there are seeds enough."""
        terms, factors = self.asked.terms, self.asked.factors
        found = {"": (blocked_effects(_grid(crossed, seeds), terms).effects, seeds)}
        if len(paired := common([*crossed, *twins])) >= FEWEST:
            found[PICKS] = (effects_within(_grid(crossed, paired) - _grid(twins, paired), terms), paired)
        for of, (effects, blocks) in found.items():
            for term, effect in zip(terms, effects, strict=True):
                low, high = factors.get(term.name, ("", ""))
                keys = {"dataset": self.dataset.name, "term": term.name, "of": of, "main": "main" if high else ""}
                keys["Effect"] = f"{term.name} ({high} against {low})" if high else term.name
                yield interval_of(f"effect of {term.name}{of}", keys, effect, len(blocks), "points")

    def _less(self, label: str, theirs: Mapping[int, float], rival: str = "") -> Estimate:
        found = apart(self.points[label], theirs)
        keys = {"dataset": self.dataset.name, "strategy": label, "rival": rival}
        return replace(by_seed(CONTROL, keys, found if len(found) >= FEWEST else {}, "points"), n=len(found))

    def _tables(self, effects: Estimates, less: Estimates) -> Iterator[Table]:
        title, centre = self.dataset.title, self.asked.centre
        if effects:
            yield effects.table(
                f"{title}: effects, high less low, in points",
                ("Effect",),
                COLUMNS,
                "An interaction is half of what one factor's effect grows by as the other goes from low to high. "
                "Beside random picks of the same schedule, what a schedule does to any picks is gone.",
            )
        seeds = {label: str(len(points)) for label, points in self.points.items()}
        crossed = {label: (*row, seeds[label]) for label, row in self.asked.levels.items()}
        yield self._arms(f"{title}: the arms that are crossed", self.asked.factors, crossed)
        if less:
            rows = {centre: (NONE, seeds[centre]), **{e.keys["strategy"]: (f"{e}", str(e.n)) for e in less}}
            yield self._arms(f"{title}: {centre} and its controls", [f"Less {centre}, points"], rows, "Paired by seed.")

    def _arms(self, title: str, first: Iterable[str], rows: Mapping[str, Sequence[str]], note: str = "") -> Table:
        """A row for each label: the first columns, accuracy, gain over its twin, diagnostics and seeds."""
        columns = ("Arm", *first, "Accuracy, %", "Less its uniform twin, points", *self.asked.diagnostics, "Seeds")
        cells = tuple((label, *own, *self._row(label), seeds) for label, (*own, seeds) in rows.items())
        return Table(title, columns, cells, note)

    def _row(self, label: str) -> Iterator[str]:
        arm, points = self.arms[label], [*self.points[label].values()]
        yield percent(float(np.mean(points))) if points else NONE
        yield f"{self._less(label, self.twins[label])}" if arm and arm.twin else NONE
        for name in self.asked.diagnostics:
            recorded = [cell.picks.diagnostics.get(name) for cell in self.results.of(arm).values()] if arm else []
            known = [value for value in recorded if value is not None and np.isfinite(value)]
            yield f"{np.mean(known):.3g}" if known else NONE

    def _said(self, effects: Estimates, begun: int) -> Iterator[str]:
        if effects and (out := begun - effects[0].n):
            yield f"{plural(out, 'seed')} without every arm of the design left out"
        if effects and not effects.where(of=PICKS):
            yield f"fewer than {FEWEST} seeds have every arm's uniform twin as well"
        shown = {arm.key: self.points[label] for label, arm in self.arms.items() if arm}
        if fallen := sum(value < 100 * self.dataset.collapse for of in shown.values() for value in of.values()):
            yield f"{plural(fallen, 'run')} collapsed, and count as they are"


def _grid(columns: Columns, seeds: Sequence[int]) -> Array:
    """Accuracies ``[seeds, columns]`` in per cent."""
    return np.array([[points[seed] for points in columns] for seed in seeds], dtype=np.float64)
