"""Is the tail learned faster? Residuals by eigen-direction, at equal cost, beside those under random picks."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from pydantic import Field, field_validator

from ..document.blocks import Chart, Series, Table
from ..document.numbers import plural
from ..effects.estimate import Column, Estimate, Estimates
from ..records.folder import Dataset, Results
from ..records.measured import Residuals as Taken
from ..statistics import Array
from .answer import Answer, Several, StrategyName, Study, Summary, about
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


class _Curve(NamedTuple):
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
        lacking = "no run says its residual by eigen-direction"
        return answered(results, lambda measures: measures.residuals, self._part, lacking)

    def _part(self, dataset: Dataset, arms: Mapping[str, Measured[Taken]]) -> Answer:
        curves = {key: self._curves(arm) for key, arm in arms.items()}
        rules = [arm for arm in arms.values() if not arm.random and arm.arm.twin in arms]
        first = {label: place for place, label in enumerate((self.oracle, *self.approximations))}
        rules.sort(key=lambda arm: first.get(arm.arm.label, len(first)))
        pairs = {arm.name: (arm, curves[arm.arm.key], curves[arm.arm.twin]) for arm in rules}
        found = Estimates(e for pair in pairs.values() for e in _estimates(*pair))
        broken = [not np.isfinite(taken.energies).all() for arm in arms.values() for taken in arm.values.values()]
        fallen = f"{plural(sum(broken), 'run')} that diverged" if any(broken) else ""
        oracle = found.one(TAIL, strategy=self.oracle)
        lacking = f"it takes {FEWEST} seeds of {self.oracle} and of its uniform twin"
        lacking += f"; left out: {fallen}" if fallen else ""
        sentence = None
        if oracle:
            sentence = (
                f"at equal total FLOPs, {oracle.keys['Rule']} leaves {oracle:full} times the residual that random "
                f"picks leave in the tail ({plural(oracle.n, 'seed')}): {VERDICTS[oracle.side(1)]}"
            )
        table, chart = self._shown(dataset, found, arms, fallen) if found else (None, None)
        decay = _decay(dataset, *pairs[oracle.keys["Rule"]]) if oracle else None
        return about(dataset.title, sentence, lacking, found, [table], [chart, decay], NOTES)

    def _curves(self, arm: Measured[Taken]) -> dict[int, _Curve]:
        """By seed; none of runs that diverged, or where a group has no direction."""
        found = {}
        for seed, taken in arm.values.items():
            ends = (0, *self.groups, taken.energies.shape[1])
            if np.isfinite(taken.energies).all() and ends[-2] < ends[-1]:
                left = np.stack([taken.energies[:, first:last].mean(1) for first, last in pairwise(ends)], 1)
                found[seed] = _Curve(np.array([0.0, *taken.flops]), np.vstack([np.ones(len(NAMES)), left]))
        return found

    def _shown(
        self, dataset: Dataset, found: Estimates, arms: Mapping[str, Measured[Taken]], fallen: str
    ) -> tuple[Table, Chart]:
        last = max(taken.energies.shape[1] for arm in arms.values() for taken in arm.values.values())
        ends = pairwise((0, *self.groups, last))
        ranges = {name: f"{first + 1} to {end}" for name, (first, end) in zip(NAMES, ends, strict=True)}
        note = (
            f"At equal FLOPs: the geometric mean over {GRID} costs up to the last that both have spent. Directions "
            f"{', '.join(f'{where} ({name})' for name, where in ranges.items())} of the covariance of the features of "
            f"{references(arms)}. The start, 1, is what predicting every class alike leaves; decay is minus the "
            "logarithm of what is left at that last cost."
        )
        columns: dict[str, Column] = {
            **{f"{name.capitalize()}, equal FLOPs [95 %]": shown(QUANTITY.format(name, COST)) for name in NAMES},
            "Tail, equal passes [95 %]": shown(QUANTITY.format("tail", PASSES)),
            "Decay of the tail, nats": lambda row: row[0].record["decay"],
            "Its twin's": lambda row: row[0].record["twin's"],
            "Seeds": lambda row: row[0].n,
        }
        title = f"{dataset.title}: residual left, as a multiple of what random picks of its number leave"
        table = found.table(title, ("Rule", "Picks"), columns, note + (f" Left out: {fallen}." if fallen else ""))
        series: dict[str, Column] = {
            f"{name} (directions {where})": QUANTITY.format(name, COST) for name, where in ranges.items()
        }
        title, y = f"{dataset.title}: residual left at equal total FLOPs", "times what random picks leave"
        return table, found.chart(title, "Rule", series, y_label=y, log_y=True, level=1.0)


def _estimates(arm: Measured[Taken], own: Mapping[int, _Curve], twins: Mapping[int, _Curve]) -> Iterator[Estimate]:
    """Ratios by group, at equal cost and after equal passes; beside them the decay of the tail at the last cost."""
    pairs = {seed: (own[seed], twins[seed]) for seed in own if seed in twins}
    if len(pairs) < FEWEST:
        return
    costs = [np.linspace(0.0, min(a.flops[-1], b.flops[-1]), GRID + 1)[1:] for a, b in pairs.values()]
    both = zip(pairs.values(), costs, strict=True)
    at = np.array([[[curve.at(cost) for curve in pair] for cost in grid] for pair, grid in both])
    ends = np.array([[curve.at(math.inf) for curve in pair] for pair in pairs.values()])
    decay, other = (f"{-value:.3f}" for value in at[:, -1, :, 2].mean(0))
    for when, logs in ((COST, at.mean(1)), (PASSES, ends)):
        for name, ratios in zip(NAMES, (logs[:, 0] - logs[:, 1]).T, strict=True):
            found = ratio_of(QUANTITY.format(name, when), arm.keys, dict(zip(pairs, ratios.tolist(), strict=True)))
            yield replace(found, record={"decay": decay, "twin's": other})


def _decay(dataset: Dataset, arm: Measured[Taken], own: Mapping[int, _Curve], twins: Mapping[int, _Curve]) -> Chart:
    """Mean curves of a rule and its twin, as far as all their runs go."""
    series = []
    for name, curves in ((arm.name, own), ("its twin", twins)):
        paired = [curves[seed] for seed in own if seed in twins]
        costs = np.linspace(0.0, min(curve.flops[-1] for curve in paired), GRID)
        logs = np.mean([[curve.at(cost) for cost in costs] for curve in paired], axis=0)
        series += [Series(f"{name}, {NAMES[g]}", tuple(costs), tuple(np.exp(logs[:, g]))) for g in (0, 2)]
    title = f"{dataset.title}: what {arm.name} and random picks leave of the residual"
    return Chart(title, "total FLOPs", "share of the start", tuple(series), log_y=True)
