"""What the records say of the schedules on one data set: every comparison that the study asks for."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

from ..records.folder import Arm, Dataset, Results
from ..statistics import spread_shown
from .schedulesasked import Asked
from .schedulespaired import Mean, Pair, Points, Runs, adjust, apart, at_own_amount, per_doubling


@dataclass(frozen=True)
class Beside:
    """A schedule beside a fixed one of its own amount; ``left_out`` seeds trained on more or less than any."""

    label: str
    mean: Mean
    left_out: int


@dataclass(frozen=True)
class Grown:
    """What growing sub-batches do to a schedule's difference: ``change`` is the difference of the two before it."""

    label: str
    growing: Mean
    even: Mean
    change: Mean
    change_of_random: Mean


class Part:
    """The schedules on one data set, with one reference.

    Parameters
    ----------
    asked : Asked
    results : Results
    dataset : str
    reference : str
    """

    def __init__(self, asked: Asked, results: Results, dataset: str, reference: str) -> None:
        self.asked, self.results, self.reference = asked, results, reference
        self.dataset: Dataset = results.matrix.datasets[dataset]
        self.alpha, self.kind = results.matrix.alpha, results.matrix.interval
        self.arms: Mapping[str, Arm] = {
            arm.label: arm for arm in results.arms(dataset=dataset, role="strategy") if arm.reference == reference
        }

    @property
    def seeds(self) -> int:
        """The most seeds that a schedule shares with the baseline."""
        return max((pair.difference.n for pair in self.pairs), default=0)

    @property
    def powered(self) -> bool:
        """Whether there are seeds enough to compare spreads."""
        return self.seeds >= self.asked.fewest

    @cached_property
    def pairs(self) -> list[Pair]:
        """Each schedule against the baseline."""
        return self._family(self.asked.baseline, self.asked.schedules, self.runs)

    @cached_property
    def random(self) -> list[Pair]:
        """The same of their uniform twins: what the shape does to random picks."""
        return self._family(self.asked.baseline, self.asked.schedules, self.twins)

    @cached_property
    def due_to_picks(self) -> dict[str, Mean]:
        """How much more the shape does to the rule's picks than to random ones."""
        random = {pair.label: pair.differences for pair in self.random}
        return {p.label: Mean.of(apart(p.differences, random.get(p.label, {})), self.kind) for p in self.pairs}

    @cached_property
    def knots(self) -> list[Runs]:
        """The rule under fixed schedules, and full training, which is the rule that keeps everything."""
        full = self.results.ladder(self.dataset.name, "full")
        fixed = [self.runs(label) for label in (self.asked.baseline, *self.asked.amounts)]
        return [of for of in (*fixed, Runs.of(self.results, full[-1] if full else None)) if of.points]

    @cached_property
    def amount(self) -> Mean:
        """Points for each doubling of the images trained on, under fixed schedules."""
        return Mean.of(per_doubling(self.knots) if len(self.knots) > 1 else {}, self.kind)

    @cached_property
    def beside(self) -> list[Beside]:
        """Each schedule whose amount is not the baseline's, beside a fixed one that trains on as many."""
        found = []
        for pair in self.pairs:
            if not pair.matched and pair.ours.points and len(self.knots) > 1:
                differences = at_own_amount(pair.ours, self.knots)
                shared = sum(all(seed in of.points for of in self.knots) for seed in pair.ours.points)
                found.append(Beside(pair.label, Mean.of(differences, self.kind), shared - len(differences)))
        return found

    @cached_property
    def sweeps(self) -> dict[str, list[Pair]]:
        """For each parameter its arms against the one that they move away from, one family each."""
        found = {}
        for parameter, values in self.asked.sweep.items():
            moved = [label for label in values if label != self.asked.swept]
            pairs = self._family(self.asked.swept, tuple(moved), self.runs)
            if pairs:
                found[parameter] = pairs
        return found

    @cached_property
    def spread_seen(self) -> float | None:
        """The ratio of SDs that so many seeds show, tested alone, in four cases of five; None below three seeds."""
        known = [pair for pair in self.pairs if pair.difference.n == self.seeds and pair.correlation is not None]
        if self.seeds < 3 or not known:
            return None
        mean = math.fsum(pair.correlation or 0.0 for pair in known) / len(known)
        return spread_shown(self.seeds, correlation=max(-0.999, min(0.999, mean)), alpha=self.alpha / 2)

    def grown(self, even: Part) -> list[Grown]:
        """What growing sub-batches, here, do beside sub-batches of one size, in ``even``."""
        theirs = {pair.label: pair.differences for pair in even.pairs}
        random = [{pair.label: pair.differences for pair in part.random} for part in (self, even)]
        nothing: Points = {}
        return [
            Grown(
                pair.label,
                pair.difference,
                Mean.of(theirs[pair.label], self.kind),
                Mean.of(apart(pair.differences, theirs[pair.label]), self.kind),
                Mean.of(apart(*(of.get(pair.label, nothing) for of in random)), self.kind),
            )
            for pair in self.pairs
            if pair.label in theirs
        ]

    def runs(self, label: str) -> Runs:
        """The runs of a strategy."""
        return Runs.of(self.results, self.arms.get(label))

    def twins(self, label: str) -> Runs:
        """The runs of a strategy's uniform twin."""
        arm = self.arms.get(label)
        return Runs.of(self.results, None if arm is None else self.results.matrix.arms.get(arm.twin))

    def collapsed(self) -> int:
        """Runs of the schedules and the baseline below the data set's threshold."""
        labels = (self.asked.baseline, *self.asked.schedules)
        least = 100.0 * self.dataset.collapse
        return sum(points < least for label in labels for points in self.runs(label).points.values())

    def _family(self, rival: str, labels: tuple[str, ...], side: Callable[[str], Runs]) -> list[Pair]:
        theirs = side(rival)
        found = [Pair.of(label, side(label), theirs, self.kind) for label in labels if label in self.arms]
        return adjust([pair for pair in found if pair.differences])


def parts(asked: Asked, results: Results) -> list[Part]:
    """One for each data set and reference that the baseline stands on."""
    return [
        Part(asked, results, arm.dataset, arm.reference)
        for dataset in results.matrix.datasets
        for arm in results.arms(dataset=dataset, role="strategy")
        if arm.label == asked.baseline
    ]
