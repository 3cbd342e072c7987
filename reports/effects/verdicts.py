"""From differences to a verdict, exactly as declared before the run.

**Which interval.** Alpha (5 %) is one-sided, so the interval that belongs to it is two-sided with confidence
1 - 2 alpha (90 %): its lower end lies above -margin exactly where the one-sided non-inferiority test rejects.
Every verdict is read off the interval that is shown beside it, Student's t or the inverted sign-flip test's as the
matrix declares; the p-values are of the same test.

**Which images.** That interval is of new seeds on the same test images. Unless the matrix declares ``scope =
"test-set"``, what speaks for a strategy must hold with the images' own error added at the lower end: superiority falls
back to non-inferiority, and non-inferiority to "on these test images only".

**Which level.** The declared primary contrasts on the same data form one family of m. Holm's step-down runs over their
non-inferiority p-values; it ends at the level alpha / (m - rejected), or alpha where all are rejected, and the whole
family's intervals are drawn at that level: what was rejected earlier has a smaller p, what was not has a larger one.
Superiority is looked at only after non-inferiority (fixed sequence) and must survive Holm over the family's
superiority p-values too. Every other contrast is exploratory: a family of its own, unadjusted.

**No verdict** below the exact sign-flip test's floor: n pairs cannot give a p below 2^-n, so 2^-n <= alpha / m must
hold. **Collapsed runs** withhold every verdict but "inferior": one collapse widens the interval, and shifts an
otherwise equal rule below 0. **Seconds of ordinary cells** carry none.

**Claims** (:func:`judge`) are made of tests, each of which asks on which side of a threshold a number lies: supported
where its whole interval lies on the claimed side, contradicted where it lies on the other. A claim is supported where
one of its cases is, and a case where every test of it is: an intersection-union test, each read at the whole alpha
(Berger 1982). Across several cases ("up to") the level is Holm's. Contradicting is the mirror image: every case must
be, at the whole alpha, and a case falls with one of its tests, at the level of Holm's procedure within the case. So an
interval's two ends may have unlike levels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from .. import statistics
from ..statistics import Array, Correction, Interval, fewest_pairs, holm
from .estimand import Test
from .estimate import Estimate, finite
from .measures import Measure

SUPERIOR = "superior"
NON_INFERIOR = "non-inferior"
WORSE_WITHIN = "measurably worse, within the margin"
INFERIOR = "inferior"
WORSE = "worse"
INCONCLUSIVE = "inconclusive"
WITHHELD = "withheld: collapsed runs"
ONLY_HERE = "on these test images only"
SUPPORTED = "supported"
CONTRADICTED = "contradicted"
NOT_RUN = "not run"

P_VALUES = ("p_noninferior", "p_superior", "p_equivalent", "p_sign_flip", "p_wilcoxon", "p_adjusted")


@dataclass(frozen=True, eq=False)
class Evidence:
    differences: Array  # [n] strategy minus baseline, in points, one for each seed; may be empty
    margin: float  # points, not negative
    collapsed: int = 0  # seeds with a collapsed run on either side
    image_error: float | None = None  # that new test images would add, in points; None where it is not known
    keys: Mapping[str, str] = field(default_factory=dict)
    price: Correction | None = None  # at equal seconds; verdicts then rest on t, whatever the matrix declares
    outside: bool | None = None  # of a reading of a ladder: whether a seed lies beyond it; None for pairs of runs

    def methods(self, interval: str) -> tuple[Callable[[Array, float], float], Callable[[Array, float], Interval]]:
        """The one-sided test, and the two-sided interval that inverts it."""
        if (by := self.price) is None:
            return _METHODS[interval]
        return (
            lambda d, null: statistics.corrected_test(d, by, null),
            lambda d, confidence: statistics.corrected_interval(d, by, confidence),
        )


@dataclass(frozen=True)
class Verdict(Estimate):
    """An estimate with the verdict that is read off its interval.

    An end is None where its test cannot reject with so few pairs; all numbers are where there are fewer than two.
    ``level`` is one-sided, of the end that the verdict rests on.

    ``p_noninferior``, ``p_superior`` and ``p_equivalent`` (two one-sided tests at the margin) are of the test that
    the interval inverts; ``p_sign_flip`` and ``p_wilcoxon`` are second opinions on non-inferiority. ``p_adjusted``
    (of non-inferiority) and the family's superiority test only exist for primary contrasts. Tests of claims have none.
    """

    verdict: str = INCONCLUSIVE
    level: float = 0.05
    sd: float | None = None
    p_noninferior: float | None = None
    p_superior: float | None = None
    p_equivalent: float | None = None
    p_sign_flip: float | None = None
    p_wilcoxon: float | None = None
    p_adjusted: float | None = None
    both_errors: tuple[float | None, float | None] | None = None  # the interval of new seeds and new test images
    seen: str = ""  # the verdict on these test images, where it does not hold for new ones

    def withheld(self, verdict: str) -> Verdict:
        untested: dict[str, Any] = dict.fromkeys(P_VALUES)
        return replace(self, verdict=verdict, **untested)


FOR = (SUPERIOR,)
AGAINST = (INFERIOR, WORSE, WORSE_WITHIN)


def by_chance(rows: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """How many of the exploratory ``rows`` of a summary chance alone would call better, and how many worse.

    Where no strategy differs from its baseline each end of an interval errs at its level, so that the expected number
    is the sum of the levels over the rows that were judged: the same for better and for worse. Rows of the same runs
    err together, so that the number found varies more than that of independent rows.
    """
    judged = [row for row in rows if not row["primary"] and row["p_superior"] is not None and not row.get("ladder")]
    judged = [row for row in judged if not row["verdict"].startswith(("no verdict", WITHHELD))]
    found = [row["verdict"] for row in judged]
    expected = sum((1 - row["confidence"]) / 2 for row in judged)
    counts = {"superior": sum(map(FOR.__contains__, found)), "worse": sum(map(AGAINST.__contains__, found))}
    return {"judged": len(judged), "expected": expected, **counts}


TOO_FEW_BLOCKS = "no verdict: the error of the seconds dominates, time more blocks"
UNTRAINED = "no verdict: no cost twin was trained"
READ_OFF = "no verdict: read off a ladder"
OUTSIDE = "no verdict: outside the ladder"


def read_off(verdict: Verdict, *, outside: bool) -> Verdict:
    """The verdict on a reading of a ladder: of harm alone, since a chord favours the strategy; none outside it."""
    if verdict.verdict.startswith("no verdict"):
        return verdict
    if outside or verdict.high is None:
        return verdict.withheld(OUTSIDE if outside else READ_OFF)
    if verdict.verdict == WITHHELD or verdict.verdict == INFERIOR:
        return verdict
    return replace(verdict, verdict=WORSE) if verdict.high < 0 else verdict.withheld(READ_OFF)


def no_verdict(short: int) -> str:
    return f"no verdict: {short} more seed{'' if short == 1 else 's'} needed"


def needs_timing(matrix: str) -> str:
    """The verdict at equal seconds where the timing pass that it takes was not made (of ``matrix``, as named)."""
    return f"no verdict: needs a timing pass (selbench run {matrix} --timing 3)"


def verdict(low: float, high: float, margin: float, *, superiority: bool = True, collapsed: int = 0) -> str:
    """The verdict of an interval; an end that equals 0 or the margin up to rounding, as the tests have it, is on it."""
    worse = _above(0.0, high)
    if _above(-margin, high):
        return INFERIOR
    if collapsed:
        return WITHHELD
    if _above(low, -margin):
        if _above(low, 0.0) and superiority:
            return SUPERIOR
        return WORSE_WITHIN if worse else NON_INFERIOR
    return WORSE if worse else INCONCLUSIVE


def on_new_images(found: str, low: float, margin: float) -> str:
    """What is left of a verdict whose interval ends at ``low`` once the test images' own error is in it."""
    if found not in (SUPERIOR, NON_INFERIOR, WORSE_WITHIN) or (found == SUPERIOR and _above(low, 0.0)):
        return found
    if not _above(low, -margin):
        return ONLY_HERE
    return NON_INFERIOR if found == SUPERIOR else found


