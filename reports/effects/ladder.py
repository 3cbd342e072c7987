"""Budget ladders: what simply training for less reaches, read at the cost of a strategy, seed by seed.

Costs are those of each run. Seconds are an exception where the timing pass covers the strategy and every rung: what
an arm costs is then its mean over the pass's blocks, the same for every seed, since the timed runs are not the ones
that were evaluated. The interval of such a contrast holds the spread of accuracies and not that of the timings,
which stands beside it as the interval of the ratio of seconds.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..records.folder import ORDINARY, TIMED, Arm, Cell, Results
from .costs import Accounts
from .seconds import Clock, Prices


@dataclass(frozen=True)
class LadderPoint:
    """A ladder read at one cost.

    ``side`` is -1 below its lowest rung, 1 above its top, 0 within; ``rungs`` are those it was read from, as
    positions in the order given; ``excess`` is cost / top rung's cost - 1.
    """

    accuracy: float
    side: int
    rungs: tuple[int, ...]
    excess: float


class LadderCurve:
    """The ladder of one seed as a curve of accuracy against cost.

    Linear in log cost between rungs, after making accuracy non-decreasing in cost (isotonic regression); beyond
    either end, the rung at that end as it is. No crossing inside a run is ever used: every rung is a run of
    its own with a fully decayed schedule. :meth:`read` asks for the accuracy at a cost, :meth:`reach` for the cost
    of an accuracy.

    Parameters
    ----------
    costs, accuracies : sequence ``[m]``
        One entry for each rung, in any order, costs positive.
    """

    def __init__(self, costs: Sequence[float], accuracies: Sequence[float]) -> None:
        from scipy.optimize import isotonic_regression

        self._order = sorted(range(len(costs)), key=lambda rung: (costs[rung], rung))
        self._costs = [costs[rung] for rung in self._order]
        self._x = [math.log(cost) for cost in self._costs]
        self._y = isotonic_regression([accuracies[rung] for rung in self._order]).x.tolist()

    def read(self, cost: float) -> LadderPoint:
        """The accuracy that this ladder reaches at a positive ``cost``."""
        x, y, at = self._x, self._y, math.log(cost)
        # A strategy of exactly a rung's cost, up to rounding, is on that rung and not beyond it.
        side = int(at > x[-1] + 1e-9) - int(at < x[0] - 1e-9)
        right = min(bisect.bisect_left(x, at), len(x) - 1)
        left = right if at >= x[right] or right == 0 else right - 1
        accuracy = y[right]
        if left < right:
            accuracy = y[left] + (y[right] - y[left]) * (at - x[left]) / (x[right] - x[left])
        rungs = tuple(sorted({self._order[left], self._order[right]}))
        return LadderPoint(accuracy, side, rungs, math.exp(at - x[-1]) - 1)

    def reach(self, accuracy: float) -> float:
        """The least cost at which this ladder reaches ``accuracy``; infinite where it never does.

        Where the lowest rung reaches it already, that rung's cost: an upper bound, since nothing cheaper was run.
        """
        x, y = self._x, self._y
        at = bisect.bisect_left(y, accuracy)
        if at == len(y):
            return math.inf
        if at == 0 or y[at] == accuracy:
            return self._costs[at]
        return math.exp(x[at - 1] + (x[at] - x[at - 1]) * (accuracy - y[at - 1]) / (y[at] - y[at - 1]))

    @property
    def lowest(self) -> float:
        """Accuracy of the cheapest rung."""
        return self._y[0]


@dataclass(frozen=True)
class Reading:
    """A ladder at the cost of a strategy.

    Parameters
    ----------
    points : mapping of seed to LadderPoint
        Seeds ascending: those that have the strategy and the whole ladder, at known costs.
    source : str or None
        Where seconds are from; None for FLOPs.
    blocks : int
        Blocks of the timing pass that the costs rest on.
    notes : tuple of str
    """

    points: dict[int, LadderPoint]
    source: str | None = None
    blocks: int = 0
    notes: tuple[str, ...] = ()


class Ladders:
    """The ladders of one results folder, and what several readings of them share."""

    def __init__(self, results: Results, accounts: Accounts, clock: Clock) -> None:
        self._results = results
        self._accounts = accounts
        self._clock = clock
        self._curves: dict[tuple[object, ...], dict[int, LadderCurve]] = {}

    def read(self, arm: Arm, rungs: Sequence[Arm], account: str, cost: str) -> Reading:
        """The ladder of ``rungs`` at what ``arm`` costs."""
        if cost != "wall_clock":
            return Reading(self._run_by_run(arm, rungs, account, cost))
        if self._clock.covers([arm, *rungs]):
            found = self._clock.seconds([arm, *rungs], account)
            assert found is not None
            return self._timed(arm, rungs, found)
        notes: tuple[str, ...] = ("indication: seconds of ordinary cells",)
        if self._results.timings:
            missing = [of.label for of in (arm, *rungs) if not self._clock.covers([of])]
            notes += (f"the timing pass lacks {', '.join(missing) or 'blocks that have every rung'}",)
        points = self._run_by_run(arm, rungs, account, cost)
        if self._clock.unlike([arm, *rungs]):
            return Reading({}, ORDINARY, notes=(*notes, "seconds of unlike machines are not compared"))
        return Reading(points, ORDINARY, notes=notes)

    def own_costs(self, rungs: Sequence[Arm], account: str, cost: str) -> Mapping[int, LadderCurve]:
        """Each seed's curve at what its own runs cost, where all of ``rungs`` are there at known costs."""
        key = (rungs[0].key, account, cost)
        if key not in self._curves:
            each = [self._accounts.of(rung, account, cost) for rung in rungs]
            self._curves[key] = self._made(rungs, {seed: [of[seed] for of in each] for seed in self._whole(rungs)})
        return self._curves[key]

    def priced(self, rungs: Sequence[Arm], prices: Sequence[float]) -> Mapping[int, LadderCurve]:
        """Each seed's curve at one price for each rung; empty where a price is not known."""
        key = (rungs[0].key, *prices)
        if key not in self._curves:
            self._curves[key] = self._made(rungs, dict.fromkeys(self._whole(rungs), prices))
        return self._curves[key]

    def _run_by_run(self, arm: Arm, rungs: Sequence[Arm], account: str, cost: str) -> dict[int, LadderPoint]:
        """Each seed's ladder at the cost of the strategy's own run."""
        return _read(self.own_costs(rungs, account, cost), self._accounts.of(arm, account, cost))

    def _timed(self, arm: Arm, rungs: Sequence[Arm], found: Prices) -> Reading:
        """Each seed's ladder at mean seconds over the blocks that have the strategy and every rung."""
        n = len(found.blocks)
        ours, *theirs = (float(price) for price in found.values.mean(axis=1))
        notes: tuple[str, ...] = (f"cost: mean seconds of {n} block{'' if n == 1 else 's'} of the timing pass",)
        if not all(0 < price < math.inf for price in (ours, *theirs)):
            return Reading({}, TIMED, n, (*notes, "the timing pass lacks an artefact that was used"))
        read = _read(self.priced(rungs, theirs), dict.fromkeys(self._results.of(arm), ours))
        return Reading(read, TIMED, n, notes)

    def _whole(self, rungs: Sequence[Arm]) -> dict[int, list[Cell]]:
        """The cells of every rung at the seeds that have them all."""
        first, *others = (self._results.of(rung) for rung in rungs)
        return {
            seed: [cell, *(of[seed] for of in others)]
            for seed, cell in first.items()
            if all(seed in of for of in others)
        }

    def _made(self, rungs: Sequence[Arm], prices: Mapping[int, Sequence[float]]) -> dict[int, LadderCurve]:
        return {
            seed: LadderCurve(prices[seed], [cell.accuracy for cell in cells])
            for seed, cells in self._whole(rungs).items()
            if all(0 < price < math.inf for price in prices[seed])
        }


def _read(curves: Mapping[int, LadderCurve], prices: Mapping[int, float]) -> dict[int, LadderPoint]:
    return {seed: curves[seed].read(price) for seed, price in prices.items() if seed in curves and 0 < price < math.inf}
