"""Which runs are compared with which, paired by seed: the three questions that every strategy answers.

- ``accuracy``: against full training at equal passes. What does it cost in accuracy?
- ``picking``: against its uniform twin, at equal trained samples. Does the picking matter?
- ``pays``: against a budget ladder at equal cost, in each account and each kind of cost. Does it pay?

A pair exists for a seed only where both sides are there; seeds without a partner are dropped and counted.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from .costs import Accounts, one_machine
from .results import ACCOUNTS, COSTS, LADDERS, Arm, Cell, LadderName, Results
from .statistics import Interval, isotonic, ratio_interval

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Contrast:
    """One strategy against one baseline, seed by seed.

    Parameters
    ----------
    question : str
        ``accuracy``, ``picking`` or ``pays``.
    arm : Arm
        The strategy's (or, as context, ``uniform``'s or ``full-all``'s).
    baseline, baseline_arm : str
        Label; key of the baseline's arm ("" for a ladder).
    account, cost, ladder : str or None
        Of the contrasts at equal cost.
    primary : bool
        Declared as primary before the run.
    seeds : tuple of int
        The pairs, ascending.
    strategy_points, baseline_points : array ``[n]``
        Test accuracy in percent.
    collapsed : int
        Seeds at which either side's run lies below the data set's threshold, paired or not.
    above, below : int
        Seeds at which the strategy cost more than the ladder's top rung, or less than its lowest.
    costs : mapping of account to mapping of cost to Interval or None
        Ratio strategy / baseline; for a ladder, against its top rung.
    notes : tuple of str
        What a reader of the row must know.
    """

    question: str
    arm: Arm
    baseline: str
    baseline_arm: str
    primary: bool
    seeds: tuple[int, ...]
    strategy_points: Array
    baseline_points: Array
    collapsed: int
    account: str | None = None
    cost: str | None = None
    ladder: str | None = None
    above: int = 0
    below: int = 0
    costs: dict[str, dict[str, Interval | None]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def differences(self) -> Array:
        """Strategy minus baseline, ``[n]``, in points."""
        return self.strategy_points - self.baseline_points


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
    its own with a fully decayed schedule.

    Parameters
    ----------
    costs, accuracies : sequence ``[m]``
        One entry for each rung, in any order, costs positive.
    """

    def __init__(self, costs: Sequence[float], accuracies: Sequence[float]) -> None:
        self._order = sorted(range(len(costs)), key=lambda rung: (costs[rung], rung))
        self._x = [math.log(costs[rung]) for rung in self._order]
        self._y = isotonic([accuracies[rung] for rung in self._order]).tolist()

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


def contrasts(results: Results) -> list[Contrast]:
    """Every contrast of a results folder, in the order of data sets and arms.

    Exploratory contrasts without a single pair are left out; declared primary ones never are.
    """
    maker = _Maker(results)
    rows: list[Contrast] = []
    for dataset in results.matrix.datasets:
        full = next((arm for arm in results.ladder(dataset, "full") if arm.rung == 1.0), None)
        for arm in results.arms(dataset=dataset):
            if full and (arm.role in ("strategy", "full-all") or (arm.role == "uniform" and arm.rung == 1.0)):
                rows.append(maker.between("accuracy", arm, full))
            if arm.role == "strategy":
                if arm.twin:
                    rows.append(maker.between("picking", arm, results.matrix.arms[arm.twin]))
                rows.extend(maker.at_equal_cost(arm))
    return [row for row in rows if row.seeds or row.primary]


