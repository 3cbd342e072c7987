"""Runs in pairs: by seed where accuracies are compared, by block of the timing pass for seconds.

No folder but this one pairs runs. A pair exists for a seed only where both sides are there; seeds without a partner
are dropped and counted.

**Cost twins** are runs of the strategy's own cost, and pairs like any others.

**Budget ladders** (:class:`LadderCurve`) are what simply training for less reaches, read at the cost of a strategy,
seed by seed: an exploratory reading, since a chord lies below the concave curve that it cuts, which favours the
strategy. Costs are those of each run. Seconds are an exception where the timing pass covers the strategy and every
rung: what an arm costs is then its mean over the pass's blocks, the same for every seed, since the timed runs are not
the ones that were evaluated. The interval of such a contrast holds the spread of accuracies and not that of the
timings, which is shown separately, as the interval of the ratio of seconds.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from ..records.folder import ORDINARY, TIMED, Arm, Cell, LadderName, Results
from ..statistics import Array, Correction, spread
from .costs import Accounts, Clock, Prices, common
from .estimand import Estimand
from .training import collapsed

NO_TWIN = "run the matrix again to train its cost twin"

__all__ = ["LadderCurve", "Pairs", "Sample", "accuracies", "apart", "common", "rounded"]


@dataclass(frozen=True)
class LadderPoint:
    accuracy: float
    side: int  # -1 below its lowest rung, 1 above its top, 0 within
    rungs: tuple[int, ...]  # that it was read from, as positions in the order given
    excess: float  # cost / top rung's cost - 1


class LadderCurve:
    """The ladder of one seed as a curve of accuracy against cost.

    Linear in log cost between the rungs as they are (smoothing turned equality into "superior" where a ladder
    falls); beyond either end, the rung at that end. No crossing inside a run is ever used: every rung is a run of
    its own with a fully decayed schedule. Rungs come in any order; costs are positive.
    """

    def __init__(self, costs: Sequence[float], accuracies: Sequence[float]) -> None:
        self._order = sorted(range(len(costs)), key=lambda rung: (costs[rung], rung))
        self._costs = [costs[rung] for rung in self._order]
        self._x = [math.log(cost) for cost in self._costs]
        self._y = [float(accuracies[rung]) for rung in self._order]

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
        """The least cost at which this ladder first reaches ``accuracy``; infinite where it never does.

        Where the lowest rung reaches it already, that rung's cost: an upper bound, since nothing cheaper was run.
        """
        x, y = self._x, self._y
        at = next((i for i, reached in enumerate(y) if reached >= accuracy), None)
        if at is None:
            return math.inf
        if at == 0 or y[at] == accuracy:
            return self._costs[at]
        return math.exp(x[at - 1] + (x[at] - x[at - 1]) * (accuracy - y[at - 1]) / (y[at] - y[at - 1]))

    @property
    def lowest(self) -> float:
        return self._y[0]


@dataclass(frozen=True)
class Reading:
    points: dict[int, LadderPoint]  # of the seeds, ascending, that have the strategy and the whole ladder
    source: str | None = None  # of seconds; None for FLOPs
    blocks: int = 0  # of the timing pass that the costs rest on
    notes: tuple[str, ...] = ()


class Ladders:
    def __init__(self, results: Results, accounts: Accounts, clock: Clock) -> None:
        self._results, self._accounts, self._clock = results, accounts, clock
        self._curves: dict[tuple[object, ...], dict[int, LadderCurve]] = {}

    def read(self, arm: Arm, rungs: Sequence[Arm], account: str, cost: str) -> Reading:
        """The ladder of ``rungs`` at what ``arm`` costs."""
        if cost == "wall_clock":
            found = self._clock.seconds([arm, *rungs], account)
            if found and found.timed:
                return self._timed(arm, rungs, found)
        points = _read(self.own_costs(rungs, account, cost), self._accounts.of(arm, account, cost))
        if cost != "wall_clock":
            return Reading(points)
        notes: tuple[str, ...] = ("indication: seconds of ordinary cells",)
        if self._results.timings:
            missing = [of.label for of in (arm, *rungs) if not self._clock.timings(of)]
            notes += (f"the timing pass lacks {', '.join(missing) or 'blocks that have every rung'}",)
        if self._clock.unlike([arm, *rungs]):
            return Reading({}, ORDINARY, notes=(*notes, "seconds of unlike machines are not compared"))
        return Reading(points, ORDINARY, notes=notes)

    def own_costs(self, rungs: Sequence[Arm], account: str, cost: str) -> Mapping[int, LadderCurve]:
        """Each seed's curve at what its own runs cost, where all of ``rungs`` are there at known costs."""
        key = (rungs[0].key, account, cost)
        if key not in self._curves:
            self._curves[key] = self._made(rungs, common(*(self._accounts.of(rung, account, cost) for rung in rungs)))
        return self._curves[key]

    def priced(self, rungs: Sequence[Arm], prices: Sequence[float]) -> Mapping[int, LadderCurve]:
        """Each seed's curve at one price for each rung; empty where a price is not known."""
        key = (rungs[0].key, *prices)
        if key not in self._curves:
            self._curves[key] = self._made(rungs, dict.fromkeys(self._results.of(rungs[0]), prices))
        return self._curves[key]

    def _timed(self, arm: Arm, rungs: Sequence[Arm], found: Prices) -> Reading:
        """Each seed's ladder at mean seconds over the blocks that have the strategy and every rung."""
        n = len(found.blocks)
        ours, *theirs = (float(price) for price in found.values.mean(axis=1))
        notes: tuple[str, ...] = (f"cost: mean seconds of {n} block{'' if n == 1 else 's'} of the timing pass",)
        if not all(0 < price < math.inf for price in (ours, *theirs)):
            return Reading({}, TIMED, n, (*notes, "the timing pass lacks an artefact that was used"))
        read = _read(self.priced(rungs, theirs), dict.fromkeys(self._results.of(arm), ours))
        return Reading(read, TIMED, n, notes)

    def _made(self, rungs: Sequence[Arm], prices: Mapping[int, Sequence[float]]) -> dict[int, LadderCurve]:
        return {
            seed: LadderCurve(prices[seed], [cell.accuracy for cell in cells])
            for seed, cells in common(*map(self._results.of, rungs)).items()
            if all(0 < price < math.inf for price in prices[seed])
        }


