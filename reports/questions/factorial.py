"""Which part of a rule does the work? Its parts crossed, each against its absence, with controls beside the whole."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Annotated, Any, Self

import numpy as np
from pydantic import Field, ValidationInfo, model_validator

from ..document.blocks import Chart, Table
from ..document.numbers import NONE, percent, plural
from ..effects.estimate import Column, Estimate, Estimates, by_seed, interval_of, listed
from ..records.folder import Arm, Cell, Results
from ..statistics.factorial import Term, blocked_effects, effects_within, terms
from ..statistics.samples import Array
from .answer import Answer, Several, StrategyName, Study, Summary, known, meant

FEWEST = 2
"""Blocks, that is seeds with every arm: with one there is no telling an effect from noise."""
TWIN = "twin of "
"""Before a strategy's label: its uniform twin, random picks under the same schedule."""
PICKS = " on what the picks bring"
"""After an effect's name: its effect on accuracy less that of each arm's uniform twin."""
CONTROL = "difference in accuracy"


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
        parts = [Part(self, results, dataset) for dataset in results.matrix.datasets]
        parts = [part for part in parts if any(part.arms[label] for label in self.levels)]
        if not parts:
            return Answer("No answer yet: no data set has an arm of this design.", enough=False)
        told = [part for part in parts if part.effects]
        first = (told or parts)[0]
        return Answer(
            sentence=first.sentence() if told else f"{first.title}: no answer yet, since {first.lacking}.",
            enough=bool(told),
            quantities=tuple(
                q for part in parts for q in Estimates([*part.controls, *part.effects]).quantities(known=False)
            ),
            tables=tuple(table for part in parts for table in part.tables()),
            charts=tuple(part.chart() for part in told),
            notes=(
                "Intervals have 95 % each and are not widened for their number. Effects of three or more factors "
                "together count as noise.",
                *(note for part in parts for note in part.notes()),
            ),
        )


