"""From measures to verdicts: intersection-union within a case, Holm across cases, read off the intervals shown.

Each test asks on which side of a threshold a number lies. It is **supported** where its whole interval lies on the
claimed side, **contradicted** where the whole interval lies on the other.

A claim is supported where one of its cases is, and a case where every test of it is: an intersection-union test,
so each is read at the whole alpha (Berger 1982). Across several cases ("up to") the level is Holm's. Contradicting
is the mirror image: every case must be contradicted, each at the whole alpha, and a case falls with one of its
tests, at the level of Holm's procedure within the case. A claim of one test is at alpha either way.

So an interval's two ends may have unlike levels, and the verdict is always that of the interval shown. Holm's
step-down on p-values and the loop here, which raises the level while it finds more, reject the same hypotheses.

Both directions keep the exact test's floor: n pairs cannot give a p below 2^-n. Collapsed runs withhold whatever
speaks for the strategy, as in :mod:`selbench.reports.effects.verdicts`; that it is worse stands. About spreads a
collapsed run leaves nothing to say.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ...effects.measures import Measure
from ...effects.verdicts import WITHHELD, no_verdict
from ...statistics import fewest_pairs
from .schema import Test

SUPPORTED = "supported"
CONTRADICTED = "contradicted"
INCONCLUSIVE = "inconclusive"
NOT_RUN = "not run"
OUT = "out of scope"


@dataclass(frozen=True)
class Question:
    """Whether a number lies ``above`` (or below) ``threshold``; ``reached`` where the threshold itself will do."""

    threshold: float
    above: bool
    reached: bool = False

    @classmethod
    def of(cls, test: Test, margin: float) -> Question:
        """The question of a test, at a margin in points where it has none of its own; nan where that is not known."""
        margin = margin if test.margin is None else test.margin
        if test.bound is not None:
            return cls(test.bound, above=test.hypothesis == "at least", reached=True)
        return {
            "non-inferior": cls(-margin, above=True),
            "superior": cls(0.0, above=True),
            "inferior": cls(-margin, above=False),
            "no gain": cls(margin, above=False),
            "steadier": cls(1.0, above=False),
        }[test.hypothesis]

    def supported(self, low: float, high: float) -> bool:
        """Whether all of an interval lies on the claimed side."""
        end, other = (low, self.threshold) if self.above else (self.threshold, high)
        return end > other or (self.reached and end == other)

    def contradicted(self, low: float, high: float) -> bool:
        """Whether all of an interval lies on the other side."""
        return high < self.threshold if self.above else low > self.threshold


@dataclass(frozen=True)
class Item:
    """A test with its measure; ``collapse_spoils`` where a collapsed run leaves nothing to say either way."""

    question: Question
    measure: Measure
    collapse_spoils: bool = False

    def may(self, *, speak_for: bool) -> bool:
        """Whether collapsed runs leave room for a verdict that speaks for the strategy, or against it."""
        return not self.measure.collapsed or not (speak_for or self.collapse_spoils)

    def supported(self, level: float) -> bool:
        """At a one-sided level."""
        return (
            self.tells(level) and self.may(speak_for=self.question.above) and self.question.supported(*self.at(level))
        )

    def contradicted(self, level: float) -> bool:
        """At a one-sided level."""
        against = self.may(speak_for=not self.question.above)
        return self.tells(level) and against and self.question.contradicted(*self.at(level))

    def at(self, level: float) -> tuple[float, float]:
        """The interval of confidence 1 - 2 x level."""
        return self.measure.bounds(level)

    def tells(self, level: float) -> bool:
        """Whether there are pairs enough for a verdict at this level."""
        return self.measure.estimate is not None and (self.measure.fixed or self.measure.n >= fewest_pairs(level))


@dataclass(frozen=True)
class Reading:
    """A test's verdict with the interval it is read off; numbers are None where there are none."""

    verdict: str
    low: float | None
    high: float | None
    confidence: float
    level: float
    """One-sided, of the end that support rests on."""


@dataclass(frozen=True)
class Judgement:
    """The verdict of a claim and, in their order, of its tests."""

    verdict: str
    readings: tuple[Reading, ...]


def judge(items: Sequence[Item], cases: Sequence[Sequence[int]], alpha: float) -> Judgement:
    """The verdict of a claim.

    Parameters
    ----------
    items : sequence of Item
    cases : sequence of sequences of int
        Positions of the items of each case; every item is in one. Items without data count in Holm all the
        same: leaving out runs does not make a claim easier.
    alpha : float
        One-sided.
    """
    support = holm_level(len(cases), alpha, lambda case, level: all(items[i].supported(level) for i in cases[case]))
    readings: dict[int, Reading] = {}
    standing = []
    for case in cases:
        against = holm_level(len(case), alpha, lambda at, level, case=case: items[case[at]].contradicted(level))  # type: ignore[misc]
        for i in case:
            readings[i] = _read(items[i], support, against)
        verdicts = [readings[i].verdict for i in case]
        standing.append(
            CONTRADICTED
            if CONTRADICTED in verdicts
            else SUPPORTED
            if all(verdict == SUPPORTED for verdict in verdicts)
            else INCONCLUSIVE
        )
    verdict = INCONCLUSIVE
    if SUPPORTED in standing:
        verdict = SUPPORTED
    elif all(of == CONTRADICTED for of in standing):
        verdict = CONTRADICTED
    elif all(item.measure.estimate is None for item in items):
        verdict = NOT_RUN
    return Judgement(verdict, tuple(readings[i] for i in range(len(items))))


def holm_level(m: int, alpha: float, rejects: Callable[[int, float], bool]) -> float:
    """The level at which Holm's (1979) step-down over ``m`` hypotheses ends: alpha / (m - rejected), at most alpha.

    Parameters
    ----------
    rejects : callable
        Whether hypothesis i is rejected at a one-sided level; what is rejected at one is at every larger one.
    """
    rejected = 0
    while True:
        level = alpha / max(1, m - rejected)
        found = sum(rejects(i, level) for i in range(m))
        if found <= rejected:
            return level
        rejected = found


def _read(item: Item, support: float, against: float) -> Reading:
    """The verdict at the level of each end, with the interval made of the two ends."""
    measure = item.measure
    below, above = (support, against) if item.question.above else (against, support)
    confidence = 1 - below - above if measure.confidence is None else measure.confidence
    if measure.estimate is None:
        return Reading(NOT_RUN, None, None, confidence, support)
    if measure.n < 2 and not measure.fixed:
        return Reading(no_verdict(fewest_pairs(support) - measure.n), None, None, confidence, support)
    low, high = item.at(below)[0], item.at(above)[1]
    if item.supported(support):
        verdict = SUPPORTED
    elif item.contradicted(against):
        verdict = CONTRADICTED
    elif measure.collapsed:
        verdict = WITHHELD
    elif not item.tells(support):
        verdict = no_verdict(fewest_pairs(support) - measure.n)
    else:
        verdict = INCONCLUSIVE
    return Reading(verdict, _finite(low), _finite(high), confidence, support)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