class _Maker:
    """Builds contrasts, and keeps what several of them share."""

    def __init__(self, results: Results) -> None:
        self.results = results
        self.accounts = Accounts(results)
        self.pays = results.matrix.pays
        self.ratios: dict[tuple[str, str], dict[str, dict[str, Interval | None]]] = {}
        self.ladders: dict[tuple[str, str, str], dict[int, LadderCurve]] = {}

    def between(self, question: str, arm: Arm, baseline: Arm) -> Contrast:
        ours, theirs = self.results.of(arm), self.results.of(baseline)
        seeds = tuple(seed for seed in ours if seed in theirs)
        collapsed = {seed for seed, cell in [*ours.items(), *theirs.items()] if self.collapsed(cell)}
        everywhere = {*ours, *theirs}
        notes = _dropped(len(everywhere) - len(seeds), len(everywhere))
        if question == "picking":
            notes += _unequal_samples([(ours[seed], theirs[seed]) for seed in seeds])
        return Contrast(
            question=question,
            arm=arm,
            baseline=baseline.label,
            baseline_arm=baseline.key,
            primary=self.declared(arm, question),
            seeds=seeds,
            strategy_points=_percent([ours[seed].accuracy for seed in seeds]),
            baseline_points=_percent([theirs[seed].accuracy for seed in seeds]),
            collapsed=len(collapsed),
            costs=self.cost_ratios(arm, baseline),
            notes=notes,
        )

    def at_equal_cost(self, arm: Arm) -> list[Contrast]:
        return [
            self.on_ladder(arm, ladder, rungs, account, cost)
            for ladder in LADDERS
            if (rungs := self.results.ladder(arm.dataset, ladder))
            for account in ACCOUNTS
            for cost in COSTS
        ]

    def on_ladder(self, arm: Arm, ladder: LadderName, rungs: Sequence[Arm], account: str, cost: str) -> Contrast:
        """The contrast at equal cost; a seed takes part where the whole ladder is there and every cost is known."""
        ours = self.results.of(arm)
        curves = self.curves(rungs, account, cost)
        prices = {seed: self.accounts.cost(cell, account, cost) for seed, cell in ours.items()}
        seeds = tuple(seed for seed in ours if seed in curves and 0 < prices[seed] < math.inf)
        notes: tuple[str, ...] = ()
        if cost == "wall_clock":
            notes += ("indication: seconds of ordinary cells",)
            used = [self.results.of(of)[seed] for of in (arm, *rungs) for seed in seeds]
            if not one_machine(used):
                notes += ("seconds of unlike machines are not compared",)
                seeds = ()
        points = [curves[seed].read(prices[seed]) for seed in seeds]
        collapsed = {seed for seed, cell in ours.items() if self.collapsed(cell)}
        for seed, point in zip(seeds, points, strict=True):
            if any(self.collapsed(self.results.of(rungs[rung])[seed]) for rung in point.rungs):
                collapsed.add(seed)
        everywhere = set(ours).union(*(self.results.of(rung) for rung in rungs))
        notes += _dropped(len(everywhere) - len(seeds), len(everywhere)) + _beyond(points)
        declared = self.pays.account == account and self.pays.cost == cost and self.pays.ladder == ladder
        return Contrast(
            question="pays",
            arm=arm,
            baseline=f"{ladder} ladder",
            baseline_arm="",
            primary=declared and cost != "wall_clock" and self.declared(arm, "pays"),
            seeds=seeds,
            strategy_points=_percent([ours[seed].accuracy for seed in seeds]),
            baseline_points=_percent([point.accuracy for point in points]),
            collapsed=len(collapsed),
            account=account,
            cost=cost,
            ladder=ladder,
            above=sum(point.side == 1 for point in points),
            below=sum(point.side == -1 for point in points),
            costs=self.cost_ratios(arm, rungs[-1]),
            notes=notes,
        )

    def curves(self, rungs: Sequence[Arm], account: str, cost: str) -> dict[int, LadderCurve]:
        """A ladder's curve for each seed that has every rung, at a known cost."""
        key = (rungs[0].key, account, cost)
        if key not in self.ladders:
            cells = [self.results.of(rung) for rung in rungs]
            self.ladders[key] = {}
            for seed in cells[0]:
                if all(seed in of for of in cells):
                    prices = [self.accounts.cost(of[seed], account, cost) for of in cells]
                    if all(0 < price < math.inf for price in prices):
                        self.ladders[key][seed] = LadderCurve(prices, [of[seed].accuracy for of in cells])
        return self.ladders[key]

    def declared(self, arm: Arm, question: str) -> bool:
        return arm.role == "strategy" and f"{arm.label}:{question}" in self.results.matrix.primary

    def collapsed(self, cell: Cell) -> bool:
        return cell.accuracy < self.results.matrix.datasets[self.results.matrix.arms[cell.arm].dataset].collapse

    def cost_ratios(self, arm: Arm, baseline: Arm) -> dict[str, dict[str, Interval | None]]:
        """Ratios of mean cost over the pairs; None where a cost is unknown or the seconds are of unlike machines."""
        key = (arm.key, baseline.key)
        if key not in self.ratios:
            ours, theirs = self.results.of(arm), self.results.of(baseline)
            pairs = [(ours[seed], theirs[seed]) for seed in ours if seed in theirs]
            self.ratios[key] = {
                account: {cost: self._ratio(pairs, account, cost) for cost in COSTS} for account in ACCOUNTS
            }
        return self.ratios[key]

    def _ratio(self, pairs: Sequence[tuple[Cell, Cell]], account: str, cost: str) -> Interval | None:
        if not pairs or (cost == "wall_clock" and not one_machine([cell for pair in pairs for cell in pair])):
            return None
        ours, theirs = np.array([[self.accounts.cost(cell, account, cost) for cell in pair] for pair in pairs]).T
        if not (np.isfinite(ours).all() and np.isfinite(theirs).all()):
            return None
        return ratio_interval(ours, theirs)


def _percent(accuracies: Sequence[float]) -> Array:
    return 100.0 * np.asarray(accuracies, dtype=np.float64)


def _dropped(dropped: int, seeds: int) -> tuple[str, ...]:
    return (f"{dropped} of {seeds} seeds without a partner left out",) if dropped else ()


def _beyond(points: Sequence[LadderPoint]) -> tuple[str, ...]:
    above = [100 * point.excess for point in points if point.side == 1]
    below = sum(point.side == -1 for point in points)
    notes: tuple[str, ...] = ()
    if above:
        notes += (
            f"{len(above)} of {len(points)} runs cost more than the ladder's top rung "
            f"(by {_short(float(np.mean(above)))} % on average) and are compared with it, which favours the strategy",
        )
    if below:
        notes += (
            f"{below} of {len(points)} runs cost less than the ladder's lowest rung "
            "and are compared with it, which favours the baseline",
        )
    return notes


def _short(percent: float) -> str:
    return f"{percent:.0f}" if percent >= 10 else f"{percent:.2g}"


def _unequal_samples(pairs: Sequence[tuple[Cell, Cell]]) -> tuple[str, ...]:
    """The twin's promise is the same number of trained samples: say so where it is not kept."""
    apart = max((abs(a.picks.trained_samples / b.picks.trained_samples - 1) for a, b in pairs), default=0.0)
    return (f"trained samples differ by up to {_short(100 * apart)} %",) if apart > 0 else ()