class Part:
    """What one data set says."""

    def __init__(self, asked: Factorial, results: Results, dataset: str) -> None:
        self.asked, self.results, self.dataset = asked, results, results.matrix.datasets[dataset]
        self.title = self.dataset.title
        self.arms = {label: self._arm(label) for label in (*asked.levels, *asked.controls, asked.centre)}
        self.crossed = [self.runs(self.arms[label]) for label in asked.levels]
        self.twins = [self.beside(self.arms[label]) for label in asked.levels]
        self.lacking = self._lacking()
        centre = self.runs(self.arms[asked.centre])
        self.controls = Estimates(self._less(label, centre, asked.centre) for label in asked.controls)
        self.effects = Estimates(() if self.lacking else self._effects())

    def _arm(self, label: str) -> Arm | None:
        """The arm of a label, with several references that of the first."""
        wanted = label.removeprefix(TWIN)
        arms = (arm for arm in self.results.arms(dataset=self.dataset.name, role="strategy") if arm.label == wanted)
        found = next(arms, None)
        return found if found is None or wanted == label else self.results.matrix.arms.get(found.twin)

    def runs(self, arm: Arm | None) -> Mapping[int, Cell]:
        return {} if arm is None else self.results.of(arm)

    def beside(self, arm: Arm | None) -> Mapping[int, Cell]:
        """The runs of an arm's uniform twin; a twin is its own."""
        return self.results.of(arm.twin) if arm is not None and arm.twin else self.runs(arm)

    def _lacking(self) -> str:
        """Why there are no effects; empty where there are."""
        absent = [label for label in self.asked.levels if self.arms[label] is None]
        if absent:
            return f"{listed(absent)} {'is' if len(absent) == 1 else 'are'} not among its arms"
        if (seeds := len(_common(self.crossed))) >= FEWEST:
            return ""
        there = "is 1" if seeds else "is none"
        return f"it takes {FEWEST} seeds with all {len(self.crossed)} arms of the design, and there {there}"

    def _effects(self) -> Iterator[Estimate]:
        """Each term's effect on accuracy, then on accuracy less the twin's where there are seeds enough."""
        seeds, paired = _common(self.crossed), _common([*self.crossed, *self.twins])
        found = {"": (blocked_effects(_grid(self.crossed, seeds), self.asked.terms).effects, seeds)}
        if len(paired) >= FEWEST:
            apart = _grid(self.crossed, paired) - _grid(self.twins, paired)
            found[PICKS] = (effects_within(apart, self.asked.terms), paired)
        for of, (effects, blocks) in found.items():
            for term, effect in zip(self.asked.terms, effects, strict=True):
                keys = {"dataset": self.dataset.name, "term": term.name, "Effect": self._described(term.name), "of": of}
                yield interval_of(f"effect of {term.name}{of}", keys, effect, len(blocks), "points")

    def _described(self, name: str) -> str:
        low, high = self.asked.factors.get(name, ("", ""))
        return f"{name} ({high} against {low})" if high else name

    def _less(self, label: str, theirs: Mapping[int, Cell], rival: str = "") -> Estimate:
        """An arm less its rival, paired by seed."""
        ours = self.runs(self.arms[label])
        found = {seed: 100 * ours[seed].accuracy - 100 * theirs[seed].accuracy for seed in ours if seed in theirs}
        keys = {"dataset": self.dataset.name, "strategy": label, "rival": rival}
        return replace(by_seed(CONTROL, keys, found if len(found) >= FEWEST else {}, "points"), n=len(found))

    def sentence(self) -> str:
        """The main effect that is largest in size."""
        mains = [e for e in self.effects.where(of="") if e.keys["term"] in self.asked.factors]
        most = max(mains, key=lambda e: abs(e.value or 0.0))
        moves = f"of {self.asked.centre}'s parts, {most.keys['Effect']} moves accuracy most"
        return f"{self.title}: {moves}, by {most} points ({plural(most.n, 'seed')}; all others in the tables)."

    def tables(self) -> Iterator[Table]:
        """The effects, the arms that are crossed, and the controls."""
        if self.effects:
            yield self.effects.table(
                f"{self.title}: effects, high less low, in points",
                ("Effect",),
                {"Accuracy": lambda row: row.one(of=""), "Accuracy less its twin's": lambda row: row.one(of=PICKS)},
                "An interaction is half of what one factor's effect grows by as the other goes from low to high. "
                "Beside random picks of the same schedule, what a schedule does to any picks is gone.",
            )
        seeds = {label: str(len(self.runs(arm))) for label, arm in self.arms.items()}
        crossed = {label: (*row, seeds[label]) for label, row in self.asked.levels.items()}
        yield self._arms(f"{self.title}: the arms that are crossed", list(self.asked.factors), crossed)
        if self.controls:
            centre = self.asked.centre
            against = {e.keys["strategy"]: (f"{e}", str(e.n)) for e in self.controls}
            rows = {centre: (NONE, seeds[centre]), **against}
            yield self._arms(
                f"{self.title}: {centre} and its controls", [f"Less {centre}, points"], rows, "Paired by seed."
            )

    def _arms(self, title: str, first: Sequence[str], rows: Mapping[str, Sequence[str]], note: str = "") -> Table:
        """A row for each label: the first columns, accuracy, gain over its twin, diagnostics and seeds."""
        columns = ("Arm", *first, "Accuracy, %", "Less its uniform twin, points", *self.asked.diagnostics, "Seeds")
        cells = ((label, *own, *self._row(label), seeds) for label, (*own, seeds) in rows.items())
        return Table(title, columns, tuple(cells), note)

    def _row(self, label: str) -> tuple[str, ...]:
        arm = self.arms[label]
        cells = self.runs(arm).values()
        gain = f"{self._less(label, self.beside(arm))}" if arm is not None and arm.twin else NONE
        recorded = (_mean(cell.picks.diagnostics.get(name) for cell in cells) for name in self.asked.diagnostics)
        accuracy = percent(100 * float(np.mean([cell.accuracy for cell in cells]))) if cells else NONE
        return (accuracy, gain, *recorded)

    def chart(self) -> Chart:
        series: dict[str, Column] = {
            "accuracy": lambda row: row.one(of=""),
            "accuracy less its twin's": lambda row: row.one(of=PICKS),
        }
        title = f"{self.title}: what each part moves"
        return self.effects.chart(title, "term", series, y_label="high less low, points", level=0.0)

    def notes(self) -> Iterator[str]:
        """One for all that is out of the ordinary."""
        said = []
        if self.effects:
            begun = set().union(*self.crossed)
            if out := len(begun) - self.effects[0].n:
                said.append(f"{plural(out, 'seed')} without every arm of the design left out")
            if not self.effects.where(of=PICKS):
                said.append(f"fewer than {FEWEST} seeds have every arm's uniform twin as well")
        shown = {arm.key for arm in self.arms.values() if arm is not None}
        cells = [cell for key in shown for cell in self.results.of(key).values()]
        if fallen := sum(cell.accuracy < self.dataset.collapse for cell in cells):
            said.append(f"{plural(fallen, 'run')} collapsed, and count as they are")
        if said:
            yield f"{self.title}: {'; '.join(said)}."


def _common(columns: Sequence[Mapping[int, Cell]]) -> list[int]:
    """The seeds that every column has."""
    return sorted(set.intersection(*(set(cells) for cells in columns)))


def _grid(columns: Sequence[Mapping[int, Cell]], seeds: Iterable[int]) -> Array:
    """Accuracies ``[seeds, columns]`` in per cent."""
    return np.array([[100 * cells[seed].accuracy for cells in columns] for seed in seeds], dtype=np.float64)


def _mean(values: Iterable[float | None]) -> str:
    """The mean of what was recorded, with three digits."""
    known = [value for value in values if value is not None and np.isfinite(value)]
    return f"{float(np.mean(known)):.3g}" if known else NONE
