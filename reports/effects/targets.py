"""Cost to a target: what it takes to come within the margin of full training, in every account.

**The target** of a seed is the mean accuracy of full training, at its whole budget, over the *other* seeds, minus
the data set's margin: a seed's own run never sets its own bar. An arm's cost is read from the final points of a
budget ladder, never from a crossing inside one run, whose learning rate has not decayed where it crosses.

- ``full``, ``uniform`` and every strategy with a ladder of its own: accuracy made non-decreasing in cost within the
  seed, linear in log cost between rungs. Where the lowest rung is good enough already, that rung's cost counts:
  an upper bound, since nothing cheaper was run (``at_lowest`` counts these seeds).
- A strategy without one: the cost of its one run where that reaches the target. It might have got there for less, so
  this is an upper bound too.

**A miss**, a seed at which an arm never reaches the target, costs infinity and is kept: medians, and intervals of
medians from order statistics, bear it where means would not. A **speed-up** is full's ladder cost over the arm's at
one seed: 0 where the arm misses, infinite where it arrives and full's own ladder does not.

Seconds come from the timing pass alone, as means over the blocks that have every rung of the arm and of full on one
machine; without such blocks there is no row. Every seed then pays the same prices: such an interval holds the spread
of accuracies and not that of the timings.

The median as summary, the margin as tolerance and the interpolation in log cost are choices of ours.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .. import statistics
from ..records.folder import ACCOUNTS, COSTS, TIMED, Arm, Results
from .ladder import LadderCurve
from .pairing import Pairs, common

CONFIDENCE = 0.95

Curves = Mapping[int, LadderCurve]


def targets(pairs: Pairs) -> list[dict[str, Any]]:
    """The ``targets`` of the summary: one row for each arm, account and cost, in the order of data sets and arms."""
    return [row for dataset in pairs.results.matrix.datasets for row in _rows(pairs, dataset)]


def goals_of(results: Results, dataset: str) -> dict[int, float]:
    """Each seed's target in [0, 1]; none for a seed without another one that full was run at."""
    full = results.ladder(dataset, "full")[-1:]
    reached = {seed: cell.accuracy for arm in full for seed, cell in results.of(arm).items()}
    margin, goals = results.matrix.datasets[dataset].margin / 100, {}
    for seed in results.matrix.seeds:
        others = [accuracy for other, accuracy in reached.items() if other != seed]
        if others:
            goals[seed] = math.fsum(others) / len(others) - margin
    return goals


def _rows(pairs: Pairs, dataset: str) -> Iterator[dict[str, Any]]:
    results = pairs.results
    full, uniform = (results.ladder(dataset, role) for role in ("full", "uniform"))
    if not full or full[-1].rung != 1.0:
        return
    goals = goals_of(results, dataset)
    strategies = results.arms(dataset=dataset, role="strategy")
    every = [full, uniform, *(results.own_ladder(arm) or (arm,) for arm in strategies)]
    for rungs in filter(None, every):
        for account in ACCOUNTS:
            for cost in COSTS:
                if row := _row(pairs, rungs, full, goals, account, cost):
                    yield {**row, "margin": results.matrix.datasets[dataset].margin}


def _row(
    pairs: Pairs, rungs: Sequence[Arm], full: Sequence[Arm], goals: Mapping[int, float], account: str, cost: str
) -> dict[str, Any] | None:
    """One arm in one account and cost; None where nothing is known of it."""
    found = pairs.to_target(rungs, full, account, cost)
    if found is None:
        return None
    ours, theirs, blocks = found
    spent = spent_on(ours, goals)
    if not spent:
        return None
    arm = rungs[-1]
    return {
        "dataset": arm.dataset,
        "reference": arm.reference,
        "strategy": arm.label,
        "arm": arm.key,
        "role": arm.role,
        "account": account,
        "cost": cost,
        "baseline": "full",
        "target": 100 * math.fsum(goals[seed] for seed in spent) / len(spent),
        "n": len(spent),
        "ladder": len(rungs) > 1,
        "misses": sum(map(math.isinf, spent.values())),
        "at_lowest": sum(ours[seed].lowest >= goals[seed] for seed in spent),
        **_median(list(spent.values())),
        "confidence": CONFIDENCE,
        "speedup": None if arm.role == "full" else _speedup(spent, spent_on(theirs, goals)),
        "timing": {"source": TIMED if blocks else None, "blocks": blocks},
    }


def spent_on(curves: Curves, goals: Mapping[int, float]) -> dict[int, float]:
    """What each seed spends to reach its target: infinite where it never does."""
    return {seed: curve.reach(goals[seed]) for seed, curve in curves.items() if seed in goals}


def _speedup(ours: Mapping[int, float], full: Mapping[int, float]) -> dict[str, float | None] | None:
    pairs = common(ours, full).values()
    return _median([speedup(*pair) for pair in pairs]) if pairs else None


def speedup(own: float, other: float) -> float:
    """How many times as much the other side spends: 0 where one's own never arrives."""
    return 0.0 if math.isinf(own) else other / own


def _median(values: Sequence[float]) -> dict[str, float | None]:
    """The median with its interval; no ends where the values are too few for one of this confidence."""
    found = statistics.median_interval(values, CONFIDENCE)
    known = found.low > -math.inf
    return {
        "median": found.estimate,
        "ci_low": found.low if known else None,
        "ci_high": found.high if known else None,
    }