def _above(value: float, null: float) -> bool:
    return value - null > 1e-12 * max(1.0, abs(value), abs(null))


def _flipped(differences: Array, confidence: float) -> Interval:
    # Its p-values are steps, so that one can equal the level; Holm rejects there, and so must the interval. No
    # other step is as near as this.
    return statistics.sign_flip_interval(differences, confidence - 1e-9)


_METHODS: Mapping[str, tuple[Callable[[Array, float], float], Callable[[Array, float], Interval]]] = {
    "t": (statistics.t_test, statistics.mean_interval),
    "sign-flip": (statistics.sign_flip_test, _flipped),
}
"""One-sided tests, each with the two-sided interval that inverts it."""


def decide(
    family: Sequence[Evidence],
    alpha: float,
    *,
    primary: bool = True,
    interval: str = "t",
    scope: str = "population",
) -> list[Verdict]:
    """Verdicts of one family of contrasts, in the order given, at a one-sided ``alpha`` for the family.

    The declared primary contrasts on the same data come with those without runs: they count in Holm with p = 1, so
    that a family cannot be shrunk by leaving out runs. An exploratory contrast is a family of one, without adjusted p.
    """
    if not family:
        return []  # a matrix may declare nothing: all of it is then exploratory
    tests = [item.methods(interval)[0] for item in family]
    nulls = [(test, item.differences, -item.margin) for test, item in zip(tests, family, strict=True)]
    p_noninferior = [test(d, null) if d.size > 1 else 1.0 for test, d, null in nulls]
    p_superior = [test(d, 0.0) if d.size > 1 else 1.0 for test, d, _ in nulls]
    adjusted, superior = holm(p_noninferior), holm(p_superior) <= alpha
    level = alpha / max(1, len(family) - int(np.count_nonzero(adjusted <= alpha)))
    confidence, least = 1 - 2 * level, fewest_pairs(alpha, len(family))
    decisions = []
    for i, item in enumerate(family):
        d, margin = item.differences, item.margin
        short = least - d.size
        shown: dict[str, Any] = {"n": d.size, "confidence": confidence, "unit": "points", "level": level}
        if d.size < 2:
            value = float(d[0]) if d.size else None
            decisions.append(Verdict("accuracy", item.keys, value, **shown, verdict=no_verdict(short)))
            continue
        test, ends = item.methods(interval)
        mean, low, high, sd = ends(d, confidence)
        text = here = verdict(low, high, margin, superiority=bool(superior[i]), collapsed=item.collapsed)
        if item.image_error is not None:
            both = statistics.widened(Interval(mean, low, high, sd), item.image_error, confidence)
            shown["both_errors"] = (finite(both.low), finite(both.high))
            if scope == "population" and short <= 0:
                text = on_new_images(here, both.low, margin)
                shown["seen"] = here if text != here else ""
        judged = Verdict(
            *("accuracy", item.keys, mean, finite(low), finite(high)),
            **shown,
            verdict=no_verdict(short) if short > 0 else text,
            sd=sd,
            p_noninferior=p_noninferior[i],
            p_superior=p_superior[i],
            p_equivalent=max(p_noninferior[i], test(-d, -margin)),
            p_adjusted=float(adjusted[i]) if primary else None,
        )
        if item.outside is not None:
            judged = read_off(judged, outside=item.outside)
        if judged.p_noninferior is not None:  # most readings of ladders carry none, and these two take the longest
            flips = p_noninferior[i] if interval == "sign-flip" else statistics.sign_flip_test(d, -margin)
            judged = replace(judged, p_sign_flip=flips, p_wilcoxon=statistics.wilcoxon_test(d, -margin))
        decisions.append(judged)
    return decisions


