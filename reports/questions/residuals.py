"""Is the tail learned faster? Residuals by eigen-direction, at equal cost, beside those under random picks."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..document.blocks import Chart, Series, Table
from ..document.numbers import NONE, plural
from ..effects.estimate import Quantity
from ..records.folder import Dataset, Results
from ..records.measured import Residuals as Taken
from ..statistics import Array, Interval, mean_interval
from .answer import Answer, Names, Summary
from .measuredarms import FEWEST, Measured, answered, listed, quantity, times, unlogged
from .options import among, only, several

NAMES = ("head", "middle", "tail")
GRID = 20
"""Costs at which two curves are held against each other, and points of a mean curve."""
LEAST = 1e-12
"""Stands for a share of 0 where its logarithm is taken."""


class Residuals:
    """What is left of the residual in the head, middle and tail of the spectrum, over what random picks leave.

    Both runs of a seed, the rule's and its uniform twin's, are read at the same total FLOPs, between points of their
    curves in the logarithm of the share: the log ratio is the mean over costs evenly up to the largest that both have
    spent, since by the end the pool is memorised. Once more they are read at their ends, after equal passes. A group's
    share is the mean over its directions of the energy left. Seeds give one log ratio each; their mean has a 95 % t
    interval.

    Parameters
    ----------
    options : mapping
        ``oracle``: label of the rule that follows the residual. ``approximations``: labels told of beside it.
        ``groups``: the last direction of the head and that of the middle, ``[8, 32]`` by default.
    names : Names
        What the matrix holds.

    Raises
    ------
    ValueError
        One line, for options that are wrong.
    """

    def __init__(self, options: Mapping[str, Any], names: Names) -> None:
        needed = {"oracle": 'name the rule that follows the residual, such as oracle = "spectral-oracle"'}
        only(options, ("oracle", "approximations", "groups"), needed)
        self.oracle = among("oracle", options["oracle"], names.strategies)
        self.approximations = several(options, "approximations", names.strategies)
        groups = options.get("groups", [8, 32])
        whole = isinstance(groups, list) and len(groups) == 2 and all(type(end) is int for end in groups)
        if not whole or not 0 < groups[0] < groups[1]:
            raise ValueError(f"groups = {groups!r} must be the last directions of head and middle, such as [8, 32]")
        self.groups = (groups[0], groups[1])

    def answer(self, results: Results, summary: Summary) -> Answer:
        """What each rule leaves on each data set with measured cells."""
        return answered(
            results,
            lambda measures: measures.residuals,
            lambda dataset, arms: _Part(self, dataset, arms).answer(),
            "No answer yet: no run says its residual by eigen-direction.",
        )


@dataclass(frozen=True)
class _Curve:
    """Shares left ``[points, groups]`` over total FLOPs ``[points]``, from the start on."""

    flops: Array
    left: Array

    def at(self, cost: float) -> Array:
        """The logarithms of what is left ``[groups]`` at ``cost``."""
        logs = np.log(np.maximum(self.left, LEAST))
        return np.array([np.interp(cost, self.flops, column) for column in logs.T])


@dataclass(frozen=True)
class _Row:
    """A rule beside its twin: log ratios by group at equal cost and after equal passes; what is left at the last cost
    that both have spent."""

    arm: Measured[Taken]
    seeds: tuple[int, ...]
    cost: tuple[Interval, ...]
    passes: tuple[Interval, ...]
    left: Array
    twins: Array


class _Part:
    """What one data set says."""

    def __init__(self, study: Residuals, dataset: Dataset, arms: Mapping[str, Measured[Taken]]) -> None:
        self.study, self.dataset, self.arms = study, dataset, arms
        self.fallen = 0
        self.curves = {key: self._curves(arm) for key, arm in arms.items()}
        rows = (self._row(arm) for arm in arms.values() if not arm.random and arm.arm.twin in arms)
        self.rows = [row for row in rows if row is not None]

    def answer(self) -> Answer:
        """Sentence, quantities, tables and charts of this data set."""
        oracle = next((row for row in self.rows if row.arm.arm.label == self.study.oracle), None)
        if oracle is None:
            why = f"it takes {FEWEST} seeds of {self.study.oracle} and of its uniform twin"
            sentence = f"{self.dataset.title}: no answer yet, since {why}."
        else:
            sentence = self._sentence(oracle)
        return Answer(
            sentence=sentence,
            enough=oracle is not None,
            quantities=tuple(each for row in self.rows for each in self._quantities(row)),
            tables=(self._table(),) if self.rows else (),
            charts=(*self._ratios(), *([self._decay(oracle)] if oracle else [])),
            notes=self._notes(),
        )

    def _curves(self, arm: Measured[Taken]) -> dict[int, _Curve]:
        found = {}
        for seed, taken in arm.values.items():
            if not np.isfinite(taken.energies).all():
                self.fallen += 1
                continue
            ends = [*self.study.groups, taken.energies.shape[1]]
            groups = [taken.energies[:, first:last] for first, last in zip((0, *ends), ends, strict=False)]
            if min(group.shape[1] for group in groups):
                left = np.stack([group.mean(1) for group in groups], 1)
                found[seed] = _Curve(np.array([0.0, *taken.flops]), np.concatenate([np.ones((1, len(ends))), left]))
        return found

    def _row(self, arm: Measured[Taken]) -> _Row | None:
        ours, twins = self.curves[arm.arm.key], self.curves[arm.arm.twin]
        seeds = tuple(seed for seed in ours if seed in twins)
        if len(seeds) < FEWEST:
            return None
        pairs = [(ours[seed], twins[seed]) for seed in seeds]
        at = np.array([[own.at(cost), other.at(cost)] for own, other in pairs for cost in _costs(own, other)])
        at = at.reshape(len(pairs), GRID, 2, -1)
        ends = np.array([[own.at(math.inf), other.at(math.inf)] for own, other in pairs])
        cost, passes = (
            tuple(mean_interval(column) for column in (logs[:, 0] - logs[:, 1]).T) for logs in (at.mean(1), ends)
        )
        left, other = np.exp(at[:, -1].mean(0))
        return _Row(arm, seeds, cost, passes, left, other)

    def _sentence(self, oracle: _Row) -> str:
        told = [f"{times(unlogged(oracle.cost[2]))} in the tail (directions {self._range(2)})"]
        told.append(f"{times(unlogged(oracle.cost[0]))} in the head")
        text = (
            f"{self.dataset.title}: at equal total FLOPs, {oracle.arm.name} leaves {listed(told)} of the residual that "
            f"random picks leave, and after equal passes {times(unlogged(oracle.passes[2]))} in the tail "
            f"({plural(len(oracle.seeds), 'seed')})"
        )
        near = [row for label in self.study.approximations for row in self.rows if row.arm.arm.label == label]
        if near:
            tails = [f"{row.arm.name} {times(unlogged(row.cost[2]))}" for row in near]
            text += f"; its approximations, in the tail: {listed(tails)}"
        others = [row for row in self.rows if row.arm.arm.cadence == "run"]
        if others:
            less = sum(row.cost[2].high < 0 for row in others)
            more = sum(row.cost[2].low > 0 for row in others)
            text += f"; of {plural(len(others), 'static rule')}, {less} leave less in the tail and {more} more"
        return text + "."

    def _range(self, group: int) -> str:
        ends = (0, *self.study.groups)
        counts = {taken.energies.shape[1] for arm in self.arms.values() for taken in arm.values.values()}
        last = (*self.study.groups, max(counts))[group]
        return f"{ends[group] + 1} to {last}"

    def _quantities(self, row: _Row) -> tuple[Quantity, ...]:
        found = []
        for when, intervals in (("at equal total FLOPs", row.cost), ("after equal passes", row.passes)):
            for name, interval in zip(NAMES, intervals, strict=True):
                said = f"residual left in the {name} of the spectrum {when} as a multiple of the twin's"
                label = row.arm.arm.label
                found.append(quantity(said, self.dataset.name, unlogged(interval), len(row.seeds), label))
        return tuple(found)

    def _table(self) -> Table:
        return Table(
            title=f"{self.dataset.title}: residual left, as a multiple of what random picks of its number leave",
            columns=(
                "Rule", "Picks",
                *(f"{name.capitalize()}, equal FLOPs [95 %]" for name in NAMES),
                "Tail, equal passes [95 %]", "Decay of the tail, nats", "Its twin's", "Seeds",
            ),
            rows=tuple(
                (
                    row.arm.name,
                    {"run": "once", "epoch": "each epoch", "batch": "each batch"}.get(row.arm.arm.cadence, NONE),
                    *(times(unlogged(interval)) for interval in row.cost),
                    times(unlogged(row.passes[2])),
                    f"{-math.log(row.left[2]):.3f}",
                    f"{-math.log(row.twins[2]):.3f}",
                    str(len(row.seeds)),
                )
                for row in self.rows
            ),
            note=f"At equal FLOPs: the geometric mean over {GRID} costs up to the last that both have spent. "
            f"Directions {', '.join(f'{self._range(i)} ({name})' for i, name in enumerate(NAMES))} of the frozen "
            "features' covariance. The start, 1, is what predicting every class alike leaves; decay is minus the "
            "logarithm of what is left at that last cost.",
        )  # fmt: skip

    def _ratios(self) -> tuple[Chart, ...]:
        if not self.rows:
            return ()
        return (
            Chart(
                title=f"{self.dataset.title}: residual left at equal total FLOPs",
                x_label="",
                y_label="times what random picks leave",
                series=tuple(
                    Series(
                        f"{name} (directions {self._range(group)})",
                        x=tuple(place + 0.2 * (group - 1) for place in range(len(self.rows))),
                        y=tuple(unlogged(row.cost[group]).estimate for row in self.rows),
                        low=tuple(unlogged(row.cost[group]).low for row in self.rows),
                        high=tuple(unlogged(row.cost[group]).high for row in self.rows),
                        joined=False,
                    )
                    for group, name in enumerate(NAMES)
                ),
                ticks=tuple(row.arm.name for row in self.rows),
                log_y=True,
                level=1.0,
            ),
        )

    def _decay(self, row: _Row) -> Chart:
        """Mean curves of a rule and its twin, as far as all their runs go."""
        series = []
        for name, curves in ((row.arm.name, self.curves[row.arm.arm.key]), ("its twin", self.curves[row.arm.arm.twin])):
            costs = np.linspace(0.0, min(curves[seed].flops[-1] for seed in row.seeds), GRID)
            logs = np.mean([[curves[seed].at(cost) for cost in costs] for seed in row.seeds], axis=0)
            for group in (0, 2):
                series.append(Series(f"{name}, {NAMES[group]}", tuple(costs), tuple(np.exp(logs[:, group]))))
        return Chart(
            title=f"{self.dataset.title}: what {row.arm.name} and random picks leave of the residual",
            x_label="total FLOPs",
            y_label="share of the start",
            series=tuple(series),
            log_y=True,
        )

    def _notes(self) -> tuple[str, ...]:
        references = sorted({taken.reference for arm in self.arms.values() for taken in arm.values.values()})
        notes = [
            f"{self.dataset.title}: eigen-directions of the features of {listed(references)}; the learner is asked "
            "about clean images of the pool.",
            "Costs are a run's own, artefacts free. At equal FLOPs the dearer run is in the middle of its "
            "learning-rate schedule and the cheaper one at its end: both comparisons are shown for that.",
        ]
        if self.fallen:
            notes.append(f"{self.dataset.title}: {plural(self.fallen, 'run')} that diverged left out.")
        return tuple(notes)


def _costs(own: _Curve, other: _Curve) -> Array:
    """Evenly up to the largest cost that both have spent, ``[GRID]``."""
    return np.linspace(0.0, min(own.flops[-1], other.flops[-1]), GRID + 1)[1:]
