"""The only place that pairs runs: by seed where accuracies are compared, by block of the timing pass for seconds.

A pair exists for a seed only where both sides are there; seeds without a partner are dropped and counted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeVar

import numpy as np

from ..records.folder import ORDINARY, Arm, Cell, Results
from ..statistics import Array
from .costs import Accounts
from .estimand import Estimand
from .ladder import LadderCurve, LadderPoint, Ladders
from .seconds import Clock, Prices

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Sample:
    """Accuracies of two sides, seed by seed.

    Parameters
    ----------
    seeds : tuple of int
        The pairs, ascending.
    ours, theirs : array ``[n]``
        Test accuracy in percent.
    collapsed : int
        Seeds at which either side's run lies below the data set's threshold, paired or not.
    above, below : int
        Seeds at which the strategy cost more than the ladder's top rung, or less than its lowest.
    source : str or None
        Where the seconds are from at which a ladder was read.
    blocks : int
        Blocks of the timing pass behind these seconds; 0 where they are of ordinary cells.
    notes : tuple of str
        What a reader must know.
    """

    seeds: tuple[int, ...] = ()
    ours: Array = field(default_factory=lambda: np.empty(0))
    theirs: Array = field(default_factory=lambda: np.empty(0))
    collapsed: int = 0
    above: int = 0
    below: int = 0
    source: str | None = None
    blocks: int = 0
    notes: tuple[str, ...] = ()

    @property
    def differences(self) -> Array:
        """Ours minus theirs, ``[n]``, in points."""
        return self.ours - self.theirs


def common(*sides: Mapping[int, T]) -> dict[int, tuple[T, ...]]:
    """What stands at the seeds that every side has, in the order of the first."""
    return {seed: tuple(of[seed] for of in sides) for seed in sides[0] if all(seed in of for of in sides)}


class Pairs:
    """The runs of one results folder in pairs, with what they cost."""

    def __init__(self, results: Results) -> None:
        self.results = results
        self._fallen: dict[str, frozenset[int]] = {}

    @cached_property
    def accounts(self) -> Accounts:
        return Accounts(self.results)

    @cached_property
    def clock(self) -> Clock:
        return Clock(self.results, self.accounts)

    @cached_property
    def ladders(self) -> Ladders:
        return Ladders(self.results, self.accounts, self.clock)

    def cells(self, *arms: Arm) -> dict[int, tuple[Cell, ...]]:
        """The cells of all ``arms`` at the seeds that have them."""
        return common(*map(self.results.of, arms))

    def accuracy(self, *arms: Arm) -> Array:
        """Test accuracies ``[arms, n]`` in percent at the seeds that have them all."""
        return _percent(list(self.cells(*arms).values()), len(arms))

    def fallen(self, *arms: Arm) -> frozenset[int]:
        """Seeds at which a run of any arm lies below its data set's threshold."""
        for arm in arms:
            if arm.key not in self._fallen:
                least = self.results.matrix.datasets[arm.dataset].collapse
                cells = self.results.of(arm)
                self._fallen[arm.key] = frozenset(seed for seed, cell in cells.items() if cell.accuracy < least)
        return frozenset().union(*(self._fallen[arm.key] for arm in arms))

    def sample(self, asked: Estimand, *, timed: bool = False) -> Sample:
        """The accuracies that ``asked`` compares; at equal cost the rival's is the ladder's at the arm's cost.

        At equal cost a seed takes part where the whole ladder is there and every cost is known. With ``timed``, equal
        seconds rest on the timing pass or on nothing: without one there are no pairs.
        """
        everywhere = len(set().union(*map(self.results.of, asked.arms)))
        if asked.ladder is None:
            paired = self.cells(asked.arm, asked.rival)
            ours, theirs = _percent(list(paired.values()), 2)
            notes = _dropped(everywhere - len(paired), everywhere)
            return Sample(tuple(paired), ours, theirs, len(self.fallen(*asked.arms)), notes=notes)
        reading = self.ladders.read(asked.arm, asked.rivals, str(asked.account), str(asked.cost))
        read = {} if timed and reading.source == ORDINARY else reading.points
        points, cells = list(read.values()), self.results.of(asked.arm)
        at = [self.fallen(rung) for rung in asked.rivals]
        collapsed = {seed for seed, point in read.items() if any(seed in at[rung] for rung in point.rungs)}
        return Sample(
            seeds=tuple(read),
            ours=100.0 * np.array([cells[seed].accuracy for seed in read], dtype=np.float64),
            theirs=100.0 * np.array([point.accuracy for point in points], dtype=np.float64),
            collapsed=len(collapsed | self.fallen(asked.arm)),
            above=sum(point.side == 1 for point in points),
            below=sum(point.side == -1 for point in points),
            source=reading.source,
            blocks=reading.blocks,
            notes=reading.notes + _dropped(everywhere - len(reading.points), everywhere) + _beyond(points),
        )

    def prices(self, arms: Sequence[Arm], account: str, cost: str) -> Prices | None:
        """FLOPs paired by seed; seconds by block of the timing pass where it has all arms, else by seed.

        None where seconds are of unlike machines.
        """
        if cost == "wall_clock":
            return self.clock.seconds(arms, account)
        paid = common(*(self.accounts.of(arm, account, cost) for arm in arms))
        return Prices(None, (), tuple(paid), np.array(list(paid.values()), dtype=np.float64).reshape(-1, len(arms)).T)

    def to_target(
        self, ours: Sequence[Arm], theirs: Sequence[Arm], account: str, cost: str
    ) -> tuple[Mapping[int, LadderCurve], Mapping[int, LadderCurve], int] | None:
        """Each side's curves of accuracy against cost by seed, and the blocks of the timing pass they rest on.

        Seconds are means over the blocks that have all arms; None without such blocks.
        """
        if cost != "wall_clock":
            curves = [self.ladders.own_costs(rungs, account, cost) for rungs in (ours, theirs)]
            return curves[0], curves[1], 0
        found = self.clock.seconds([*ours, *theirs], account)
        if found is None or not found.timed:
            return None
        prices, cut = found.values.mean(axis=1).tolist(), len(ours)
        priced = self.ladders.priced
        return priced(ours, prices[:cut]), priced(theirs, prices[cut:]), len(found.blocks)


def _percent(cells: Sequence[Sequence[Cell]], sides: int) -> Array:
    table = np.array([[cell.accuracy for cell in row] for row in cells], dtype=np.float64)
    return 100.0 * table.reshape(-1, sides).T


def _dropped(dropped: int, seeds: int) -> tuple[str, ...]:
    return (f"{dropped} of {seeds} seeds without a partner left out",) if dropped else ()


def _beyond(points: Sequence[LadderPoint]) -> tuple[str, ...]:
    above = [100 * point.excess for point in points if point.side == 1]
    below = sum(point.side == -1 for point in points)
    notes: tuple[str, ...] = ()
    if above:
        notes += (
            f"{len(above)} of {len(points)} runs cost more than the ladder's top rung "
            f"(by {rounded(float(np.mean(above)))} % on average) and are compared with it, which favours the strategy",
        )
    if below:
        notes += (
            f"{below} of {len(points)} runs cost less than the ladder's lowest rung "
            "and are compared with it, which favours the baseline",
        )
    return notes


def rounded(percent: float) -> str:
    """Two digits, or all before the point."""
    return f"{percent:.0f}" if percent >= 10 else f"{percent:.2g}"