@dataclass(frozen=True)
class Threshold:
    """Whether a number lies ``above`` (or below) ``value``; ``reached`` where the threshold itself will do."""

    value: float
    above: bool
    reached: bool = False

    @classmethod
    def of(cls, test: Test, margin: float) -> Threshold:
        """That of a test, at a margin in points where it has none of its own; nan where that is not known."""
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
        end, other = (low, self.value) if self.above else (self.value, high)
        return end > other or (self.reached and end == other)

    def contradicted(self, low: float, high: float) -> bool:
        return high < self.value if self.above else low > self.value


@dataclass(frozen=True)
class Item:
    """A test with its measure; ``collapse_spoils`` where a collapsed run leaves nothing to say either way."""

    threshold: Threshold
    measure: Measure
    collapse_spoils: bool = False

    def supported(self, level: float) -> bool:
        return self._lies(level, self.threshold.supported, self.threshold.above)

    def contradicted(self, level: float) -> bool:
        return self._lies(level, self.threshold.contradicted, not self.threshold.above)

    def tells(self, level: float) -> bool:
        return self.measure.estimate is not None and (self.measure.fixed or self.measure.n >= fewest_pairs(level))

    def _lies(self, level: float, there: Callable[[float, float], bool], speaks_for: bool) -> bool:
        """Whether the interval lies there; collapsed runs withhold a verdict that speaks for the strategy."""
        withheld = self.measure.collapsed and (speaks_for or self.collapse_spoils)
        return self.tells(level) and not withheld and there(*self.measure.bounds(level))


