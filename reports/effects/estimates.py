"""Which runs are compared with which, paired by seed: the three questions that every strategy answers.

- ``accuracy``: against full training at equal passes. What does it cost in accuracy?
- ``picking``: against its uniform twin, at equal trained samples. Does the picking matter?
- ``pays``: against a budget ladder at equal cost, in each account and each kind of cost. Does it pay?
  Where the cost is seconds, the timing pass alone makes it a question that can have a verdict.

A pair exists for a seed only where both sides are there; seeds without a partner are dropped and counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..records.folder import ACCOUNTS, COSTS, LADDERS, ORDINARY, Arm, Cell, LadderName, Results
from ..statistics import Interval, ratio_interval
from .costs import Accounts
from .ladder import LadderPoint, Ladders
from .seconds import Clock

Array = NDArray[np.float64]
Ratios = dict[str, dict[str, Interval | None]]
Prices = dict[str, dict[str, Array | None]]


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
    prices : mapping of account to mapping of cost to array ``[2, runs]`` or None
        What these are ratios of: the strategy's costs and the baseline's, paired.
    clock : str or None
        Where the seconds among them are from.
    source : str or None
        Where the seconds are from that the row rests on or, where it rests on none, those in ``costs``.
    blocks : int
        Blocks of the timing pass behind these seconds; 0 where they are of ordinary cells.
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
    costs: Ratios = field(default_factory=dict)
    prices: Prices = field(default_factory=dict)
    clock: str | None = None
    source: str | None = None
    blocks: int = 0
    notes: tuple[str, ...] = ()

    @property
    def differences(self) -> Array:
        """Strategy minus baseline, ``[n]``, in points."""
        return self.strategy_points - self.baseline_points


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
        self.clock = Clock(results, self.accounts)
        self.ladders = Ladders(results, self.accounts, self.clock)
        self.pays = results.matrix.pays
        self.fallen: dict[str, frozenset[int]] = {}
        self.paid: dict[tuple[str, str], _Paid] = {}

    def between(self, question: str, arm: Arm, baseline: Arm) -> Contrast:
        ours, theirs = self.results.of(arm), self.results.of(baseline)
        seeds = tuple(seed for seed in ours if seed in theirs)
        everywhere = {*ours, *theirs}
        notes = _dropped(len(everywhere) - len(seeds), len(everywhere))
        if question == "picking":
            notes += _unequal_samples([(ours[seed], theirs[seed]) for seed in seeds])
        paid = self.pay(arm, baseline)
        return Contrast(
            question=question,
            arm=arm,
            baseline=baseline.label,
            baseline_arm=baseline.key,
            primary=self.declared(arm, question),
            seeds=seeds,
            strategy_points=_percent([ours[seed].accuracy for seed in seeds]),
            baseline_points=_percent([theirs[seed].accuracy for seed in seeds]),
            collapsed=len(self.collapsed(arm) | self.collapsed(baseline)),
            costs=paid.ratios,
            prices=paid.prices,
            clock=paid.source,
            source=paid.source,
            blocks=paid.blocks,
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
        """The contrast at equal cost; a seed takes part where the whole ladder is there and every cost is known.

        A declared contrast at equal seconds rests on the timing pass or on nothing: without one it has no pairs.
        """
        ours = self.results.of(arm)
        reading = self.ladders.read(arm, rungs, account, cost)
        declared = self.pays.account == account and self.pays.cost == cost and self.pays.ladder == ladder
        primary = declared and self.declared(arm, "pays")
        read = {} if primary and reading.source == ORDINARY else reading.points
        seeds, points = tuple(read), list(read.values())
        below = [self.collapsed(rung) for rung in rungs]
        collapsed = {seed for seed, point in read.items() if any(seed in below[rung] for rung in point.rungs)}
        everywhere = set(ours).union(*(self.results.of(rung) for rung in rungs))
        dropped = _dropped(len(everywhere) - len(reading.points), len(everywhere))
        paid = self.pay(arm, rungs[-1])
        return Contrast(
            question="pays",
            arm=arm,
            baseline=f"{ladder} ladder",
            baseline_arm="",
            primary=primary,
            seeds=seeds,
            strategy_points=_percent([ours[seed].accuracy for seed in seeds]),
            baseline_points=_percent([point.accuracy for point in points]),
            collapsed=len(collapsed | self.collapsed(arm)),
            account=account,
            cost=cost,
            ladder=ladder,
            above=sum(point.side == 1 for point in points),
            below=sum(point.side == -1 for point in points),
            costs=paid.ratios,
            prices=paid.prices,
            clock=paid.source,
            source=reading.source or paid.source,
            blocks=reading.blocks if reading.source else paid.blocks,
            notes=reading.notes + dropped + _beyond(points),
        )

    def declared(self, arm: Arm, question: str) -> bool:
        return arm.role == "strategy" and f"{arm.label}:{question}" in self.results.matrix.primary

    def collapsed(self, arm: Arm) -> frozenset[int]:
        """Seeds at which the arm's run lies below its data set's threshold."""
        if arm.key not in self.fallen:
            least = self.results.matrix.datasets[arm.dataset].collapse
            cells = self.results.of(arm)
            self.fallen[arm.key] = frozenset(seed for seed, cell in cells.items() if cell.accuracy < least)
        return self.fallen[arm.key]

    def pay(self, arm: Arm, baseline: Arm) -> _Paid:
        """FLOPs paired by seed; seconds by block of the timing pass where it has both arms, else by seed."""
        key = (arm.key, baseline.key)
        if key not in self.paid:
            ours, theirs = self.results.of(arm), self.results.of(baseline)
            seeds = [seed for seed in ours if seed in theirs]
            clocked = {account: self.clock.seconds([arm, baseline], account) for account in ACCOUNTS}
            prices: Prices = {}
            for account, found in clocked.items():
                flops = {cost: self._flops([arm, baseline], seeds, account, cost) for cost in COSTS[:2]}
                prices[account] = {**flops, "wall_clock": _known(found.values) if found else None}
            ratios: Ratios = {
                account: {cost: None if paid is None else ratio_interval(*paid) for cost, paid in of.items()}
                for account, of in prices.items()
            }
            of_runs = clocked["marginal"]
            source, blocks = (of_runs.source, len(of_runs.blocks)) if of_runs else (None, 0)
            self.paid[key] = _Paid(prices, ratios, source, blocks if source != ORDINARY else 0)
        return self.paid[key]

    def _flops(self, arms: Sequence[Arm], seeds: Sequence[int], account: str, cost: str) -> Array | None:
        prices = [self.accounts.of(arm, account, cost) for arm in arms]
        return _known(np.array([[of[seed] for seed in seeds] for of in prices]))


class _Paid(NamedTuple):
    """What two arms cost: prices, ratios of their means, and where the seconds are from.

    None where a cost is unknown or the seconds are of unlike machines.
    """

    prices: Prices
    ratios: Ratios
    source: str | None
    blocks: int


def _known(costs: Array) -> Array | None:
    """``[2, n]`` as it is; None where there is nothing or not everything is known."""
    return costs if costs.size and np.isfinite(costs).all() else None


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
