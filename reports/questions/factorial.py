"""Which part of a rule does the work? Its parts crossed, each against its absence, with controls beside the whole."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..document.blocks import Chart, Series, Table
from ..document.numbers import NONE, interval, percent, plural, points
from ..effects.estimate import Quantity
from ..records.folder import Arm, Cell, Results
from ..statistics import Interval, mean_interval
from ..statistics.factorial import blocked_effects, effects_within
from ..statistics.samples import Array
from .answer import Answer, Names, Summary
from .factorialdesign import TWIN, Design

FEWEST = 2
"""Blocks, that is seeds with every arm: with one there is no telling an effect from noise."""

ROUNDING = 1e-6
"""Points below which two effects are one: arms that share a twin lose nothing but rounding by it."""


class Factorial:
    """A blocked two-level factorial over strategies, full or fractional.

    Accuracy in points is taken for the sum of a seed's effect, main effects, two-way interactions and noise; an effect
    is the mean at the high level less the mean at the low one, with a 95 % t interval on the residual degrees of
    freedom. Only seeds that have every arm of the design count. The same effects on an arm's accuracy less that of its
    own uniform twin tell what is due to the picks from what the schedule does to any picks. Arms of one schedule share
    a twin, so these differences are not independent: their intervals are those of the effects found seed by seed.

    Parameters
    ----------
    options : mapping
        ``centre``: label of the whole rule. ``factors``: name to ``[low, high]``, two or more. ``levels``: label to
        one level for each factor; ``"twin of LABEL"`` stands for random picks under that strategy's schedule.
        ``controls``: labels shown against the centre. ``diagnostics``: names of what strategies record.
    names : Names
        What the matrix holds.

    Raises
    ------
    ValueError
        One line, for options that are wrong, and for a design in which a main effect is confounded with another
        effect.
    """

    def __init__(self, options: Mapping[str, Any], names: Names) -> None:
        self.design = Design.read(options, names)

    def answer(self, results: Results, summary: Summary) -> Answer:
        """The effects on each data set that has an arm of the design."""
        parts = [_Part(self.design, results, dataset) for dataset in results.matrix.datasets]
        found = [part.answer() for part in parts if any(part.arms.values())]
        if not found:
            return Answer("No answer yet: no data set has an arm of this design.", enough=False)
        return Answer(
            sentence="\n".join(part.sentence for part in found),
            enough=any(part.enough for part in found),
            quantities=tuple(quantity for part in found for quantity in part.quantities),
            tables=tuple(table for part in found for table in part.tables),
            charts=tuple(chart for part in found for chart in part.charts),
            notes=tuple(dict.fromkeys(note for part in found for note in part.notes)),
        )


@dataclass(frozen=True)
class _Effects:
    """Intervals in the order of the terms; ``picks`` is empty where too few seeds have every twin."""

    seeds: tuple[int, ...]
    accuracy: tuple[Interval, ...]
    paired: tuple[int, ...]
    picks: tuple[Interval, ...]


class _Part:
    """What one data set says."""

    def __init__(self, design: Design, results: Results, dataset: str) -> None:
        self.design, self.results, self.dataset = design, results, results.matrix.datasets[dataset]
        self.arms = {label: self._arm(label) for label in design.levels}
        self.centre = self._arm(design.centre)
        self.controls = {label: self._arm(label) for label in design.controls}

    def answer(self) -> Answer:
        """Sentence, quantities, tables and chart of this data set."""
        against = {label: self._difference(arm, self._cells(self.centre)) for label, arm in self.controls.items()}
        tables = (self._arms_table(), *([self._controls_table(against)] if against else []))
        quantities = [
            self._quantity("difference in accuracy", found, n, strategy=label, rival=self.design.centre)
            for label, (found, n) in against.items()
        ]
        lacking = self._lacking()
        if lacking:
            sentence = f"{self.dataset.title}: no answer yet, since {lacking}."
            return Answer(sentence, False, tuple(quantities), tables, notes=self._notes())
        effects = self._effects()
        for term, accuracy in zip(self.design.terms, effects.accuracy, strict=True):
            quantities.append(self._quantity(f"effect of {term.name}", accuracy, len(effects.seeds)))
        for term, picks in zip(self.design.terms, effects.picks, strict=False):
            name = f"effect of {term.name} on what the picks bring"
            quantities.append(self._quantity(name, picks, len(effects.paired)))
        return Answer(
            sentence=self._sentence(effects) + _controls_sentence(self.design.centre, against),
            enough=True,
            quantities=tuple(quantities),
            tables=(self._effects_table(effects), *tables),
            charts=(self._chart(effects),),
            notes=self._notes(effects),
        )

    def _arm(self, label: str) -> Arm | None:
        """The arm of a label, with several references that of the first."""
        wanted = label.removeprefix(TWIN)
        arms = (arm for arm in self.results.arms(dataset=self.dataset.name, role="strategy") if arm.label == wanted)
        found = next(arms, None)
        return found if found is None or wanted == label else self.results.matrix.arms.get(found.twin)

    def _cells(self, arm: Arm | None) -> Mapping[int, Cell]:
        return {} if arm is None else self.results.of(arm)

    def _beside(self, arm: Arm | None) -> Mapping[int, Cell]:
        """The runs of an arm's uniform twin; a twin is its own."""
        return self._cells(arm) if arm is None or not arm.twin else self.results.of(arm.twin)

    def _complete(self, *more: Mapping[int, Cell]) -> tuple[int, ...]:
        """The seeds that every arm of the design has, and all of ``more``."""
        return tuple(
            sorted(set.intersection(*(set(cells) for cells in (*map(self._cells, self.arms.values()), *more))))
        )

    def _lacking(self) -> str:
        """Why there are no effects; empty where there are."""
        absent = [label for label, arm in self.arms.items() if arm is None]
        if absent:
            return f"{_listed(absent)} {'is' if len(absent) == 1 else 'are'} not among its arms"
        seeds = len(self._complete())
        if seeds >= FEWEST:
            return ""
        return f"it takes {FEWEST} seeds with all {len(self.arms)} arms of the design, and there {_is(seeds)}"

    def _effects(self) -> _Effects:
        twins = [self._beside(arm) for arm in self.arms.values()]
        seeds, paired = self._complete(), self._complete(*twins)
        ours = [self._cells(arm) for arm in self.arms.values()]
        picks: tuple[Interval, ...] = ()
        if len(paired) >= FEWEST:
            picks = effects_within(_grid(ours, paired) - _grid(twins, paired), self.design.terms)
        return _Effects(seeds, blocked_effects(_grid(ours, seeds), self.design.terms).effects, paired, picks)

    def _difference(self, arm: Arm | None, rival: Mapping[int, Cell]) -> tuple[Interval | None, int]:
        """An arm less its rival, paired by seed, with the number of pairs."""
        ours = self._cells(arm)
        seeds = [seed for seed in ours if seed in rival]
        if len(seeds) < FEWEST:
            return None, len(seeds)
        grid = _grid([ours, rival], seeds)
        return mean_interval(grid[:, 0] - grid[:, 1]), len(seeds)

    def _quantity(self, name: str, found: Interval | None, n: int, strategy: str = "", rival: str = "") -> Quantity:
        estimate, low, high = (None, None, None) if found is None else found[:3]
        return Quantity(name, self.dataset.name, estimate, low, high, n, strategy=strategy, rival=rival)

    def _sentence(self, effects: _Effects) -> str:
        pairs = list(zip(self.design.terms, effects.accuracy, strict=True))
        main = [(self._described(term.name), effect) for term, effect in pairs if term.main]
        joint = [f"{term.name} {_bracketed(effect)}" for term, effect in pairs if not term.main and _clear(effect)]
        verbs = ["moves accuracy by"] + ["by"] * (len(main) - 1)
        moves = [f"{name} {verb} {_bracketed(effect)}" for (name, effect), verb in zip(main, verbs, strict=True)]
        rest = f"of the interactions, 0 is excluded by {_listed(joint)}" if joint else "no interaction excludes 0"
        size = f"{plural(len(self.arms), 'arm')}, {plural(len(effects.seeds), 'seed')}"
        apart = self._apart(effects)
        own = f" Over random picks of the same schedule, {_listed(apart)}." if apart else ""
        return f"{self.dataset.title}: of {self.design.centre}'s parts, {_listed(moves)} ({size}); {rest}.{own}"

    def _apart(self, effects: _Effects) -> list[str]:
        """The main effects that are not the same once each arm's twin is taken off: what differs is no pick's doing."""
        found = zip(self.design.terms, effects.accuracy, effects.picks, strict=False)
        return [
            f"{term.name} moves it by {_bracketed(picks)}"
            for term, accuracy, picks in found
            if term.main and abs(picks.estimate - accuracy.estimate) > ROUNDING
        ]

    def _effects_table(self, effects: _Effects) -> Table:
        picks = effects.picks or (None,) * len(self.design.terms)
        return Table(
            title=f"{self.dataset.title}: effects, high less low, in points",
            columns=("Effect", "Accuracy", "95 % interval", "Accuracy less its twin's", "95 % interval"),
            rows=tuple(
                (self._described(term.name), *_cells(accuracy), *_cells(own))
                for term, accuracy, own in zip(self.design.terms, effects.accuracy, picks, strict=True)
            ),
            note="An interaction is half of what one factor's effect grows by as the other goes from low to high. "
            "Beside random picks of the same schedule, what a schedule does to any picks is gone.",
        )

    def _described(self, name: str) -> str:
        if name not in self.design.factors:
            return name
        low, high = self.design.factors[name]
        return f"{name} ({high} against {low})"

    def _arms_table(self) -> Table:
        return Table(
            title=f"{self.dataset.title}: the arms that are crossed",
            columns=("Arm", *self.design.factors, *self._columns(), "Seeds"),
            rows=tuple(
                (label, *self.design.levels[label], *self._row(arm), str(len(self._cells(arm))))
                for label, arm in self.arms.items()
            ),
        )

    def _controls_table(self, against: Mapping[str, tuple[Interval | None, int]]) -> Table:
        centre = self.design.centre
        rows = [(centre, NONE, NONE, *self._row(self.centre), str(len(self._cells(self.centre))))]
        for label, (found, n) in against.items():
            rows.append((label, *_cells(found), *self._row(self.controls[label]), str(n)))
        return Table(
            title=f"{self.dataset.title}: {centre} and its controls",
            columns=("Control", f"Less {centre}, points", "95 % interval", *self._columns(), "Seeds"),
            rows=tuple(rows),
            note="Paired by seed.",
        )

    def _columns(self) -> tuple[str, ...]:
        return ("Accuracy, %", "Less its uniform twin, points", "95 % interval", *self.design.diagnostics)

    def _row(self, arm: Arm | None) -> tuple[str, ...]:
        """What each table says of an arm: accuracy, gain over its twin, diagnostics."""
        cells = self._cells(arm)
        accuracy = percent(100 * float(np.mean([cell.accuracy for cell in cells.values()]))) if cells else NONE
        gain = self._difference(arm, self._beside(arm))[0] if arm is not None and arm.twin else None
        recorded = (
            _mean(cell.picks.diagnostics.get(name) for cell in cells.values()) for name in self.design.diagnostics
        )
        return (accuracy, *_cells(gain), *recorded)

    def _chart(self, effects: _Effects) -> Chart:
        names = tuple(term.name for term in self.design.terms)
        rows = (("accuracy", effects.accuracy, -0.08), ("accuracy less its twin's", effects.picks, 0.08))
        return Chart(
            title=f"{self.dataset.title}: what each part moves",
            x_label="",
            y_label="high less low, points",
            series=tuple(
                Series(
                    label,
                    x=tuple(i + shift for i in range(len(found))),
                    y=tuple(each.estimate for each in found),
                    low=tuple(each.low for each in found),
                    high=tuple(each.high for each in found),
                    joined=False,
                )
                for label, found, shift in rows
                if found
            ),
            ticks=names,
            level=0.0,
        )

    def _notes(self, effects: _Effects | None = None) -> tuple[str, ...]:
        notes = ["Intervals have 95 % each; they are not widened for their number."]
        if effects is not None:
            notes.append("What three factors or more do together is taken for noise.")
            begun = {seed for arm in self.arms.values() for seed in self._cells(arm)}
            if out := len(begun) - len(effects.seeds):
                notes.append(f"{self.dataset.title}: {plural(out, 'seed')} without every arm of the design left out.")
            if not effects.picks:
                notes.append(f"{self.dataset.title}: fewer than {FEWEST} seeds have every arm's uniform twin as well.")
        shown = {arm.key: arm for arm in (*self.arms.values(), *self.controls.values(), self.centre) if arm is not None}
        fallen = sum(cell.accuracy < self.dataset.collapse for key in shown for cell in self.results.of(key).values())
        if fallen:
            notes.append(f"{self.dataset.title}: {plural(fallen, 'run')} collapsed, and count as they are.")
        return tuple(notes)