def _read(curves: Mapping[int, LadderCurve], prices: Mapping[int, float]) -> dict[int, LadderPoint]:
    return {seed: curves[seed].read(price) for seed, price in prices.items() if seed in curves and 0 < price < math.inf}


@dataclass(frozen=True, eq=False)
class Sample:
    seeds: tuple[int, ...] = ()  # the pairs, ascending
    ours: Array = field(default_factory=lambda: np.empty(0))  # [n] test accuracy in percent
    theirs: Array = field(default_factory=lambda: np.empty(0))
    collapsed: int = 0  # seeds at which either side's run lies below the data set's threshold, paired or not
    above: int = 0  # seeds at which the strategy cost more than the ladder's top rung
    below: int = 0  # or less than its lowest
    source: str | None = None  # of the seconds at which a ladder was read
    blocks: int = 0  # of the timing pass behind these seconds; 0 where they are of ordinary cells
    notes: tuple[str, ...] = ()
    price: Correction | None = None  # at equal seconds: what the unlike prices of both sides are worth in points

    @property
    def differences(self) -> Array:
        """Ours minus theirs, ``[n]``, in points."""
        return self.ours - self.theirs


def accuracies(results: Results, arm: Arm | str | None) -> dict[int, float]:
    """Test accuracy in percent by seed, of the runs whose accuracy is a number; empty without an arm."""
    cells = results.of(arm) if arm else {}
    return {seed: 100 * cell.accuracy for seed, cell in cells.items() if math.isfinite(cell.accuracy)}


def apart(ours: Mapping[int, float], theirs: Mapping[int, float]) -> dict[int, float]:
    return {seed: a - b for seed, (a, b) in common(ours, theirs).items()}