@dataclass(frozen=True)
class Judgement:
    verdict: str
    readings: tuple[Verdict, ...]


def judge(items: Sequence[Item], cases: Sequence[Sequence[int]], alpha: float) -> Judgement:
    """The verdict of a claim, whose ``cases`` are positions of items; every item is in one.

    Items without data count in Holm all the same: leaving out runs does not make a claim easier.
    """
    support = holm_level(len(cases), alpha, lambda case, level: all(items[i].supported(level) for i in cases[case]))
    readings: dict[int, Verdict] = {}
    standing = []
    for case in cases:
        against = holm_level(len(case), alpha, lambda at, level, case=case: items[case[at]].contradicted(level))  # type: ignore[misc]
        readings |= {i: _read(items[i], support, against) for i in case}
        found = {readings[i].verdict for i in case}
        standing.append(CONTRADICTED if CONTRADICTED in found else SUPPORTED if found == {SUPPORTED} else INCONCLUSIVE)
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

    ``rejects(i, level)``: what is rejected at one one-sided level is at every larger one.
    """
    rejected = 0
    while True:
        level = alpha / max(1, m - rejected)
        found = sum(rejects(i, level) for i in range(m))
        if found <= rejected:
            return level
        rejected = found


def _read(item: Item, support: float, against: float) -> Verdict:
    """The verdict at the level of each end, with the interval made of the two ends."""
    measure = item.measure
    below, above = (support, against) if item.threshold.above else (against, support)
    confidence = 1 - below - above if measure.confidence is None else measure.confidence
    shown: dict[str, Any] = {"n": measure.n, "confidence": confidence, "unit": "significant", "level": support}
    read = Verdict(measure.quantity, measure.keys, measure.estimate, **shown)
    if measure.estimate is None:
        return replace(read, verdict=NOT_RUN)
    short = no_verdict(fewest_pairs(support) - measure.n)
    if measure.n < 2 and not measure.fixed:
        return replace(read, verdict=short)
    read = replace(read, low=finite(measure.bounds(below)[0]), high=finite(measure.bounds(above)[1]))
    if item.supported(support):
        return replace(read, verdict=SUPPORTED)
    if item.contradicted(against):
        return replace(read, verdict=CONTRADICTED)
    if measure.collapsed:
        return replace(read, verdict=WITHHELD)
    return read if item.tells(support) else replace(read, verdict=short)