def _grid(columns: Sequence[Mapping[int, Cell]], seeds: Iterable[int]) -> Array:
    """Accuracies ``[seeds, columns]`` in per cent."""
    return np.array([[100 * cells[seed].accuracy for cells in columns] for seed in seeds], dtype=np.float64)


def _controls_sentence(centre: str, against: Mapping[str, tuple[Interval | None, int]]) -> str:
    found = {label: each for label, (each, _) in against.items() if each is not None}
    if not found:
        return ""
    ranked = sorted(found.items(), key=lambda item: item[1].estimate)
    worse = [f"{label} {_bracketed(each)}" for label, each in ranked if each.high < 0]
    better = [f"{label} {_bracketed(each)}" for label, each in reversed(ranked) if each.low > 0]
    told = [_told(f"{word} than {centre}", labels) for word, labels in (("worse", worse), ("better", better)) if labels]
    many = plural(len(found), "control")
    return f" Of {many}, {'; '.join(told)}." if told else f" Of {many}, none is told from {centre}."


def _told(what: str, labels: Sequence[str]) -> str:
    """One or two by name, of more the furthest: the table has them all."""
    if len(labels) <= 2:
        return f"{what}: {_listed(labels)}"
    return f"{len(labels)} are {what}, the furthest {labels[0]}"


def _mean(values: Iterable[float | None]) -> str:
    """The mean of what was recorded, with three digits."""
    known = [value for value in values if value is not None and np.isfinite(value)]
    return f"{float(np.mean(known)):.3g}" if known else NONE


def _cells(found: Interval | None) -> tuple[str, str]:
    return (NONE, NONE) if found is None else (points(found.estimate), interval(found.low, found.high))


def _bracketed(found: Interval) -> str:
    return f"{points(found.estimate)} points [{points(found.low)}, {points(found.high)}]"


def _clear(found: Interval) -> bool:
    return found.low > 0 or found.high < 0


def _listed(words: Sequence[str]) -> str:
    """``a, b and c``."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _is(number: int) -> str:
    return {0: "is none", 1: "is 1"}.get(number, f"are {number}")