class Pairs:
    def __init__(self, results: Results) -> None:
        self.results = results
        self._fallen: dict[str, frozenset[int]] = {}
        self._cells: dict[tuple[str, ...], dict[int, tuple[Cell, ...]]] = {}
        self._falling: dict[str, tuple[str, ...]] = {}

    @cached_property
    def accounts(self) -> Accounts:
        return Accounts(self.results)

    @cached_property
    def clock(self) -> Clock:
        return Clock(self.results, self.accounts)

    @cached_property
    def ladders(self) -> Ladders:
        return Ladders(self.results, self.accounts, self.clock)

    def cells(self, *arms: Arm) -> Mapping[int, tuple[Cell, ...]]:
        if (key := tuple(arm.key for arm in arms)) not in self._cells:
            self._cells[key] = common(*map(self.results.of, arms))
        return self._cells[key]

    def accuracy(self, *arms: Arm) -> Array:
        """Test accuracies ``[arms, n]`` in percent at the seeds that have them all."""
        return _percent(list(self.cells(*arms).values()), len(arms))

    def fallen(self, *arms: Arm) -> frozenset[int]:
        """Seeds at which a run of any arm lies below its data set's threshold, or diverged."""
        for arm in arms:
            if arm.key not in self._fallen:
                dataset, cells = self.results.matrix.datasets[arm.dataset], self.results.of(arm)
                self._fallen[arm.key] = frozenset(seed for seed, cell in cells.items() if collapsed(cell, dataset))
        return frozenset().union(*(self._fallen[arm.key] for arm in arms))

    def sample(self, asked: Estimand, *, timed: bool = False) -> Sample:
        """The accuracies that ``asked`` compares; at equal cost the rival's is the ladder's at the arm's cost.

        At equal cost a seed takes part where the whole ladder is there and every cost is known. With ``timed``, equal
        seconds rest on the timing pass or on nothing: without one there are no pairs.
        """
        everywhere = len(set().union(*map(self.results.of, asked.arms)))
        if asked.ladder == "best":
            return self._best(asked)
        if asked.ladder is None:
            if asked.rival == asked.arm:
                return Sample(notes=(NO_TWIN,))
            paired = self.cells(asked.arm, asked.rival)
            ours, theirs = _percent(list(paired.values()), 2)
            notes = _dropped(everywhere - len(paired), everywhere)
            sample = Sample(tuple(paired), ours, theirs, len(self.fallen(*asked.arms)), notes=notes)
            return self._at_seconds(asked, sample) if asked.equal and asked.cost == "wall_clock" else sample
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
            notes=(
                *reading.notes,
                *_dropped(everywhere - len(reading.points), everywhere),
                *_beyond(points),
                *self._falls(asked.rivals),
            ),
        )

    def _at_seconds(self, asked: Estimand, sample: Sample) -> Sample:
        """A cost twin's sample with the correction for what the timing pass says that both sides took.

        The twin's budget rests on reference seconds. With L the mean over blocks of log(seconds of the strategy / of
        the twin) and b the slope of accuracy in log cost between the twin and the nearest rungs of its ladder, a twin
        of exactly equal seconds would have ``b L`` points more. The delta method gives that product's error.
        """
        found = self.clock.seconds([asked.arm, asked.rival], str(asked.account))
        if found is None or not found.timed:
            return Sample(collapsed=sample.collapsed, source=ORDINARY)
        blocks, timed = len(found.blocks), replace(sample, source=TIMED, blocks=len(found.blocks))
        slopes = self._slopes(asked.rival)
        if blocks < 2 or not found.known or slopes.size < 2:
            short = "two timed blocks" if blocks < 2 or not found.known else "two seeds of the twin's ladder"
            return replace(timed, seeds=(), ours=np.empty(0), theirs=np.empty(0), notes=(f"it takes {short}",))
        logs = np.log(found.values[0] / found.values[1])
        apart, b = float(logs.mean()), float(slopes.mean())
        of_price, of_slope = spread(logs) ** 2 / blocks, spread(slopes) ** 2 / slopes.size
        error = math.sqrt(b**2 * of_price + apart**2 * of_slope + of_price * of_slope)
        note = f"the seconds lie {rounded(100 * abs(math.expm1(apart)))} % apart, which the difference allows for"
        return replace(timed, price=Correction(b * apart, error, blocks - 1), notes=(*sample.notes, note))

    def _slopes(self, twin: Arm) -> Array:
        """Points of accuracy for each unit of log cost around a cost twin, one for each seed: least squares over the
        twin and the two rungs of its ladder that are nearest to it in FLOPs."""
        name: LadderName = "uniform" if twin.name == "uniform" else "full"
        rungs = [rung for rung in self.results.ladder(twin.dataset, name) if rung.key != twin.key]
        slopes = []
        for cells in self.cells(twin, *rungs).values():
            x = np.log([self.accounts.cost(cell, "marginal", "total_flops") for cell in cells])
            near = [0, *(1 + np.argsort(np.abs(x[1:] - x[0]))[:2])]
            if len(near) == 3 and np.ptp(x[near]) > 0:
                slopes.append(np.polyfit(x[near], [100 * cells[i].accuracy for i in near], 1)[0])
        return np.array(slopes)

    def _falls(self, rungs: Sequence[Arm]) -> tuple[str, ...]:
        """Where the mean over seeds of a ladder falls, from a rung to the next."""
        if (key := rungs[0].key) not in self._falling:
            means = self.accuracy(*rungs).mean(axis=1) if self.cells(*rungs) else np.empty(0)
            self._falling[key] = tuple(
                f"the ladder falls by {rounded(float(means[i] - means[i + 1]))} points from {rungs[i].rung:g} to "
                f"{rungs[i + 1].rung:g} of the budget"
                for i in np.flatnonzero(np.diff(means) < 0).tolist()
            )
        return self._falling[key]

    def _best(self, asked: Estimand) -> Sample:
        """Against the rung that is best among those no dearer than the strategy, each seed's chosen on the others."""
        arms = [asked.arm, *asked.rivals]
        paid = common(*(self.accounts.of(arm, str(asked.account), str(asked.cost)) for arm in arms))
        table = {seed: cells for seed, cells in self.cells(*arms).items() if seed in paid}
        seeds = list(table)
        accuracy = _percent(list(table.values()), len(arms))
        costs = np.array([paid[seed] for seed in seeds]).reshape(-1, len(arms)).T
        chosen: dict[int, float] = {}
        for at, seed in enumerate(seeds if len(seeds) > 1 else ()):
            others = np.arange(len(seeds)) != at
            cost, mean = costs[:, others].mean(axis=1), accuracy[:, others].mean(axis=1)
            if rungs := [i for i in range(1, len(arms)) if cost[i] <= cost[0] * (1 + 1e-9)]:
                chosen[seed] = accuracy[max(rungs, key=mean.__getitem__), at]
        ours = np.array([accuracy[0, seeds.index(seed)] for seed in chosen])
        notes = ("the rung is chosen on the other seeds", *_dropped(len(seeds) - len(chosen), len(seeds)))
        return Sample(tuple(chosen), ours, np.array([*chosen.values()]), len(self.fallen(asked.arm)), notes=notes)

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
