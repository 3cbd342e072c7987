"""Keep ratios scaled so that a run keeps a given share of its candidates, whatever the shape of the schedule."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import groupby
from typing import Any

from ...strategies import UsageError
from .pacer import Pacer, Step
from .schedules import BudgetMatched, Replay, Scaled, Schedule
from .step_iterator import steps_of

HALVINGS = 30
"""Of the interval that holds the factor, at least."""

MOST_STEPS = 1_000_000
"""Steps that a shape is fitted to: seconds of work; 90 passes of ImageNet in batches of 256 are 450,000."""


def paced(schedule: Schedule, **settings: Any) -> Pacer:
    """The pacer of these settings; a budget-matched schedule is fitted to it."""
    if isinstance(schedule, BudgetMatched):
        schedule = matched(Pacer(schedule=schedule.shape, **settings), schedule)
    return Pacer(schedule=schedule, **settings)


def matched(pacer: Pacer, wanted: BudgetMatched) -> Schedule:
    """The schedule that keeps ``wanted.share`` of all candidates on the steps of ``pacer``.

    The shape is rounded to the pacer's buckets first and scaled then, so that few sub-batch sizes remain and the
    total is met none the less.

    - ``fixed-candidates``: the samples trained on are ``round(share * candidates)``, exactly: what rounding
      leaves is given to the last steps that can take it, one sample each. At cadence ``epoch`` it goes to whole
      epochs, so that less than one sample for each step of an epoch is missing.
    - ``fixed-trained``: each candidate batch is as large as the shape and one common factor say; the share is met
      as nearly as whole candidates and whole steps allow, at cadence ``epoch`` as whole epochs allow.
    """
    if pacer.cost is not None:
        raise UsageError(
            "schedule budget-matched: a budget in flops or seconds makes totals equal already, scoring included: "
            f"name the shape itself ({wanted.shape}), or give the budget in passes or steps"
        )
    steps = pacer.steps if pacer.steps is not None else (pacer.passes or 0.0) * pacer.pool / pacer.batch
    if steps > MOST_STEPS:
        raise UsageError(
            f"schedule budget-matched: it is fitted step by step, to {MOST_STEPS:,} at most, and this budget is of "
            f"{steps:,.0f}: make the budget smaller, or name the shape itself ({wanted.shape})"
        )
    if pacer.batching == "fixed-candidates":
        return _counts(list(steps_of(pacer)), wanted.share, pacer.hold)
    return _scaled(pacer, wanted.share)


def _counts(steps: list[Step], share: float, hold: bool) -> Replay:
    """The sub-batch sizes of each step, for candidate batches of one size."""
    size, levels = steps[0].size, Counter(step.keep for step in steps)
    goal = round(share * size * len(steps))

    def scaled(factor: float) -> dict[int, int]:
        return {keep: min(size, max(1, round(factor * keep))) for keep in levels}

    def total(factor: float) -> int:
        return sum(levels[keep] * k for keep, k in scaled(factor).items())

    low, high = 0.0, 2.0 * size / min(levels)
    for _ in range(HALVINGS + size.bit_length()):
        middle = (low + high) / 2
        low, high = (middle, high) if total(middle) <= goal else (low, middle)
    below, above, left = scaled(low), scaled(high), goal - total(low)
    counts: list[list[int]] = []
    for _, group in groupby(reversed(steps), key=lambda step: (step.epoch, 0 if hold else step.start)):
        unit = list(group)
        k, more = below[unit[0].keep], above[unit[0].keep] - below[unit[0].keep]
        lift = more if 0 < more * len(unit) <= left else 0
        left -= lift * len(unit)
        counts.append([k + lift, len(unit)])
    runs = groupby(reversed(counts), key=lambda count: count[0])
    return Replay([[k, sum(steps for _, steps in group)] for k, group in runs], size)


def _scaled(plain: Pacer, share: float) -> Scaled:
    """The shape of ``plain`` times one factor, for sub-batches of one size."""

    def levels(progress: float) -> float:
        return plain.bucketed(plain.schedule.ratio(progress))

    seen: dict[object, float] = {}

    def off(factor: float) -> float:
        paced = replace(plain, schedule=Scaled(levels, factor))
        # Equal batches make equal steps: half of the halvings move no batch by a candidate.
        rounded = tuple(paced.sized(min(1.0, factor * ratio)) for ratio in plain.grid)
        if (batches := rounded or factor) not in seen:
            steps = list(steps_of(paced))
            seen[batches] = sum(step.keep for step in steps) / sum(step.size for step in steps) - share
        return seen[batches]

    lowest = plain.lowest()
    # No candidate batch is larger than the pool; the margin is for rounding in floating point.
    low, high = plain.batch / plain.pool / lowest * (1 + 1e-9), 1.0 / lowest
    if off(low) > 0:
        raise UsageError(
            f"schedule budget-matched: share = {share:g} needs candidate batches larger than the pool of "
            f"{plain.pool} images: make batch smaller or share larger"
        )
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if off(middle) <= 0 else (low, middle)
    return Scaled(levels, min(low, high, key=lambda factor: abs(off(factor))))
