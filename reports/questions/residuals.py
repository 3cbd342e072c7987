"""Is the tail learned faster? Residuals by eigen-direction, at equal cost, beside those under random picks."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from pydantic import Field, field_validator

from ..document.blocks import Chart, Series, Table
from ..document.numbers import plural
from ..effects.estimate import Column, Estimate, Estimates
from ..records.folder import Dataset, Results
from ..records.measured import Residuals as Taken
from ..statistics import Array
from .answer import Answer, Several, StrategyName, Study, Summary
from .measuredarms import FEWEST, Measured, answered, ratio_of, references, shown

QUANTITY = "residual left in the {} of the spectrum {} as a multiple of the twin's"
COST, PASSES = "at equal total FLOPs", "after equal passes"
NAMES = ("head", "middle", "tail")
TAIL = QUANTITY.format("tail", COST)

GRID = 20
"""Costs at which two curves are held against each other, and points of a mean curve."""
LEAST = 1e-12
"""Stands for a share of 0 where its logarithm is taken."""

VERDICTS = {-1: "the tail is learned faster", 0: "whether faster cannot be told", 1: "the tail is learned slower"}

NOTES = (
    "The learner is asked about clean images of the pool.",
    "Costs are a run's own, artefacts free. At equal FLOPs the dearer run is in the middle of its learning-rate "
    "schedule and the cheaper one at its end: both comparisons are shown for that.",
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


class Residuals(Study):
    """What is left of the residual in the head, middle and tail of the spectrum, over what random picks leave.

    Both runs of a seed, the rule's and its uniform twin's, are read at the same total FLOPs, between points of their
    curves in the logarithm of the share: the log ratio is the mean over costs evenly up to the largest that both have
    spent, since by the end the pool is memorised. Once more they are read at their ends, after equal passes. A group's
    share is the mean over its directions of the energy left. Seeds give one log ratio each; their mean has a 95 % t
    interval.

    Parameters
    ----------
    oracle : str
        Label of the rule that follows the residual.
    approximations : list of str
        Labels that come next to it in table and chart.
    groups : list of int
        The last direction of the head and that of the middle.
    """

    oracle: StrategyName = Field(description='the rule that follows the residual, such as oracle = "spectral-oracle"')
    approximations: Several[StrategyName] = ()
    groups: tuple[int, int] = Field(
        (8, 32), strict=False, description="the last directions of head and middle, such as [8, 32]"
    )

    @field_validator("groups")
    @classmethod
    def _rising(cls, given: tuple[int, int]) -> tuple[int, int]:
        if not 0 < given[0] < given[1]:
            raise ValueError(f"{[*given]} must be the last directions of head and middle, such as [8, 32]")
        return given

    def answer(self, results: Results, summary: Summary) -> Answer:
        """What the oracle leaves in the tail; every rule and group in the table."""
        return answered(
            results,
            lambda measures: measures.residuals,
            self._part,
            "No answer yet: no run says its residual by eigen-direction.",
        )

    def _part(self, dataset: Dataset, arms: Mapping[str, Measured[Taken]]) -> Answer:
        curves = {key: self._curves(arm) for key, arm in arms.items()}
        rules = [arm for arm in arms.values() if not arm.random and arm.arm.twin in arms]
        pairs = [(arm, curves[arm.arm.key], curves[arm.arm.twin]) for arm in rules]
        first = {label: place for place, label in enumerate((self.oracle, *self.approximations))}
        pairs.sort(key=lambda pair: first.get(pair[0].arm.label, len(first)))
        found = Estimates(e for pair in pairs for e in _estimates(*pair))
        oracle = found.one(TAIL, strategy=self.oracle)
        if oracle is None:
            lacking = f"it takes {FEWEST} seeds of {self.oracle} and of its uniform twin"
            lacking += f"; left out: {fallen}" if (fallen := _fallen(arms)) else ""
            sentence = f"{dataset.title}: no answer yet, since {lacking}."
        else:
            sentence = (
                f"{dataset.title}: at equal total FLOPs, {oracle.keys['Rule']} leaves {oracle:full} times the residual "
                f"that random picks leave in the tail ({plural(oracle.n, 'seed')}): {VERDICTS[oracle.side(1)]}."
            )
        decay = [_decay(dataset, arm, *both) for arm, *both in pairs if oracle and arm.name == oracle.keys["Rule"]]
        return Answer(
            sentence=sentence,
            enough=oracle is not None,
            quantities=found.quantities(),
            tables=(self._table(dataset, found, arms),) if found else (),
            charts=(*([self._ratios(dataset, found, arms)] if found else []), *decay),
            notes=NOTES,
        )

    def _curves(self, arm: Measured[Taken]) -> dict[int, _Curve]:
        """By seed; none of runs that diverged, or where a group has no direction."""
        found = {}
        for seed, taken in arm.values.items():
            ends = [*self.groups, taken.energies.shape[1]]
            groups = [taken.energies[:, first:last] for first, last in zip((0, *ends), ends, strict=False)]
            if np.isfinite(taken.energies).all() and min(group.shape[1] for group in groups):
                left = np.stack([group.mean(1) for group in groups], 1)
                found[seed] = _Curve(np.array([0.0, *taken.flops]), np.concatenate([np.ones((1, len(ends))), left]))
        return found

    def _ranges(self, arms: Mapping[str, Measured[Taken]]) -> list[str]:
        """The directions of each group."""
        last = max(taken.energies.shape[1] for arm in arms.values() for taken in arm.values.values())
        ends = (0, *self.groups, last)
        return [f"{first + 1} to {end}" for first, end in pairwise(ends)]

    def _table(self, dataset: Dataset, found: Estimates, arms: Mapping[str, Measured[Taken]]) -> Table:
        groups = ", ".join(f"{where} ({name})" for where, name in zip(self._ranges(arms), NAMES, strict=True))
        note = (
            f"At equal FLOPs: the geometric mean over {GRID} costs up to the last that both have spent. Directions "
            f"{groups} of the covariance of the features of {references([*arms.values()])}. The start, 1, is what "
            "predicting every class alike leaves; decay is minus the logarithm of what is left at that last cost."
        )
        columns: dict[str, Column] = {
            **{f"{name.capitalize()}, equal FLOPs [95 %]": shown(QUANTITY.format(name, COST)) for name in NAMES},
            "Tail, equal passes [95 %]": shown(QUANTITY.format("tail", PASSES)),
            "Decay of the tail, nats": lambda row: row[0].record["decay"],
            "Its twin's": lambda row: row[0].record["twin's"],
            "Seeds": lambda row: row[0].n,
        }
        title = f"{dataset.title}: residual left, as a multiple of what random picks of its number leave"
        note += f" Left out: {fallen}." if (fallen := _fallen(arms)) else ""
        return found.table(title, ("Rule", "Picks"), columns, note)

    def _ratios(self, dataset: Dataset, found: Estimates, arms: Mapping[str, Measured[Taken]]) -> Chart:
        series: dict[str, Column] = {
            f"{name} (directions {where})": QUANTITY.format(name, COST)
            for name, where in zip(NAMES, self._ranges(arms), strict=True)
        }
        title = f"{dataset.title}: residual left at equal total FLOPs"
        return found.chart(title, "Rule", series, y_label="times what random picks leave", log_y=True, level=1.0)


def _fallen(arms: Mapping[str, Measured[Taken]]) -> str:
    """How many runs diverged; empty where none did."""
    number = sum(not np.isfinite(taken.energies).all() for arm in arms.values() for taken in arm.values.values())
    return f"{plural(number, 'run')} that diverged" if number else ""


def _estimates(arm: Measured[Taken], own: Mapping[int, _Curve], twins: Mapping[int, _Curve]) -> Iterator[Estimate]:
    """Ratios by group, at equal cost and after equal passes; beside them the decay of the tail at the last cost."""
    seeds = [seed for seed in own if seed in twins]
    if len(seeds) < FEWEST:
        return
    most = {seed: min(own[seed].flops[-1], twins[seed].flops[-1]) for seed in seeds}
    costs = {seed: np.linspace(0.0, most[seed], GRID + 1)[1:] for seed in seeds}
    at = np.array([[[of[seed].at(cost) for of in (own, twins)] for cost in costs[seed]] for seed in seeds])
    ends = np.array([[of[seed].at(math.inf) for of in (own, twins)] for seed in seeds])
    decay, other = (f"{-value:.3f}" for value in at[:, -1, :, 2].mean(0))
    for when, logs in ((COST, at.mean(1)), (PASSES, ends)):
        for name, ratios in zip(NAMES, (logs[:, 0] - logs[:, 1]).T, strict=True):
            found = ratio_of(QUANTITY.format(name, when), arm.keys, dict(zip(seeds, ratios.tolist(), strict=True)))
            yield replace(found, record={"decay": decay, "twin's": other})


def _decay(dataset: Dataset, arm: Measured[Taken], own: Mapping[int, _Curve], twins: Mapping[int, _Curve]) -> Chart:
    """Mean curves of a rule and its twin, as far as all their runs go."""
    series = []
    seeds = [seed for seed in own if seed in twins]
    for name, curves in ((arm.name, own), ("its twin", twins)):
        costs = np.linspace(0.0, min(curves[seed].flops[-1] for seed in seeds), GRID)
        logs = np.mean([[curves[seed].at(cost) for cost in costs] for seed in seeds], axis=0)
        for group in (0, 2):
            series.append(Series(f"{name}, {NAMES[group]}", tuple(costs), tuple(np.exp(logs[:, group]))))
    title = f"{dataset.title}: what {arm.name} and random picks leave of the residual"
    return Chart(title, "total FLOPs", "share of the start", tuple(series), log_y=True)
